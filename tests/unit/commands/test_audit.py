"""How an audit is told: what differs comes first, the rest when one asks for it."""

from __future__ import annotations

from io import StringIO

from rich.console import Console

from stream.commands.verdict_view import DIFFERENCES_SHOWN, show_verdict
from stream.verify.compare import Figure
from stream.verify.recount import Accounts
from stream.verify.verdict import PASSED, RoomVerdict, Verdict


def verdict(wrong: int, problems: int = 0) -> Verdict:
    figures = [Figure("likes", 5, 4) for _ in range(wrong)] + [Figure("comments", 1, 1)]
    return Verdict(
        cut=[],
        rooms=[
            RoomVerdict(room_id="a-good-room", figures=[Figure("likes", 1, 1)], as_of_ms=1),
            RoomVerdict(room_id="bad", figures=figures, as_of_ms=1),
        ],
        problems=[f"problem {number}" for number in range(problems)],
        accounts=Accounts(),
        records_cut={},
        checkpoints=0,
        documents=0,
        dead_letters=0,
        waited_s=0.5,
    )


def told(of: Verdict, *, full: bool = False, one_room: bool = False) -> list[str]:
    out = StringIO()
    show_verdict(of, Console(file=out, width=80), full=full, one_room=one_room)
    return out.getvalue().splitlines()


def test_differences_come_first_each_on_one_line() -> None:
    lines = told(verdict(2, problems=1))
    assert lines[0] == "problem 0"
    assert lines[1].startswith("bad: likes: recounted 5, in Redis 4 as of 1; from no record")
    assert lines[2] == lines[1]
    assert lines[3].startswith("0 records: ")
    assert not any("a-good-room" in line for line in lines)


def test_what_agrees_is_a_few_lines() -> None:
    lines = told(verdict(0))
    assert len(lines) == 2
    assert lines[1] == "Compared: 0 rooms in signals, 2 in Redis."
    assert verdict(0).line == PASSED


def test_the_rest_is_there_for_those_who_ask() -> None:
    many = verdict(DIFFERENCES_SHOWN + 7)
    assert "and 7 more: --full lists all, --json too" in told(many)
    full = told(many, full=True)
    assert sum(1 for line in full if line.startswith("bad: likes")) == DIFFERENCES_SHOWN + 7
    assert any("a-good-room" in line for line in full)
    assert any("comments" in line for line in told(verdict(1), full=True, one_room=True))


def test_a_document_that_was_too_large_for_its_topic_is_said_and_is_no_difference() -> None:
    short = verdict(0)
    assert not any("too large" in line for line in told(short))
    short.rooms = [RoomVerdict(room_id=f"r{number}", left_out={"claims": 1_200, "sales": 3}) for number in range(7)]
    lines = told(short)
    assert "r0: too large for live.signals, so without 1 200 claims, 3 sales there; Redis has all." in lines
    assert "and 2 more rooms: --full lists all" in lines
    assert sum(line.endswith("Redis has all.") for line in told(short, full=True)) == 7
    assert short.line == PASSED
