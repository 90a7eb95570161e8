from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from stream.verify.recount import Refusal, digest
from stream.verify.saved import CheckpointLog, DeadLetters, Meta, Signals


def meta(
    epoch: int = 1, seq: int = 1, owner: str = "a", *, claim: bool = False, orders: int = 0, clock_ms: int = 0
) -> dict[str, Any]:
    return {
        "epoch": epoch,
        "seq": seq,
        "owner": owner,
        "claim": claim,
        "positions": {"live.orders": orders},
        "clock_ms": clock_ms,
        "x": 1,
    }


def checkpoints(*metas: dict[str, Any]) -> CheckpointLog:
    log = CheckpointLog()
    for offset, each in enumerate(metas):
        log.add(0, offset, b"m", msgspec.json.encode(each))
    return log


def test_checkpoints_that_only_go_on_are_well_and_say_how_far_they_are() -> None:
    log = checkpoints(
        meta(1, 0, claim=True), meta(1, 1, orders=5), meta(2, 0, "b", claim=True, orders=5), meta(2, 1, "b", orders=9)
    )
    log.add(0, 9, b"r|room", b"{}")
    assert (log.problems.said, log.checkpoints) == ([], 4)
    assert log.behind({("live.orders", 0): 9}) == {}
    assert log.behind({("live.orders", 0): 11, ("live.likes", 0): 0, ("live.likes", 1): 3}) == {
        ("live.orders", 0): 2,
        ("live.likes", 1): 3,
    }


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (meta(2), meta(1, 2), "the epoch goes back from 2 to 1"),
        (meta(1, 5), meta(1, 5), "two writers in epoch 1"),
        (meta(1, 5, "a"), meta(1, 6, "b"), "two writers in epoch 1"),
        (meta(1, 1, orders=5), meta(1, 2, orders=4), "live.orders goes back from 5 to 4"),
        (meta(1, 1, orders=5), meta(2, 0, "b", claim=True, orders=6), "claims other positions"),
        (meta(1, 1, clock_ms=9), meta(1, 2, clock_ms=8), "the clock goes back from 9 to 8"),
    ],
)
def test_what_a_checkpoint_log_may_never_show_is_a_problem(
    before: dict[str, Any], after: dict[str, Any], said: str
) -> None:
    (problem,) = checkpoints(before, after).problems.said
    assert said in problem
    assert "checkpoints/0@1" in problem


def test_a_gap_left_by_compaction_is_no_problem() -> None:
    assert checkpoints(meta(1, 1, orders=5), meta(3, 7, "c", claim=True, orders=50)).problems.said == []


def test_a_meta_record_that_cannot_be_read_is_a_problem() -> None:
    log = CheckpointLog()
    log.add(3, 4, b"m", b"{")
    assert "checkpoints/3@4" in log.problems.said[0]


def letter(partition: int = 2, **changed: bytes) -> Any:
    headers = {
        "dl-topic": b"live.orders",
        "dl-partition": b"2",
        "dl-offset": b"7",
        "dl-reason": b"not_json",
        "own": b"\xff",
    }
    headers |= {name.replace("_", "-"): value for name, value in changed.items()}
    return SimpleNamespace(partition=partition, offset=0, key=b"k", value=b"v", headers=list(headers.items()))


REFUSAL = Refusal("orders", 2, 7, "not_json", digest(b"k", b"v"))


CUT = {("orders", 2): 8, ("likes", 2): 8}


def differences(letters: list[Any], refusals: list[Refusal], cut: dict[tuple[str, int], int] = CUT) -> list[str]:
    dead = DeadLetters()
    for each in letters:
        dead.add(each)
    for refusal in refusals:
        dead.expect(refusal)
    return dead.differences({}, cut)


def test_each_refused_record_is_there_once_and_whole() -> None:
    assert differences([letter()], [REFUSAL]) == []


