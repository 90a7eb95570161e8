from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from stream.contract.events import TOPIC_NAMES
from stream.contract.overlay import Overlay
from stream.contract.recording import RecordedRecord, write_recording
from stream.core.rules import Rules
from stream.errors import SnapupError
from stream.replay.recording import EPOCH, SHOWN_REFUSED, Replay, recorded, survey

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

T0_MS = 1_507_636_800_000


def record(
    topic: str, at_ms: int, room: str = "room-1", *, partition: int = -1, offset: int = -1, **fields: Any
) -> RecordedRecord:
    event = {"room_id": room, "event_time_ms": T0_MS + at_ms} | fields
    value = msgspec.json.encode(event)
    return RecordedRecord(
        topic=topic, timestamp=T0_MS + at_ms, value=value, key=room.encode(), partition=partition, offset=offset
    )


def order(number: int, at_ms: int, status: str = "placed", **extra: Any) -> RecordedRecord:
    return record(
        "orders",
        at_ms,
        type="order",
        event_id=f"o{number}-{status}",
        user_id=f"u{number}",
        order_id=f"order-{number}",
        status=status,
        currency="CNY",
        lines=[{"sku_id": "sku", "quantity": 1, "amount_minor": 100, "sale_id": "drop"}],
        **extra,
    )


def opened(at_ms: int = 0, offered: int = 10, sale_id: str = "drop") -> RecordedRecord:
    return record(
        "sales",
        at_ms,
        type="sale_opened",
        event_id=f"s-{sale_id}",
        sale_id=sale_id,
        sku_id="sku",
        offered=offered,
        starts_at_ms=T0_MS,
    )


def likes(count: int, every_ms: int = 100, room: str = "room-1", **place: Any) -> list[RecordedRecord]:
    return [
        record("likes", n * every_ms, room, type="like", event_id=f"{room}-l{n}", user_id="u", count=1, **place)
        for n in range(count)
    ]


def replayed(
    records: Iterable[RecordedRecord], every_ms: int = 1000, settle_ms: int = 0, rules: Rules | None = None
) -> tuple[list[Overlay], Replay]:
    documents: list[Overlay] = []
    job = Replay(
        rules or Rules(),
        "live",
        every_ms,
        lambda published: documents.append(msgspec.json.decode(published.document, type=Overlay)),
    )
    job.run(records, settle_ms)
    return documents, job


def in_time(records: list[RecordedRecord]) -> list[RecordedRecord]:
    return sorted(records, key=lambda each: each.timestamp)


def test_totals_and_books_are_those_of_the_records() -> None:
    records = in_time([opened(), *likes(50), *(order(n, 100 * n) for n in range(4)), order(1, 500, "paid")])
    documents, job = replayed([*records, records[-1]])
    last = documents[-1]
    assert last.totals.likes == 50
    assert (last.totals.orders.placed, last.totals.orders.paid) == (4, 1)
    sale = last.sales[0]
    assert (sale.offered, sale.available, sale.held, sale.sold) == (10, 6, 3, 1)
    books = job.books()
    assert sum(books.received) == len(records) + 1
    assert sum(books.duplicate) == 1
    assert [sum(row) for row in zip(books.applied, books.duplicate, books.dead_lettered, strict=True)] == books.received
    assert books.documents == len(documents)
    assert job.overlays() == [msgspec.structs.replace(last)]


