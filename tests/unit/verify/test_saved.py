from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from stream.verify.recount import Refusal, digest
from stream.verify.saved import CheckpointLog, DeadLetters


def meta(epoch: int = 1, seq: int = 1, owner: str = "a", *, claim: bool = False, orders: int = 0) -> dict[str, Any]:
    return {"epoch": epoch, "seq": seq, "owner": owner, "claim": claim, "positions": {"live.orders": orders}, "x": 1}


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
    assert (log.problems, log.checkpoints) == ([], 4)
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
    ],
)
def test_what_a_checkpoint_log_may_never_show_is_a_problem(
    before: dict[str, Any], after: dict[str, Any], said: str
) -> None:
    (problem,) = checkpoints(before, after).problems
    assert said in problem
    assert "checkpoints/0@1" in problem


def test_a_gap_left_by_compaction_is_no_problem() -> None:
    assert checkpoints(meta(1, 1, orders=5), meta(3, 7, "c", claim=True, orders=50)).problems == []


def test_a_meta_record_that_cannot_be_read_is_a_problem() -> None:
    log = CheckpointLog()
    log.add(3, 4, b"m", b"{")
    assert "checkpoints/3@4" in log.problems[0]


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


def found(*letters: Any) -> DeadLetters:
    dead = DeadLetters()
    for each in letters:
        dead.add(each)
    return dead


def test_each_refused_record_is_there_once_and_whole() -> None:
    assert found(letter()).differences([REFUSAL]) == []


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
    assert len(found(*letters).differences(refusals)) == count
