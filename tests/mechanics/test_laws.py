"""The laws of the seam: what every mechanic has to hold to, whatever it counts. Its own tests hold its own rules."""

from __future__ import annotations

from collections.abc import Sized
from random import Random
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from stream.contract.sections import sections_of
from stream.core.partition import PartitionFold
from stream.core.rules import Rules
from stream.core.saved import changelog
from stream.core.saved.growth import VERSION_2
from stream.core.saved.mechanics import ROWS_HORIZON_MS
from tests.support.any_event import any_event
from tests.support.mechanics import EACH
from tests.support.rooms import INTERACTIONS, T0_MS, TOPICS, Rec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stream.contract.events import Event
    from stream.core.engaged import Part
    from stream.core.mechanic import Installed

SEEDS = range(2)
EVENTS = 120
ROOMS = ("r1", "r2")
SECONDS = 240
END_MS = T0_MS + 1_000 * SECONDS

SMALL = 3

each_mechanic = pytest.mark.parametrize("installed", EACH.values(), ids=EACH)
each_seed = pytest.mark.parametrize("seed", SEEDS)
within_and_beyond = pytest.mark.parametrize("limit", [None, SMALL], ids=["within", "beyond"])


def rules_of(installed: Installed, **limits: int) -> Rules:
    """What a worker runs under; every limit that is named is set, of whichever mechanic."""
    found = installed.limits({})
    for bounds in found.values():
        bounds.update({name: value for name, value in limits.items() if name in bounds})
    return Rules(remember_sales_ms=9_000_000, contract_edition=2, signals_edition=2, ids_by_topic=True, mechanics=found)


def rules_with(installed: Installed, limit: int | None) -> Rules:
    """What a worker runs under, with this as every bound of every mechanic. None: with the bounds that it has."""
    names = {name for fold in installed.of_name.values() for name in fold.LIMITS}
    return rules_of(installed) if limit is None else rules_of(installed, **dict.fromkeys(names, limit))


def new_fold(installed: Installed, rules: Rules | None = None) -> PartitionFold:
    fold = PartitionFold(3, rules or rules_of(installed), TOPICS, mechanics=installed)
    fold.advance(T0_MS, "tick")
    return fold


