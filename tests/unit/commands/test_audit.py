"""How an audit is told: what differs comes first, the rest when one asks for it."""

from __future__ import annotations

from io import StringIO

from msgspec import structs
from rich.console import Console

from stream.commands.audit import assumptions_of
from stream.commands.verdict_view import DIFFERENCES_SHOWN, audit_line, show_verdict
from stream.settings import load_settings
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


def test_words_that_newer_ones_have_displaced_are_told_and_are_no_difference() -> None:
    wordy = verdict(0)
    wordy.rooms = [RoomVerdict(room_id=f"r{number}", words_beyond=3) for number in range(6)]
    lines = told(wordy)
    assert "r4: 3 words about sales are older than the 16 that count." in lines
    assert "and in 1 more rooms: --full lists all" in lines
    assert wordy.line == PASSED


def test_what_could_not_be_compared_says_why() -> None:
    some = verdict(0)
    ended, early, moving = "its session has ended", "it may have begun before the log", "it is in motion"
    some.rooms += [RoomVerdict(room_id=f"r{number}", skipped=ended) for number in range(7)]
    some.rooms.append(RoomVerdict(room_id="old", skipped=early))
    # Of a room that was compared in signals only the document in Redis is gone.
    some.rooms.append(RoomVerdict(room_id="over", skipped=ended, saved=[Figure("likes", 1, 1)]))
    some.rooms.append(RoomVerdict(room_id="busy", redis_skipped=moving))
    counts = (
        "1 rooms in signals, 2 in Redis; 7 not comparable: its session has ended; 1 not comparable: it may have begun "
        "before the log; 1 not comparable in Redis: its session has ended; 1 not comparable in Redis: it is in motion"
    )
    lines = told(some)
    assert f"Compared: {counts}." in lines
    assert f"Not comparable: r0, r1, r2, r3, r4 and 2 more (--full lists all): {ended}." in lines
    assert f"Not comparable: old: {early}." in lines
    assert f"Not comparable in Redis: over: {ended}." in lines
    assert f"Not comparable in Redis: busy: {moving}." in lines
    assert f"Not comparable: r0, r1, r2, r3, r4, r5, r6: {ended}." in told(some, full=True)
    assert counts in audit_line(some)
    assert some.line == PASSED


def test_without_a_journal_a_recount_assumes_every_rule_of_the_settings() -> None:
    settings = load_settings(hold_ms=7_000)
    assumed, rules = structs.asdict(assumptions_of(settings)), structs.asdict(settings.rules())
    shared = assumed.keys() & rules.keys() - {"mechanics", "remember_ids_ms"}
    assert {"suspect_seen_payers", "suspect_regular_gap_ms", "remember_sales_ms", "hold_ms"} <= shared
    assert {name: assumed[name] for name in shared} == {name: rules[name] for name in shared}
    assert assumed["remember_ids_ms"] == rules["remember_ids_ms"] // 2
