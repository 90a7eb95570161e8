"""Marks: one an episode, with the highest count; each at its moment."""

from __future__ import annotations

import msgspec
import pytest

from stream.contract.history import MarkRow, decode_chunk
from stream.core.history import SavedSession, Session, units_sold
from tests.support.events import Log, at, closed, like, new_room, opened, order, restocked
from tests.unit.core.test_histories import RULES, history


def marks(log: Log, *kinds: str) -> list[tuple[str, float, int | str | None, float | None]]:
    """The marks of some kinds: kind, seconds, value, seconds of the end."""
    found = [each for each in history(log.fold).marks if each.kind in kinds]
    return [
        (
            each.kind,
            (each.at_ms - at(0)) / 1_000,
            each.value,
            None if each.until_ms is None else (each.until_ms - at(0)) / 1_000,
        )
        for each in found
    ]


def oversell(log: Log, orders: range, s: float) -> None:
    log.tick(s)
    log.add(*(order("placed", f"o{each}", f"u{each}", s=s) for each in orders))


def test_an_oversold_episode_is_one_mark_with_the_highest_count() -> None:
    log = Log(RULES)
    log.tick(0)
    log.add(opened(5, s=0, ends_s=None))
    for orders, s in ((range(8), 11), (range(8, 11), 21), (range(11, 14), 31)):
        oversell(log, orders, s)
        log.tick(s + 9)
    log.add(order("cancelled", "o12", "u12", s=41))
    log.tick(50)
    assert log.fold.oversold_units() == 8
    assert marks(log, "oversold") == [("oversold", 20, 9, None)]
    log.add(restocked(50, s=55))
    log.tick(70)
    assert marks(log, "oversold") == [("oversold", 20, 9, 60)]
    oversell(log, range(100, 160), s=71)
    log.tick(80)
    assert [each[:2] for each in marks(log, "oversold")] == [("oversold", 20), ("oversold", 80)]


def test_an_episode_that_rises_in_a_later_chunk_is_still_one_mark() -> None:
    log = Log(RULES)
    log.tick(0)
    log.add(opened(1, s=0, ends_s=None))
    for each in range(4):
        log.add(order("paid", f"o{each}", f"u{each}", s=1 + 700 * each))
        log.tick(700 * (each + 1))
    assert [each[2] for each in marks(log, "oversold")] == [3]


def test_a_sale_opens_is_restocked_and_ends_at_its_moments() -> None:
    log = Log(RULES)
    log.tick(0)
    log.add(opened(5, s=0, starts_s=14, ends_s=600))
    log.tick(30)
    log.add(restocked(7, s=33))
    log.tick(50)
    log.add(closed(s=55))
    log.tick(70)
    assert marks(log, "sale_opened", "restocked", "sale_ended") == [
        ("sale_opened", 14, None, None),
        ("restocked", 40, 7, None),
        ("sale_ended", 55, None, None),
    ]


def test_a_level_is_marked_in_its_second_and_a_sale_that_is_gone_by_its_name() -> None:
    log = Log(RULES)
    log.tick(0)
    log.add(opened(3, s=0, ends_s=None))
    oversell(log, range(3), 5)
    log.tick(20)
    assert [each[1:] for each in marks(log, "all_taken")] == [(5, None, None)]
    log.add(*(order("paid", f"o{each}", f"u{each}", s=21) for each in range(3)))
    log.tick(40)
    assert len(marks(log, "sold_out")) == 1
    levels = [each[2] for each in marks(log, "level")]
    assert levels[-2:] == ["all_taken", "sold_out"]
    assert history(log.fold).points.level[-1] == "sold_out"


def test_over_the_limit_is_one_mark_with_the_last_count() -> None:
    log = Log(RULES)
    log.tick(0)
    log.add(opened(100, s=0, limit=1, ends_s=None))
    for each in range(3):
        log.add(order("paid", f"o{each}", "u1", units=2, s=1 + 10 * each))
        log.tick(10 * (each + 1))
    assert marks(log, "over_limit") == [("over_limit", 10, 5, None)]


def test_marks_beyond_the_bound_are_counted() -> None:
    log = Log(msgspec.structs.replace(RULES, history_marks=3))
    log.tick(0)
    log.add(*(opened(5, f"s{each}", s=0) for each in range(5)))
    log.tick(20)
    found = history(log.fold)
    assert (len(found.marks), found.marks_left_out) == (3, 3)  # five openings and a level


def test_a_session_goes_on_behind_chunks_that_hold_marks_only() -> None:
    log = Log(RULES)
    log.tick(0)
    log.add(like(s=1))
    session = Session(at(0))
    room = log.fold.rooms["r1"]
    assert session.look(room, at(10), 5)
    for s in (1_000, 2_000):
        session.gap(RULES, at(s))
    session.close()
    again = Session.restored(session.saved(), dict(session.chunks))
    assert again.last_ms() == at(10)
    assert not again.look(room, at(3_000), 9)  # says nothing new
    assert again.row().from_ms == session.row().from_ms


def test_units_are_those_of_all_sales_that_are_bought() -> None:
    room = new_room(RULES)
    assert units_sold(room) == 0


@pytest.mark.parametrize("ended_ms", [-1, at(50)])
def test_a_session_comes_back_as_it_was(ended_ms: int) -> None:
    log = Log(RULES)
    log.tick(0)
    log.add(like(s=1))
    session = Session(at(0))
    session.look(log.fold.rooms["r1"], at(10), 5)
    session.gap(RULES, at(20))
    if ended_ms >= 0:
        session.end(ended_ms)
    chunks = {at(0) // 600_000 * 600_000: session.chunk(at(0) // 600_000 * 600_000) or b""}
    saved = msgspec.convert(msgspec.to_builtins(session.saved()), SavedSession)
    again = Session.restored(saved, chunks)
    assert again.row() == session.row()
    assert again.open_chunk() == session.open_chunk()
    assert again.last_ms() == (session.last_ms() if ended_ms < 0 else at(0))
    (raw,) = chunks.values()
    assert decode_chunk(raw).marks == [MarkRow(at(10), "gap", "", "", until_ms=at(20))]