def test_the_clock_ticks_at_the_pace_of_the_log() -> None:
    documents, _ = replayed(likes(100), every_ms=500)
    ticks = [document.as_of_ms - T0_MS for document in documents]
    assert ticks == sorted(ticks)
    assert all(tick % 500 == 0 for tick in ticks[:-1])
    assert ticks[-1] == 9_900
    # As of a tick everything before it is folded, and nothing after it.
    assert all(document.totals.likes == tick // 100 for document, tick in zip(documents[:-1], ticks[:-1], strict=True))


def test_a_silence_lets_holds_expire_and_then_leaps() -> None:
    hours = 5 * 3_600_000
    documents, job = replayed(
        [opened(), order(1, 0), record("likes", hours, type="like", event_id="l", user_id="u", count=1)]
    )
    expired = next(document for document in documents if document.sales and document.sales[0].released == 1)
    assert expired.as_of_ms - T0_MS == 60_000
    assert job.books().holds_expired == 1
    assert len(documents) < 300
    assert documents[-1].as_of_ms == T0_MS + hours


def test_time_can_pass_after_the_last_record() -> None:
    held, _ = replayed([opened(), order(1, 0)])
    settled, _ = replayed([opened(), order(1, 0)], settle_ms=60_000)
    assert (held[-1].sales[0].held, settled[-1].sales[0].held) == (1, 0)
    assert settled[-1].as_of_ms == T0_MS + 60_000


def test_other_rules_give_another_answer() -> None:
    records = [opened(), order(1, 0), *likes(100)]
    assert replayed(in_time(records), rules=Rules(hold_ms=5_000))[0][-1].sales[0].held == 0
    assert replayed(in_time(records))[0][-1].sales[0].held == 1


def test_the_same_records_give_the_same_bytes() -> None:
    def once() -> list[bytes]:
        found: list[bytes] = []
        job = Replay(Rules(), "live", 200, lambda published: found.append(published.document))
        job.run(in_time([opened(), *likes(300), *likes(200, 77, "room-2"), *(order(n, 90 * n) for n in range(50))]))
        return found

    assert once() == once()


def test_the_pace_changes_no_total() -> None:
    records = in_time([opened(offered=30), *likes(300), *(order(n, 90 * n) for n in range(50))])
    coarse, fine = replayed(records, every_ms=5_000)[0][-1], replayed(records, every_ms=50)[0][-1]
    assert coarse.totals == fine.totals
    assert coarse.sales[0].oversold == fine.sales[0].oversold == 20


def test_rooms_of_other_partitions_are_folded_apart_and_tick_together() -> None:
    records = in_time([*likes(20, room="a", partition=3), *likes(10, room="b", partition=5)])
    numbered: dict[int, int] = {}
    placed = []
    for each in records:
        offset = numbered[each.partition] = numbered.get(each.partition, 999) + 1
        placed.append(msgspec.structs.replace(each, offset=offset))
    documents, job = replayed(placed)
    assert [overlay.room_id for overlay in job.overlays()] == ["a", "b"]
    assert {document.room_id for document in documents if document.as_of_ms == documents[-1].as_of_ms} == {"a", "b"}
    assert {document.epoch for document in documents} == {EPOCH}


def test_refused_records_are_counted_and_the_first_are_kept() -> None:
    bad = [msgspec.structs.replace(each, value=b"{}") for each in likes(SHOWN_REFUSED + 5)]
    _, job = replayed([*bad, record("likes", 9_000, type="like", event_id="l", user_id="u", count=1)])
    books = job.books()
    assert books.dead_lettered[TOPIC_NAMES.index("likes")] == SHOWN_REFUSED + 5
    assert sum(books.dead_letters.values()) == SHOWN_REFUSED + 5
    assert [each.offset for each in job.refused] == list(range(SHOWN_REFUSED))


def test_records_without_a_time_are_folded_too() -> None:
    documents, _ = replayed([msgspec.structs.replace(each, timestamp=-1) for each in likes(3)])
    assert documents[-1].totals.likes == 3


def test_nothing_gives_nothing() -> None:
    documents, job = replayed([])
    assert documents == []
    assert job.overlays() == []


def test_a_recording_out_of_order_is_put_in_order(tmp_path: Path) -> None:
    path = tmp_path / "r.ndjson.gz"
    straight = in_time([opened(), *likes(60), *(order(n, 90 * n) for n in range(20))])
    topic_by_topic = sorted(straight, key=lambda each: each.topic)
    write_recording(path, topic_by_topic)
    found = survey(path)
    assert (found.records, found.sorted, found.cut_off, found.opened) == (81, False, False, frozenset({"drop"}))
    sorted_again = list(recorded(path, in_order=found.sorted, offered={}))
    assert [each.timestamp for each in sorted_again] == [each.timestamp for each in straight]
    write_recording(path, straight)
    assert survey(path).sorted


def test_a_log_whose_times_go_back_keeps_its_own_order(tmp_path: Path) -> None:
    path = tmp_path / "r.ndjson"
    shuffled = likes(40)
    random.Random(7).shuffle(shuffled)
    write_recording(path, [*shuffled, opened(at_ms=10)])
    found = list(recorded(path, in_order=False, offered={}))
    assert [each.value for each in found if each.topic == "likes"] == [each.value for each in shuffled]


def test_another_offer_changes_that_sale_alone(tmp_path: Path) -> None:
    path = tmp_path / "r.ndjson"
    write_recording(path, [opened(), opened(sale_id="other", at_ms=1), order(1, 2)])
    documents, _ = replayed(recorded(path, in_order=True, offered={"drop": 77}))
    assert {sale.sale_id: sale.offered for sale in documents[-1].sales} == {"drop": 77, "other": 10}


def test_a_broken_line_is_named_before_anything_is_folded(tmp_path: Path) -> None:
    path = tmp_path / "r.ndjson"
    write_recording(path, likes(3))
    path.write_bytes(path.read_bytes() + b"{broken}\n" + path.read_bytes())
    with pytest.raises(SnapupError, match="line 4"):
        survey(path)


def test_a_recording_that_is_cut_off_is_read_up_to_there(tmp_path: Path) -> None:
    path = tmp_path / "r.ndjson"
    write_recording(path, likes(3))
    path.write_bytes(path.read_bytes()[:-5])
    found = survey(path)
    assert (found.records, found.cut_off) == (2, True)
