from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, cast

import msgspec
import pytest
from typer.testing import CliRunner

from stream.cli import app
from stream.commands.replay_kafka import Comparison, Replayed, _replay_partition, claims_told, difference
from stream.core.publishing import Published
from stream.core.rules import Rules
from stream.verify.kept_claims import Kept, KeptClaims
from tests.support.events import Log, at, enter, opened, order

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from stream.replay.journal_log import JournalLog, Plan
    from stream.verify.kept_claims import Standing
    from stream.verify.kept_log import KeptLog


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


# -- live.claims -------------------------------------------------------------------------------------------------------
class OnePartition:
    """A journal that gives documents of one room, all of them in `signals`, and what `claims` keeps of them."""

    signals = "live.signals"
    is_there = True

    def __init__(self, lie: bytes = b"") -> None:
        rules = Rules(keep_claims=True, remember_sales_ms=9_000_000, watching_min=1, in_carts_min=1)
        log = Log(rules)
        log.add(opened(20), *(enter(f"u{number}") for number in range(3)))
        self._cuts: list[Published] = []
        for second in range(1, 4):
            log.add(order("paid", f"o{second}", s=second))
            log.fold.advance(at(second) + 500, "tick")
            self._cuts += log.fold.cut(1).signals
        self._lie = lie

    async def replay(self, *_: object) -> AsyncIterator[Published]:
        for cut in self._cuts:
            yield cut

    async def committed_signals(self, _: int) -> AsyncIterator[Record]:
        for offset, cut in enumerate(self._cuts):
            yield Record(cut.room_id.encode(), cut.document, offset)

    async def standings(self, _partition: int) -> AsyncIterator[Standing]:
        reader = KeptClaims()
        for cut in self._cuts:
            for _, value in cut.claims:
                if standing := reader.take(value.replace(b'"value":3', self._lie or b'"value":3')):
                    yield standing


async def replayed_partition(logs: OnePartition, *, check: bool = True) -> Replayed:
    found = Replayed(differences=[], last={})
    kept = cast("KeptLog", logs) if check else None
    log, plan = cast("JournalLog", logs), cast("Plan", None)
    await _replay_partition(log, 0, plan, found, None, lambda _: None, lambda _: None, kept)
    return found


async def test_a_check_holds_the_kept_claims_against_the_documents() -> None:
    found = await replayed_partition(OnePartition())
    assert (found.identical, found.kept.documents, found.kept.differing, found.differs) == (3, 3, 0, False)
    assert claims_told(found.kept) == "claims of 3 documents as they were kept"


async def test_a_claim_that_was_kept_otherwise_is_a_difference_though_every_document_is_identical() -> None:
    found = await replayed_partition(OnePartition(lie=b'"value":4'))
    assert (found.identical, found.differences, found.differs) == (3, [], True)
    assert found.kept.differing == 3
    assert "watching_now" in found.kept.told[0]
    assert claims_told(found.kept) == "claims of 3 documents as they were kept, of 3 others"


async def test_where_claims_cannot_be_read_or_nothing_is_checked_nothing_is_compared() -> None:
    assert claims_told(Kept(why_not="there is no topic")) == "claims not compared: there is no topic"
    found = await replayed_partition(OnePartition(lie=b'"value":4'), check=False)
    assert (found.documents, found.identical, found.kept.documents, found.differs) == (3, 0, 0, False)


@pytest.mark.parametrize(
    "arguments",
    [["--from-kafka"], ["--from-kafka", "a", "--all"], ["--all"], [], ["x.ndjson", "--check"]],
)
def test_a_room_or_all_goes_with_kafka_and_a_file_without(arguments: list[str]) -> None:
    result = CliRunner().invoke(app, ["replay", *arguments])
    assert result.exit_code != 0
