"""What of a document goes to `live.claims`: what changed, what is over; all of it once a minute and for a new owner."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from stream.core.claim_log import WHOLE_EVERY_S, ClaimLog

T0_MS = 1_795_780_000_000


def claim(kind: str, value: int, sale: str | None = "s1", **inputs: int) -> dict[str, Any]:
    return {
        "id": f"{kind}:x",
        "claim": kind,
        "sale_id": sale,
        "sku_id": None if sale is None else "k1",
        "value": value,
        "unit": "items",
        "window_ms": None,
        "as_of_ms": 0,
        "valid_until_ms": 0,
        "rule": f"{kind}/1",
        "inputs": inputs,
        "evidence": [{"topic": "live.orders", "partition": 1, "first_offset": 3, "next_offset": 9}],
    }


def held(kind: str, reason: str) -> dict[str, Any]:
    return {"claim": kind, "reason": reason, "sale_id": "s1", "sku_id": "k1"}


class Log:
    def __init__(self) -> None:
        self.log = ClaimLog()
        self.epoch, self.rev = 1, 0

    def at(
        self, s: float, *claims: dict[str, Any], withheld: tuple[dict[str, Any], ...] = (), ended: bool = False
    ) -> list[tuple[Any, Any]]:
        self.rev += 1
        as_of_ms = T0_MS + round(s * 1_000)
        document: dict[str, Any] = {
            "room_id": "r1",
            "epoch": self.epoch,
            "rev": self.rev,
            "as_of_ms": as_of_ms,
            "stale_after_ms": as_of_ms + 3_000,
            "claims": [each | {"as_of_ms": as_of_ms, "valid_until_ms": as_of_ms + 3_000} for each in claims],
            "withheld": withheld,
            "session": {"ended_at_ms": as_of_ms if ended else None},
        }
        found = self.log.records(msgspec.json.encode(document), (4, 5), self.epoch)
        return [(msgspec.json.decode(key), msgspec.json.decode(value)) for key, value in found]

    def changed(self, s: float, *claims: dict[str, Any], **more: Any) -> list[str]:
        """The kinds of what was written, and how."""
        records = self.at(s, *claims, **more)
        assert records[-1][1]["schema"] == "snapup.claims.v1"
        assert [value["schema"] for _, value in records[:-1]] == ["snapup.claim.v1"] * (len(records) - 1)
        return [f"{value['claim']} {value['state']}" for _, value in records[:-1]]


def test_a_claim_is_written_as_the_document_has_it_and_the_room_behind_it() -> None:
    (key, said), (room_key, room) = Log().at(7.25, claim("stock_left", 9, offered=50))
    second = T0_MS // 1_000 + 7
    assert key == ["r1", "stock_left", "s1", "k1", second]
    assert said == {
        "schema": "snapup.claim.v1",
        "room_id": "r1",
        "claim": "stock_left",
        "epoch": 1,
        "rev": 1,
        "as_of_ms": T0_MS + 7_250,
        "state": "said",
        "sale_id": "s1",
        "sku_id": "k1",
        "rule": "stock_left/1",
        "value": 9,
        "unit": "items",
        "valid_until_ms": T0_MS + 10_250,
        "inputs": {"offered": 50},
        "evidence": [{"topic": "live.orders", "partition": 1, "first_offset": 3, "next_offset": 9}],
    }
    assert room_key == ["r1", second]
    assert room == {
        "schema": "snapup.claims.v1",
        "room_id": "r1",
        "epoch": 1,
        "rev": 1,
        "as_of_ms": T0_MS + 7_250,
        "stale_after_ms": T0_MS + 10_250,
        "since_s": second,
        "said": 1,
        "withheld": 0,
        "next_offsets": [4, 5],
    }


def test_what_did_not_change_is_not_written_again_and_the_room_says_since_when_it_stands() -> None:
    log = Log()
    log.at(0, claim("stock_left", 9), withheld=(held("in_carts", "sample_too_small"),))
    ((_, room),) = log.at(1, claim("stock_left", 9), withheld=(held("in_carts", "sample_too_small"),))
    assert (room["since_s"], room["said"], room["withheld"]) == (T0_MS // 1_000, 1, 1)


def test_a_countdown_to_the_same_end_is_no_change_and_another_end_is() -> None:
    log = Log()
    log.at(0, claim("ends_in", 60_000, ends_at_ms=T0_MS + 60_000))
    assert log.changed(1, claim("ends_in", 59_000, ends_at_ms=T0_MS + 60_000)) == []
    assert log.changed(2, claim("ends_in", 88_000, ends_at_ms=T0_MS + 90_000)) == ["ends_in said"]


@pytest.mark.parametrize("change", ["value", "rule", "window_ms", "inputs"])
def test_whatever_is_said_otherwise_is_written(change: str) -> None:
    log = Log()
    log.at(0, claim("bought_recently", 9, units_net=9))
    new = {"value": 10, "rule": "bought_recently/2", "window_ms": 1_000, "inputs": {"units_net": 10}}[change]
    assert log.changed(1, claim("bought_recently", 9, units_net=9) | {change: new}) == ["bought_recently said"]


def test_a_reason_that_changes_is_written_and_so_is_what_is_said_again() -> None:
    log = Log()
    assert log.changed(0, withheld=(held("in_carts", "sample_too_small"),)) == ["in_carts withheld"]
    assert log.changed(1, withheld=(held("in_carts", "approximate"),)) == ["in_carts withheld"]
    assert log.changed(2, claim("in_carts", 7)) == ["in_carts said"]


def test_a_claim_of_which_nothing_is_said_any_more_is_over_once() -> None:
    log = Log()
    log.at(0, claim("stock_left", 1), claim("eta_sellout", 4))
    assert log.changed(1, claim("sold_out", 0)) == ["sold_out said", "eta_sellout over", "stock_left over"]
    assert log.changed(2, claim("sold_out", 0)) == []


def test_once_a_minute_all_that_stands_is_written() -> None:
    log = Log()
    log.at(0, claim("stock_left", 9), claim("in_carts", 7))
    assert log.changed(WHOLE_EVERY_S - 1, claim("stock_left", 9), claim("in_carts", 7)) == []
    records = log.at(WHOLE_EVERY_S, claim("stock_left", 9))
    assert [value.get("state") for _, value in records] == ["over", "said", None]
    assert records[-1][1]["since_s"] == T0_MS // 1_000 + WHOLE_EVERY_S
    assert log.changed(WHOLE_EVERY_S + 1, claim("stock_left", 9)) == []


def test_another_owner_begins_anew() -> None:
    log = Log()
    log.at(0, claim("stock_left", 9))
    log.epoch = 2
    assert log.changed(1, claim("stock_left", 9)) == ["stock_left said"]


def test_the_last_document_of_a_session_ends_all_and_leaves_nothing_in_memory() -> None:
    log = Log()
    log.at(0, claim("stock_left", 9), withheld=(held("in_carts", "sample_too_small"),))
    assert log.log.rooms == 1
    records = log.at(1, ended=True)
    assert [value.get("state") for _, value in records] == ["over", "over", None]
    assert records[-1][1]["ended"]
    assert log.log.rooms == 0
