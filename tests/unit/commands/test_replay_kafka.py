from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import pytest
from typer.testing import CliRunner

from stream.cli import app
from stream.commands.replay_kafka import Comparison, Replayed, difference
from stream.core.publishing import Published

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence


class Record(NamedTuple):
    key: bytes
    value: bytes
    offset: int


def document(rev: int, as_of_ms: int = 0, likes: int = 1) -> bytes:
    return msgspec.json.encode({"epoch": 1, "rev": rev, "as_of_ms": as_of_ms, "totals": {"likes": likes}, "sales": [1]})


def replayed(room_id: str, rev: int, as_of_ms: int = 0) -> Published:
    return Published(room_id, rev, document(rev, as_of_ms), 1, 1)


def live(room_id: str, rev: int, as_of_ms: int = 0, likes: int = 1) -> Record:
    return Record(room_id.encode(), document(rev, as_of_ms, likes), 100 + rev)


async def compared(ours: Sequence[Published], theirs: Sequence[Record]) -> Replayed:
    async def records() -> AsyncIterator[Any]:
        for record in theirs:
            yield record

    found = Replayed(differences=[])
    comparison = Comparison(records(), "live.signals, partition 3", found)
    for published in ours:
        await comparison.take(published)
    return found


OURS = [replayed("a", 1, 10), replayed("b", 1, 10), replayed("a", 2, 20), replayed("b", 2, 20)]
THEIRS = [live("a", 1, 10), live("b", 1, 10), live("a", 2, 20), live("b", 2, 20)]


async def test_the_same_documents_in_the_same_order_are_identical() -> None:
    found = await compared(OURS, THEIRS)
    assert (found.identical, found.unchecked, found.differences) == (4, 0, [])


@pytest.mark.parametrize(("ours", "theirs"), [(0, 1), (0, 3), (1, 0), (3, 0)])
async def test_what_only_one_of_them_has_at_its_beginning_is_not_compared(ours: int, theirs: int) -> None:
    found = await compared(OURS[ours:], THEIRS[theirs:])
    assert (found.identical, found.differences) == (4 - max(ours, theirs), [])
    assert found.unchecked == max(ours, theirs)


async def test_the_first_difference_is_named_with_place_room_revision_and_field() -> None:
    found = await compared(OURS, [*THEIRS[:2], live("a", 2, 20, likes=7), THEIRS[3]])
    assert found.identical == 2
    assert found.differences == [
        "live.signals, partition 3, offset 102: room a, rev 2: totals.likes is 1 in the replay and 7 in the log"
    ]


@pytest.mark.parametrize("missing", [1, 2, 3])
async def test_a_document_that_is_missing_in_the_log_is_a_difference(missing: int) -> None:
    found = await compared(OURS, THEIRS[:missing] + THEIRS[missing + 1 :])
    assert len(found.differences) == 1
    assert found.identical == missing


def test_other_bytes_of_the_same_values_are_a_difference_too() -> None:
    ours = replayed("a", 1)
    assert "in other bytes" in difference(ours, b"a", ours.document.replace(b":", b": "))
    assert "room b in the log" in difference(ours, b"b", ours.document)


@pytest.mark.parametrize(
    "arguments",
    [["--from-kafka"], ["--from-kafka", "a", "--all"], ["--all"], [], ["x.ndjson", "--check"]],
)
def test_a_room_or_all_goes_with_kafka_and_a_file_without(arguments: list[str]) -> None:
    result = CliRunner().invoke(app, ["replay", *arguments])
    assert result.exit_code != 0
