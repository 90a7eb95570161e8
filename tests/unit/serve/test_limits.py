"""Requests, streams and connections of one address and of all, and who that address is."""

from __future__ import annotations

import pytest

from stream.serve import limits
from stream.serve.limits import RateLimit, Slots, client_address, parse_networks

TRUSTED = parse_networks("10.0.0.0/8, 192.0.2.1, fd00::/8")


def test_a_burst_passes_then_one_for_each_part_of_a_second() -> None:
    limit = RateLimit(10)
    assert [limit.wait_s("a", 0.0) for _ in range(40)] == [0.0] * 40
    assert limit.wait_s("a", 0.0) == pytest.approx(0.1)
    assert limit.wait_s("a", 0.05) == pytest.approx(0.05)
    assert limit.wait_s("a", 0.1) == 0.0
    assert limit.wait_s("a", 0.1) > 0
    assert [limit.wait_s("a", 1_000.0) for _ in range(41)].count(0.0) == 40


def test_addresses_do_not_share() -> None:
    limit = RateLimit(1)
    for _ in range(5):
        limit.wait_s("a", 0.0)
    assert limit.wait_s("a", 0.0) > 0
    assert limit.wait_s("b", 0.0) == 0.0


def test_a_clock_that_goes_back_gives_nothing() -> None:
    limit = RateLimit(1)
    for _ in range(4):
        assert limit.wait_s("a", 100.0) == 0.0
    assert limit.wait_s("a", 0.0) > 0


def test_remembered_addresses_are_bounded_and_the_oldest_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_ADDRESSES", 2)
    limit = RateLimit(1)
    for address in ("a", "b", "a", "c"):
        limit.wait_s(address, 0.0)
    assert list(limit._left) == ["a", "c"]


def test_slots_are_taken_and_given_back() -> None:
    slots = Slots(total=3, per_address=2)
    slots.take("a")
    slots.take("a")
    assert slots.is_full_for("a")
    assert not slots.is_full_for("b")
    assert not slots.is_full()
    slots.take("b")
    assert slots.is_full()
    slots.give_back("a")
    assert not slots.is_full()
    assert not slots.is_full_for("a")
    slots.give_back("a")
    slots.give_back("b")
    assert slots.taken == 0
    assert not slots._by_address


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("203.0.113.7", "", "203.0.113.7"),
        # Only what a trusted proxy wrote is believed.
        ("203.0.113.7", "198.51.100.1", "203.0.113.7"),
        ("10.1.2.3", "198.51.100.1", "198.51.100.1"),
        ("10.1.2.3", "6.6.6.6, 198.51.100.1", "198.51.100.1"),
        ("10.1.2.3", "6.6.6.6, 198.51.100.1, 192.0.2.1", "198.51.100.1"),
        ("10.1.2.3", "", "10.1.2.3"),
        ("10.1.2.3", "nonsense", "10.1.2.3"),
        ("10.1.2.3", "192.0.2.1", "192.0.2.1"),
        # A customer's whole network is one address.
        ("2001:db8:1:2:3:4:5:6", "", "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.7", "", "203.0.113.7"),
        ("::ffff:10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("", "", "unknown"),
    ],
)
def test_client_address(peer: str, forwarded: str, address: str) -> None:
    assert client_address(peer, forwarded, TRUSTED) == address


def test_bad_networks_are_refused() -> None:
    assert parse_networks("") == ()
    with pytest.raises(ValueError, match="example"):
        parse_networks("10.0.0.0/8,example")