def test_letters_of_records_outside_of_what_was_counted_are_left_alone() -> None:
    assert differences([letter(dl_offset=b"8")], []) == []
    dead = DeadLetters()
    dead.add(letter())
    assert dead.differences({("orders", 2): 8}, {("orders", 2): 9}) == []
    assert len(dead.differences({("orders", 2): 7}, {("orders", 2): 9})) == 1


def test_a_letter_that_is_there_twice_is_told_with_what_became_of_its_transactions() -> None:
    dead = DeadLetters()
    dead.expect(REFUSAL)
    for offset in (57, 99):
        twin = letter()
        twin.offset = offset
        dead.add(twin)
    assert dead.too_often({}, CUT) == {REFUSAL: [57, 99]}
    assert dead.too_often({}, {("orders", 2): 7}) == {}
    (told,) = dead.differences({}, CUT, {REFUSAL: "@57, half of a transaction"})
    assert told.endswith("@57, half of a transaction")


@pytest.mark.parametrize(
    ("letters", "refusals", "count"),
    [
        ([], [REFUSAL], 1),
        ([letter()], [], 1),
        ([letter(), letter()], [REFUSAL], 1),
        ([letter(dl_reason=b"too_large")], [REFUSAL], 2),
        ([letter(dl_offset=b"8")], [REFUSAL], 2),
        ([letter(dl_topic=b"live.likes")], [REFUSAL], 2),
        ([letter()], [REFUSAL._replace(digest="other")], 2),
        ([letter(partition=3)], [REFUSAL], 1),
        ([letter(dl_offset=b"x")], [REFUSAL], 2),
    ],
)
def test_missing_extra_repeated_or_changed_dead_letters_are_differences(
    letters: list[Any], refusals: list[Refusal], count: int
) -> None:
    assert len(differences(letters, refusals, dict.fromkeys(CUT, 9))) == count


# -- documents ---------------------------------------------------------------------------------------------------------
def signals(*documents: tuple[str, int, int, int]) -> Signals:
    """Each: room, epoch, as_of_ms, rev."""
    found = Signals()
    for offset, (room, epoch, as_of_ms, rev) in enumerate(documents):
        value = msgspec.json.encode({"room_id": room, "epoch": epoch, "as_of_ms": as_of_ms, "rev": rev})
        found.add(SimpleNamespace(partition=0, offset=offset, key=room.encode(), value=value))
    return found


def taken(found: Signals, epoch: int, clock_ms: int) -> dict[str, list[int]]:
    cut = Meta(epoch=epoch, seq=1, owner="a", claim=False, positions={}, clock_ms=clock_ms)
    return {room: [each.rev for each in documents] for room, documents in found.take(0, cut).items()}


def test_documents_are_handed_out_up_to_a_checkpoint_and_the_newest_only() -> None:
    found = signals(("a", 1, 10, 1), ("b", 1, 10, 1), ("a", 1, 20, 2), ("a", 2, 25, 3), ("b", 2, 30, 2))
    assert taken(found, 1, 20) == {"a": [2], "b": [1]}
    assert found.newest["a"].rev == 2
    assert taken(found, 2, 25) == {"a": [3]}
    assert taken(found, 2, 40) == {"b": [2]}
    assert (found.problems.said, found.documents) == ([], 5)


def test_while_the_clock_stands_still_both_documents_of_a_room_are_given() -> None:
    assert taken(signals(("a", 1, 5, 0), ("a", 1, 10, 1), ("a", 1, 10, 1)), 1, 10) == {"a": [1, 1]}


@pytest.mark.parametrize("second", [("b", 1, 30, 1), ("b", 2, 19, 1)])
def test_documents_that_go_back_are_a_problem(second: tuple[str, int, int, int]) -> None:
    (problem,) = signals(("a", 2, 20, 1), second).problems.said
    assert problem.startswith("signals/0@1: goes back")


def test_a_document_that_cannot_be_read_is_a_problem() -> None:
    found = Signals()
    found.add(SimpleNamespace(partition=3, offset=4, key=b"a", value=b"{"))
    assert "signals/3@4" in found.problems.said[0]
