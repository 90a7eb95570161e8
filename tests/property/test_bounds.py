"""What a checkpoint costs, and what memory holds, follows what happens and not what has happened."""

from __future__ import annotations

import pytest

from stream.core.rules import Rules
from tests.support.events import Log, at, cart, comment, enter, leave, like, opened, order

SMALL, LARGE = 200, 20_000


def grown(people: int, orders: int, *, exact_max: int = 65_536) -> Log:
    """A room with so many viewers, carters and orders behind it, saved. Ids are as long in small rooms as in large."""
    log = Log(Rules(distinct_exact_max=exact_max))
    log.tick(0)
    log.add(opened(10**6))
    log.add_slice(*(enter(f"u{number:07}") for number in range(people)))
    if orders:
        statuses = ("paid", "placed")
        log.add_slice(*(order(statuses[n % 2], f"o{n:07}", f"u{n:07}") for n in range(orders)))
    log.tick(70)
    log.fold.cut(1)
    return log


def activity(log: Log, s: float, first: int, newcomers: int) -> None:
    """One second of a room: newcomers and regulars, orders of all kinds."""
    for number in range(first, first + 20):
        regular = f"u{number % SMALL:07}"
        log.add(enter(regular, s=s), like(regular, 3, s=s), comment(regular, s=s), cart(regular, s=s))
        log.add(leave(regular, s=s), order("placed", f"n{number:07}", regular, s=s))
        log.add(order("paid", f"n{number:07}", regular, s=s))
    for number in range(newcomers):
        log.add(enter(f"new{first:03}{number:04}", s=s))


def cut_bytes(log: Log, seconds: int = 5, newcomers: int = 10) -> int:
    """Bytes of state of one cut a second, for the same activity."""
    total = 0
    for second in range(seconds):
        s = 71 + second
        activity(log, s, second * 20, newcomers)
        log.tick(s)
        total += sum(len(key) + len(value or b"") for key, value in log.fold.cut(1).records)
    return total


def test_a_cut_costs_what_changed_and_not_what_the_room_has_become() -> None:
    small, large = cut_bytes(grown(SMALL, SMALL)), cut_bytes(grown(LARGE, LARGE))
    assert large <= 1.5 * small


def test_a_cut_of_a_busy_second_costs_a_few_dozen_bytes_a_record() -> None:
    log = grown(SMALL, SMALL)
    assert cut_bytes(log, seconds=20) / (20 * (20 * 7 + 10)) < 250


@pytest.mark.parametrize("rooms", [1, 500])
def test_a_cut_of_one_room_does_not_depend_on_how_many_others_there_are(rooms: int) -> None:
    log = grown(SMALL, SMALL)
    log.add(*(like(room=f"quiet{number}") for number in range(rooms - 1)))
    log.fold.cut(1)
    log.add(like("u9", s=71))
    records = log.fold.cut(1).records
    assert [key for key, _ in records if key.startswith((b"r|", b"b|"))] == [b"b|r1|a4|0", b"r|r1"]
    assert sorted(key[:2] for key, _ in records if not key.startswith((b"r|", b"b|"))) == [b"d|", b"g|", b"i|"]
    assert sum(len(value or b"") for _, value in records) < 18_000  # two tails and a head


def test_beyond_the_exact_bound_a_cut_costs_no_more_than_its_sketches() -> None:
    """A sketch is written whole, 16 KiB each: few kinds of people are ever that many, and only changed ones are."""
    log = grown(3_000, 0, exact_max=1_000)
    log.fold.cut(1)
    log.add(enter("somebody-new", s=71))
    records = log.fold.cut(1).records
    assert sum(len(value or b"") for _, value in records) < 20_000
    assert [key for key, _ in records if key.startswith(b"b|")] == [b"b|r1|a0|s"]


def test_memory_of_a_room_that_goes_on_stays_within_its_bounds() -> None:
    rules = Rules(
        distinct_exact_max=100,
        remember_ids_max=400,
        remember_orders_max=200,
        sales_per_room_max=20,
        presence_timeout_ms=30_000,
        rooms_max=10,
    )
    log = Log(rules)
    for s in range(0, 240, 2):
        log.tick(s)
        for number in range(10):
            user = f"{s}.{number}"
            log.add(enter(user, s=s), cart(user, f"s{s}", s=s), order("placed", user, user, s=s))
        log.add(like(room=f"r{s}", s=s))
        log.fold.publish(at(s), 1)
        log.fold.cut(1)
    fold, room = log.fold, log.fold.rooms["r1"]
    assert len(fold.rooms) <= 10
    assert fold.remembered_ids() <= 400 + 2 * 31
    assert len(room.orders) <= 2 * 60 / 2 * 10 + 10  # whatever the bound, what changed in the time of a hold
    assert len(room.ledgers) == 20
    assert len(room.presence.sessions) <= 30 / 2 * 10 + 10
    assert all(len(audience.last) <= 100 for audience in room.audiences)
    assert all(not audience.session.members for audience in room.audiences if audience.session.count() > 200)
    assert len(fold.shared.holds) <= 60 / 2 * 10 + 10
    # One entry for each room that is due, and a few that a later one replaced.
    assert len(fold._publishing._due) <= 10 * len(fold.rooms)
    assert fold.counters.orders_displaced + len(room.orders) == 1_200
    assert fold.counters.rooms_evicted == 120 + 1 - len(fold.rooms)
