"""Mechanics in the checkpoint."""

from __future__ import annotations

import pytest

from stream.core.partition import PartitionFold
from stream.core.rules import Rules
from stream.core.saved.frames import CorruptCheckpointError, frame
from stream.core.saved.growth import VERSION_1, VERSION_2
from stream.core.saved.mechanics import mechanic_key
from tests.support.candles import CANDLES, RULES, CandleFold, Candles, candle, new_log, section, snuff
from tests.support.events import Log, at, like
from tests.support.rooms import TOPICS


def restored(log: Log, saved: dict[bytes, bytes | None], rules: Rules = RULES) -> Log:
    fold = PartitionFold(3, rules, TOPICS, mechanics=CANDLES)
    for key, value in saved.items():
        fold.load(key, value)
    fold.loaded(log.fold.positions, log.fold.clock_ms, VERSION_2)
    return Log(fold=fold)


def cut(log: Log) -> dict[bytes, bytes | None]:
    return dict(log.fold.cut(1).records)


def test_only_what_changed_is_written() -> None:
    log = new_log()
    log.add(candle("red"), candle("blue"))
    assert {key for key in cut(log) if key[:2] in (b"m|", b"t|")} == {b"m|r1|candles", b"t|0"}
    log.add(like(s=1))
    assert {key for key in cut(log) if key[:2] in (b"m|", b"t|")} == set()
    log.add(snuff("red", s=1))
    assert {key for key in cut(log) if key[:2] in (b"m|", b"t|")} == {b"m|r1|candles", b"t|0"}


def test_a_row_that_is_gone_stays_gone() -> None:
    log = new_log()
    log.add(candle("red"), candle("blue"))
    saved = cut(log)
    log.add(snuff("red"), candle("green"), snuff("green"))
    saved |= cut(log)
    again = restored(log, saved)
    assert section(again) == section(log) == Candles(1, 0, 2, 60)
    again.add(candle("red", 100, s=1))
    assert section(again) == Candles(1, 0, 2, 60)


def test_rows_are_encoded_early_in_a_rush() -> None:
    log = new_log()
    log.fold.early_records = 2  # type: ignore[misc]
    log.add_slice(candle("red"), candle("blue"))
    engaged = log.fold.rooms["r1"].engaged
    assert engaged is not None
    assert engaged.parts["candles"].mechanic.changed == {}
    assert section(restored(log, cut(log))) == Candles(2, 0, 0, 60)


def test_an_older_worker_cannot_lose_a_mechanic() -> None:
    log = new_log()
    log.add(like())
    assert log.fold.cut(1).version == VERSION_1
    log.add(candle())
    assert log.fold.cut(1).version == VERSION_2
    log.tick(5)
    assert log.fold.cut(1).version == VERSION_2


@pytest.mark.parametrize("rules", [Rules(), Rules(mechanics={"later": {}})])
def test_who_does_not_know_a_mechanic_does_not_begin(rules: Rules) -> None:
    log = new_log()
    log.add(candle())
    with pytest.raises(CorruptCheckpointError, match="of a mechanic that this Snapup does not know"):
        restored(log, cut(log), rules)


def test_a_format_to_come_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    log = new_log()
    log.add(candle())
    monkeypatch.setattr(CandleFold, "FORMAT", 2)
    saved = cut(log)
    restored(log, saved)
    monkeypatch.undo()
    with pytest.raises(CorruptCheckpointError, match="has format 2 of candles, this Snapup reads 1"):
        restored(log, saved)


def test_what_cannot_be_read_is_told() -> None:
    log = new_log()
    log.add(candle())
    saved = cut(log)
    with pytest.raises(CorruptCheckpointError):
        restored(log, {**saved, mechanic_key("r1", "candles"): frame("no candles")})
    with pytest.raises(CorruptCheckpointError, match="of a room without a head"):
        restored(log, {**saved, mechanic_key("r2", "candles"): saved[b"m|r1|candles"]})
    with pytest.raises(CorruptCheckpointError):
        restored(log, {**saved, b"t|0": frame((at(0), [("r1", at(0), "candles", {"red": "no row"})]))})


def test_rows_of_another_session_are_not_its_own() -> None:
    log = new_log()
    log.add(candle("red"))
    saved = cut(log)
    log.tick(10_000_000)
    log.add(candle("blue", s=10_000_000))
    saved |= cut(log)
    assert section(restored(log, saved)) == Candles(1, 0, 0, 60)
