from __future__ import annotations

import pytest

from stream.contract.overlay import SourceViews
from stream.core.rules import Rules
from stream.core.saved.growth import VERSION_1, VERSION_2
from tests.support.events import Log, enter

RULES = Rules(sources_max=2)


@pytest.fixture
def log() -> Log:
    return Log(RULES)


def test_views_are_listed_by_source_the_most_first_and_add_up_to_all(log: Log) -> None:
    log.add(enter(source="feed"), enter(source="search"), enter(source="search"), enter(source="push"), enter())
    overlay = log.overlay()
    assert overlay.sources == [
        SourceViews("search", 2),
        SourceViews("feed", 1),
        SourceViews(None, 1),
        SourceViews(None, 1, other=True),
    ]
    assert sum(each.views for each in overlay.sources) == overlay.totals.views == 5


def test_a_source_that_is_kept_still_counts_when_there_is_no_place_for_others(log: Log) -> None:
    log.add_slice(*[enter(source=name) for name in ("a", "b", "c", "a", "c")])
    assert log.overlay().sources == [SourceViews("a", 2), SourceViews("b", 1), SourceViews(None, 2, other=True)]


def test_a_repeated_view_counts_once(log: Log) -> None:
    log.add(enter(source="feed", event_id="same"), enter(source="feed", event_id="same"))
    assert log.overlay().sources == [SourceViews("feed", 1)]


def test_a_source_of_the_name_other_is_a_source(log: Log) -> None:
    log.add(enter(source="other"))
    assert log.overlay().sources == [SourceViews("other", 1)]


def test_rooms_without_sources_say_nothing_of_them_and_an_older_worker_can_go_on(log: Log) -> None:
    log.add(enter(), enter())
    assert log.overlay().sources == []
    assert log.fold.version == VERSION_1


def test_counts_that_an_older_worker_would_lose_say_so(log: Log) -> None:
    log.add(enter(source="feed"))
    assert log.fold.version == VERSION_2


def test_without_the_rule_nothing_is_counted() -> None:
    log = Log(Rules())
    log.add(enter(source="feed"))
    log.add_slice(*[enter(source="feed") for _ in range(6)])
    assert (log.overlay().sources, log.fold.version) == ([], VERSION_1)
