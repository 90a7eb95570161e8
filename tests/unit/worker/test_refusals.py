"""A refusal is a repeat; refusals in a row are a room that nobody sees."""

from __future__ import annotations

from stream.worker.refusals import FORGET_S, Refusal, Refusals


def test_one_refusal_is_no_alarm() -> None:
    refusals = Refusals()
    refusals.refused("room-1", Refusal.NOT_NEWER, 100.0)
    assert refusals.longest_s(Refusal.NOT_NEWER, 130.0) == 0.0


def test_refusals_in_a_row_are_measured_for_each_reason() -> None:
    refusals = Refusals()
    for at_s in (100.0, 101.0, 103.5):
        refusals.refused("room-1", Refusal.NOT_NEWER, at_s)
    refusals.refused("room-2", Refusal.NOT_NEWER, 103.0)
    refusals.refused("room-3", Refusal.STALE_EPOCH, 103.0)
    assert refusals.longest_s(Refusal.NOT_NEWER, 103.5) == 3.5
    assert refusals.longest_s(Refusal.STALE_EPOCH, 103.5) == 0.0
    assert refusals.example(Refusal.NOT_NEWER) == "room-1"


def test_a_document_that_is_taken_ends_the_row() -> None:
    refusals = Refusals()
    for at_s in (100.0, 105.0):
        refusals.refused("room-1", Refusal.NOT_NEWER, at_s)
    refusals.taken("room-1")
    refusals.refused("room-1", Refusal.NOT_NEWER, 106.0)
    assert refusals.longest_s(Refusal.NOT_NEWER, 106.0) == 0.0
    assert refusals.example(Refusal.STALE_EPOCH) is None


def test_a_room_that_ended_is_forgotten() -> None:
    refusals = Refusals()
    for at_s in (100.0, 105.0):
        refusals.refused("room-1", Refusal.NOT_NEWER, at_s)
    assert refusals.longest_s(Refusal.NOT_NEWER, 105.0 + FORGET_S) == 0.0
    assert refusals.example(Refusal.NOT_NEWER) is None


def test_another_reason_is_another_row() -> None:
    refusals = Refusals()
    refusals.refused("room-1", Refusal.NOT_NEWER, 100.0)
    refusals.refused("room-1", Refusal.STALE_EPOCH, 105.0)
    refusals.refused("room-1", Refusal.STALE_EPOCH, 106.0)
    assert refusals.longest_s(Refusal.NOT_NEWER, 106.0) == 0.0
    assert refusals.longest_s(Refusal.STALE_EPOCH, 106.0) == 1.0
