"""The outer laws of the seam: what every mechanic's recount and show hold to, whatever the mechanic counts."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any, get_args

import msgspec
import pytest

from stream.contract.events import TOPIC_NAMES
from stream.contract.reading import read_overlay
from stream.contract.recording import RecordedRecord
from stream.core.partition import PartitionFold
from stream.core.rules import Rules
from stream.mechanics.folds import INSTALLED
from stream.mechanics.kinds import CATALOGUE
from stream.mechanics.recounts import COUNTED_AGAIN
from stream.mechanics.scenarios import SCENARIOS
from stream.shows import build_show
from stream.shows.outcome import unmet
from stream.verify.assumptions import Assumptions
from stream.verify.compare import MechanicFigure, compare
from stream.verify.recount import Recount
from stream.verify.rulebook import Rulebook, assumptions_of_rules
from tests.support.any_event import any_event

if TYPE_CHECKING:
    from stream.shows.show import Delivery, Show

T0_MS = 1_700_000_000_000
NAMES = list(CATALOGUE.sections)
SEEDS = (1, 2)
KNOWN = tuple((name, ()) for name in NAMES)

LIMITS = INSTALLED.limits({})

each_mechanic = pytest.mark.parametrize("name", NAMES)
each_seed = pytest.mark.parametrize("seed", SEEDS)


def built(name: str, seed: int) -> Show:
    return build_show(name, seed, more=SCENARIOS)


def counted(deliveries: list[Delivery]) -> Recount:
    recount = Recount(rulebook=Rulebook(Assumptions(mechanics=KNOWN), COUNTED_AGAIN))
    for each in deliveries:
        recount.add(each.topic, each.value, each.key, T0_MS + each.send_ms)
    return recount


def figures(show: Show, recount: Recount) -> dict[str, Any]:
    (room,) = show.expected.rooms
    found: dict[str, Any] = recount.room(room.room_id, T0_MS + show.expected.duration_ms).mechanics[show.name]
    return found


def test_all_lists_name_the_same_mechanics_in_the_same_order() -> None:
    assert list(COUNTED_AGAIN.sections) == list(SCENARIOS) == NAMES


@each_mechanic
@each_seed
def test_the_recount_comes_to_what_the_plan_says(name: str, seed: int) -> None:
    show = built(name, seed)
    recount = counted([*show.deliveries(T0_MS)])
    planned = show.expected.rooms[0].mechanics[name]
    assert planned
    assert planned.items() <= figures(show, recount).items()
    accounts = recount.accounts
    assert (accounts.received, accounts.applied) == (show.expected.deliveries, show.expected.applied)
    assert accounts.dead_lettered == {}


@each_mechanic
def test_the_same_seed_is_the_same_show(name: str) -> None:
    assert [*built(name, 1).deliveries(T0_MS)] == [*built(name, 1).deliveries(T0_MS)]
    assert built(name, 1).expected != built(name, 2).expected


@each_mechanic
@each_seed
def test_in_any_order_the_recount_comes_to_the_same(name: str, seed: int) -> None:
    show = built(name, seed)
    # Stored at the end, all of it in time: whatever the order is, each event keeps its own time.
    end_ms = show.expected.duration_ms
    deliveries = [each._replace(send_ms=end_ms) for each in show.deliveries(T0_MS)]
    before = figures(show, counted(deliveries))
    Random(seed).shuffle(deliveries)
    assert figures(show, counted(deliveries)) == before


@each_mechanic
def test_twice_is_once(name: str) -> None:
    show = built(name, 1)
    deliveries = [*show.deliveries(T0_MS)]
    assert figures(show, counted(deliveries * 2)) == figures(show, counted(deliveries))


@each_mechanic
def test_the_recount_says_what_the_section_says_in_the_same_words(name: str) -> None:
    """Every figure that a section always has, and none that no section has."""
    fields = {field.name: field for field in msgspec.structs.fields(CATALOGUE.sections[name])}
    for at_ms in (T0_MS + 30_000, T0_MS + 60_000, T0_MS + built(name, 1).expected.duration_ms):
        deliveries = [each for each in built(name, 1).deliveries(T0_MS) if T0_MS + each.send_ms <= at_ms]
        (room,) = built(name, 1).expected.rooms
        found = counted(deliveries).room(room.room_id, at_ms).mechanics[name]
        assert {figure.partition(".")[0] for figure in found} <= fields.keys()
        plain = {figure for figure in found if "." not in figure}
        always = {each for each, field in fields.items() if _is_int(field.type) and field.required}
        assert always <= plain


def _is_int(kind: Any) -> bool:
    """Whether a field holds a whole number, with or without a description or bounds."""
    return kind is int or get_args(kind)[:1] == (int,)


# -- beside the worker's own fold --------------------------------------------------------------------------------------
class Beside:
    """A fold and a recount that are given the same records, each stored when it was sent."""

    def __init__(self, **limits: int) -> None:
        mechanics = INSTALLED.limits({})
        for bounds in mechanics.values():
            bounds.update({name: value for name, value in limits.items() if name in bounds})
        rules = Rules(remember_sales_ms=9_000_000, contract_edition=2, signals_edition=2, mechanics=mechanics)
        self.fold = PartitionFold(0, rules, TOPIC_NAMES, mechanics=INSTALLED)
        assumptions = assumptions_of_rules(msgspec.to_builtins(rules))
        self.recount = Recount(rulebook=Rulebook(assumptions, COUNTED_AGAIN))
        self._offsets = [0] * len(TOPIC_NAMES)

    def add(self, topic: str, value: bytes, key: bytes, at_ms: int) -> None:
        place = TOPIC_NAMES.index(topic)
        record = RecordedRecord(topic=topic, timestamp=at_ms, value=value, key=key, offset=self._offsets[place])
        self._offsets[place] += 1
        self.fold.advance(at_ms, "log")
        self.fold.fold(place, [record])
        self.recount.add(topic, value, key, at_ms)

    def differences(self, at_ms: int) -> tuple[int, list[tuple[str, Any, Any]]]:
        """How many figures of mechanics were looked at in the documents of a moment, and those that differ."""
        self.fold.advance(at_ms, "log")
        looked, found = 0, []
        for published in self.fold.publish(None, 1, everything=True):
            overlay = read_overlay(published.document, CATALOGUE.sections)
            recounted = self.recount.room(overlay.room_id, overlay.as_of_ms)
            for figure in compare(recounted, overlay, None, COUNTED_AGAIN):
                if isinstance(figure, MechanicFigure):
                    looked += 1
                    if not figure.agrees:
                        found.append((figure.name, figure.recounted, figure.published))
        return looked, found


@each_mechanic
def test_of_a_show_plan_recount_and_section_say_the_same(name: str) -> None:
    show, beside = built(name, 1), Beside()
    looks = [show.expected.duration_ms * part // 7 for part in range(1, 7)]
    for each in show.deliveries(T0_MS):
        while looks and each.send_ms > looks[0]:
            looked, found = beside.differences(T0_MS + looks.pop(0))
            assert (looked > 0, found) == (True, [])
        beside.add(each.topic, each.value, each.key, T0_MS + each.send_ms)
    looked, found = beside.differences(T0_MS + show.expected.duration_ms)
    assert (looked > 0, found) == (True, [])
    (room,) = show.expected.rooms
    (published,) = beside.fold.publish(None, 1, everything=True)
    off = unmet(room, read_overlay(published.document, CATALOGUE.sections))
    assert [text for text in off if text.startswith(name)] == []


@pytest.mark.parametrize("bound", [1, 4, 1_000])
@each_seed
def test_of_any_events_recount_and_section_say_the_same_also_beyond_every_bound(seed: int, bound: int) -> None:
    random, beside = Random(seed), Beside(**{name: bound for names in LIMITS.values() for name in names})
    kinds = list(INSTALLED.name_of)
    looked_at, at_ms = 0, T0_MS
    for number in range(300):
        at_ms += random.randrange(900)
        room_id = random.choice(("r1", "r2"))
        event = any_event(random.choice(kinds), random, f"e{number}", room_id, at_ms - random.randrange(2_000))
        beside.add("interactions", msgspec.json.encode(event), room_id.encode(), at_ms)
        if number % 30 == 0:
            looked, found = beside.differences(at_ms)
            assert found == []
            looked_at += looked
    looked, found = beside.differences(at_ms + 60_000)
    assert found == []
    assert looked_at + looked > 50