def random_events(installed: Installed, seed: int, count: int = EVENTS) -> list[Event]:
    """Events of all kinds of the mechanics, in two rooms, within four minutes; some of them twice."""
    random = Random(seed)
    kinds = list(installed.name_of)
    events = [
        any_event(random.choice(kinds), random, f"e{number}", random.choice(ROOMS), T0_MS + random.randrange(240_000))
        for number in range(count)
    ]
    return events + random.sample(events, count // 10)


def records_of(events: Sequence[Event]) -> list[Rec]:
    """Each stored when it happened."""
    return [
        Rec(msgspec.json.encode(event), event.room_id.encode(), offset, event.event_time_ms)
        for offset, event in enumerate(events)
    ]


def parts(fold: PartitionFold) -> list[tuple[str, str, Part]]:
    return [
        (room_id, name, part)
        for room_id, room in sorted(fold.rooms.items())
        if room.engaged is not None
        for name, part in room.engaged.parts.items()
    ]


def state(fold: PartitionFold) -> dict[tuple[str, str], Any]:
    """What is saved of each mechanic, its rows and its section, made anew."""
    found = {}
    for room_id, name, part in parts(fold):
        rows = {key: msgspec.to_builtins(part.mechanic.row(key)) for key in {*part.written_ms, *part.mechanic.changed}}
        found[room_id, name] = (
            msgspec.to_builtins(part.mechanic.saved()),
            {key: row for key, row in rows.items() if row is not None},
            msgspec.to_builtins(part.mechanic.section(fold.clock_ms)),
            part.due_ms,
        )
    return found


def in_four_orders(installed: Installed, seed: int, limit: int | None = None) -> list[list[dict[tuple[str, str], Any]]]:
    """The state after all events and at the end of the time, for each of four orders of arrival."""
    events = random_events(installed, seed)
    ended = []
    for number in range(4):
        fold = new_fold(installed, rules_with(installed, limit))
        Random(number).shuffle(events)
        for record in records_of(events):
            fold.fold(INTERACTIONS, [record])
        before = state(fold)
        fold.advance(END_MS, "tick")
        ended.append([before, state(fold)])
    return ended


def whoever_came_first(name: str) -> list[pytest.MarkDecorator]:
    """A mark where a mechanic keeps those who came first beyond a bound, as its README says of givers and combos."""
    return [pytest.mark.xfail(strict=True, reason="kept by arrival")] if name in ("gifts", "candles") else []


def in_order(events: Sequence[Event]) -> list[Event]:
    return sorted(events, key=lambda event: event.event_time_ms)


# -- what happens ------------------------------------------------------------------------------------------------------
@each_mechanic
@each_seed
def test_any_order_of_arrival_ends_the_same(installed: Installed, seed: int) -> None:
    ended = in_four_orders(installed, seed)
    assert ended[0][0]
    assert ended == ended[:1] * 4


@pytest.mark.parametrize("name", [pytest.param(name, marks=whoever_came_first(name)) for name in EACH if name != "all"])
@each_seed
def test_beyond_every_bound_any_order_of_arrival_shows_the_same(name: str, seed: int) -> None:
    """The section; a sketch of the same people may be saved in another order of its parts."""
    ended = [
        [{part: section for part, (_, _, section, _) in moment.items()} for moment in moments]
        for moments in in_four_orders(EACH[name], seed, SMALL)
    ]
    assert ended[0][0]
    assert ended == ended[:1] * 4


@each_mechanic
@each_seed
def test_twice_is_once(installed: Installed, seed: int) -> None:
    records = records_of(in_order(random_events(installed, seed)))
    once, twice = new_fold(installed), new_fold(installed)
    for record in records:
        once.fold(INTERACTIONS, [record])
        twice.fold(INTERACTIONS, [record])
        twice.fold(INTERACTIONS, [record])
    assert state(once) == state(twice)


@each_mechanic
@each_seed
def test_one_at_a_time_is_as_any_batches(installed: Installed, seed: int) -> None:
    random = Random(seed)
    records = records_of(in_order(random_events(installed, seed)))
    one, many = new_fold(installed), new_fold(installed)
    at = 0
    while at < len(records):
        piece = records[at : at + random.choice((1, 3, 4, 17, 60))]
        at += len(piece)
        many.fold(INTERACTIONS, piece)
        for record in piece:
            one.fold(INTERACTIONS, [record])
        assert state(one) == state(many)
    for counts in ("received", "applied", "duplicate", "dead_lettered"):
        assert getattr(one.counters, counts) == getattr(many.counters, counts)
    assert one.counters.received[INTERACTIONS] == len(records)
    assert one.counters.dead_lettered[INTERACTIONS] == 0


@each_mechanic
@each_seed
def test_the_clock_in_one_leap_is_the_clock_in_steps(installed: Installed, seed: int) -> None:
    records = records_of(in_order(random_events(installed, seed)))
    leap, steps = new_fold(installed), new_fold(installed)
    for fold in (leap, steps):
        fold.fold(INTERACTIONS, records[:60])
    leap.advance(END_MS, "tick")
    for now_ms in range(T0_MS, END_MS + 1, 250):
        steps.advance(now_ms, "tick")
    assert state(leap) == state(steps)
    for _, _, part in parts(leap):
        assert part.due_ms == part.mechanic.due_ms() > leap.clock_ms


# -- what is shown -----------------------------------------------------------------------------------------------------
@each_mechanic
@each_seed
def test_a_kept_section_is_one_that_is_made_anew(installed: Installed, seed: int) -> None:
    random = Random(seed)
    fold = new_fold(installed)
    for record in records_of(in_order(random_events(installed, seed))):
        fold.fold(INTERACTIONS, [record])
        at_ms = fold.clock_ms
        moments = {at_ms, at_ms + random.randrange(3_000)}
        for _, _, part in parts(fold):
            part.json(at_ms)
            until_ms = part.mechanic.holds_until_ms(at_ms)
            assert until_ms > at_ms
            moments |= {until_ms + away_ms for away_ms in (-2, -1, 0, 1) if until_ms < END_MS}
        for moment_ms in sorted(moment_ms for moment_ms in moments if moment_ms >= at_ms):
            fold.advance(moment_ms, "tick")
            for _, _, part in parts(fold):
                assert part.json(moment_ms) == msgspec.json.encode(part.mechanic.section(moment_ms))


@each_mechanic
@each_seed
def test_a_document_is_the_same_kept_and_made_anew(installed: Installed, seed: int) -> None:
    fold = new_fold(installed)
    for count, record in enumerate(records_of(in_order(random_events(installed, seed))[:40])):
        fold.fold(INTERACTIONS, [record])
        fold.advance(record.timestamp, "tick")
        for published in fold.publish(None, 1, everything=True) if count % 4 == 0 else ():
            overlay = fold.overlay(published.room_id, 1)
            assert overlay is not None
            said = msgspec.json.decode(published.document)
            made = msgspec.to_builtins(overlay)
            for moves in ("rev", "stale_after_ms"):
                del said[moves], made[moves]
            assert said == made
            assert list(said)[-len(sections_of(overlay)) :] == list(sections_of(overlay))


# -- what is saved -----------------------------------------------------------------------------------------------------
@pytest.fixture
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Change logs whose last segment does not stay open for long."""
    monkeypatch.setattr(changelog, "TAIL_BYTES", 1)


class Saving:
    """A partition that is cut after each step, and what was saved of it."""

    def __init__(self, installed: Installed, limit: int | None = None) -> None:
        self.installed = installed
        self.fold = new_fold(installed, rules_with(installed, limit))
        self.saved: dict[bytes, bytes] = {}
        self.documents: list[bytes] = []
        self.version = 0

    def cut(self) -> None:
        cut = self.fold.cut(1)
        for key, value in cut.records:
            if value is None:
                self.saved.pop(key, None)
            else:
                self.saved[key] = value
        self.documents += [signal.document for signal in cut.signals]
        self.version = cut.version

    def restart(self) -> None:
        """As another owner would begin: from what was saved alone."""
        before = self.fold
        self.fold = PartitionFold(3, before.rules, TOPICS, mechanics=self.installed)
        for key, value in self.saved.items():
            self.fold.load(key, value)
        self.fold.loaded(before.positions, before.clock_ms, self.version)


@each_mechanic
@each_seed
@within_and_beyond
def test_restored_anywhere_is_as_if_never_stopped(installed: Installed, seed: int, limit: int | None) -> None:
    random = Random(seed)
    records = records_of(in_order(random_events(installed, seed)))
    through, stopped = Saving(installed, limit), Saving(installed, limit)
    at = 0
    while at < len(records):
        piece = records[at : at + random.randrange(1, 20)]
        at += len(piece)
        for saving in (through, stopped):
            saving.fold.fold(INTERACTIONS, piece)
            saving.fold.advance(piece[-1].timestamp, "tick")
            saving.cut()
        if random.random() < 0.5:
            stopped.restart()
            assert state(stopped.fold) == state(through.fold)
    for now_ms in range(records[-1].timestamp, END_MS, 7_000):
        for saving in (through, stopped):
            saving.fold.advance(now_ms, "tick")
            saving.cut()
        stopped.restart()
    assert state(stopped.fold) == state(through.fold)
    assert stopped.documents == through.documents
    assert stopped.version == VERSION_2


@pytest.mark.usefixtures("small_segments")
@each_mechanic
@each_seed
def test_rows_outlive_the_segments_that_they_were_written_to(installed: Installed, seed: int) -> None:
    saving = Saving(installed)
    saving.fold.fold(INTERACTIONS, records_of(in_order(random_events(installed, seed))))
    saving.cut()
    first = {key for key in saving.saved if key.startswith(b"t|")}
    now_ms, rows = END_MS, state(saving.fold)
    while now_ms < T0_MS + 4 * ROWS_HORIZON_MS:
        now_ms += 60_000
        saving.fold.advance(now_ms, "tick")
        saving.cut()
    assert first.isdisjoint(saving.saved)
    alive = state(saving.fold)
    saving.restart()
    assert state(saving.fold) == alive
    assert {part: each[1] for part, each in alive.items()} == {part: each[1] for part, each in rows.items()}


@pytest.mark.usefixtures("small_segments")
@each_mechanic
def test_nothing_is_left_of_a_room_that_has_ended(installed: Installed) -> None:
    saving = Saving(installed)
    saving.fold.fold(INTERACTIONS, records_of(in_order(random_events(installed, 1))))
    saving.cut()
    assert any(key.startswith(b"m|") for key in saving.saved)
    saving.fold.advance(END_MS + saving.fold.rules.room_idle_ms + ROWS_HORIZON_MS, "tick")
    saving.cut()
    saving.fold.advance(saving.fold.clock_ms + 2 * ROWS_HORIZON_MS, "tick")
    saving.cut()
    assert [key for key in saving.saved if key[:2] in (b"m|", b"t|")] == []
    saving.restart()
    assert parts(saving.fold) == []


@each_mechanic
@each_seed
def test_no_limit_is_passed(installed: Installed, seed: int) -> None:
    fold = new_fold(installed, rules_with(installed, SMALL))
    fold.fold(INTERACTIONS, records_of(in_order(random_events(installed, seed, 400))))
    kept = 0
    for _, name, part in parts(fold):
        for attribute, value in vars(part.mechanic).items():
            if isinstance(value, Sized) and attribute != "changed":
                assert len(value) <= SMALL, f"{name}.{attribute}"
                kept += len(value)
    assert kept
    assert fold.shared.mechanics_beyond.total() > 0


@each_mechanic
def test_who_does_not_know_a_mechanic_refuses_its_events(installed: Installed) -> None:
    fold = PartitionFold(3, Rules(), TOPICS, mechanics=installed)
    fold.fold(INTERACTIONS, records_of(random_events(installed, 1)))
    assert fold.counters.dead_letters.keys() == {"unknown_type"}
    assert parts(fold) == []
