"""Real files, read again by a few naive lines: the same figures, and every record is one that the contract takes."""

from __future__ import annotations

import csv
from collections import Counter
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from stream.contract.decode import DeadLetter, Decoder
from stream.contract.events import TOPIC_NAMES, Order, OrderStatus, RoomEvent
from stream.sources.accounts import Accounts
from stream.sources.intake import SendOrder, records_of
from stream.sources.local_time import DateOrder, time_zone
from stream.sources.rows import RowReader
from stream.sources.taobao import taobao_events
from stream.sources.uci import uci_events

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stream.contract.recording import RecordedRecord

SHARED_DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
TAOBAO = SHARED_DATA / "taobao-user-behavior-10k.csv"
UCI_DAYS = sorted(SHARED_DATA.glob("uci-online-retail-*.csv"))

needs_data = pytest.mark.skipif(not UCI_DAYS or not TAOBAO.exists(), reason=f"no recorded files in {SHARED_DATA}")


def decoded(records: Iterable[RecordedRecord]) -> list[RoomEvent]:
    decoders = {name: Decoder(index) for index, name in enumerate(TOPIC_NAMES)}
    events = []
    for record in records:
        event = decoders[record.topic].decode(record.value, record.key, record.timestamp)
        assert not isinstance(event, DeadLetter), event
        events.append(event)
    return events


def imported_day(path: Path) -> tuple[list[RoomEvent], Accounts]:
    accounts = Accounts()
    rows = RowReader(path, accounts)
    found = uci_events(rows, "shop", accounts, None, time_zone("Europe/London"), DateOrder.ISO)
    return decoded(records_of(found, "shop", SendOrder.TIME)), accounts


@needs_data
@pytest.mark.parametrize("path", UCI_DAYS, ids=[path.stem[-10:] for path in UCI_DAYS])
def test_a_day_of_the_shop_keeps_its_money_units_and_invoices(path: Path) -> None:
    events, accounts = imported_day(path)
    money: Counter[OrderStatus] = Counter()
    units: Counter[OrderStatus] = Counter()
    for event in events:
        assert isinstance(event, Order)
        lines = event.part_lines or event.lines
        money[event.status] += sum(line.amount_minor for line in lines)
        units[event.status] += sum(line.quantity for line in lines)

    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    sold = [row for row in rows if not row["InvoiceNo"].startswith("C") and int(row["Quantity"]) > 0]
    returned = [row for row in rows if row["InvoiceNo"].startswith("C")]
    for status, of_status in ((OrderStatus.PAID, sold), (OrderStatus.REFUNDED, returned)):
        pence = sum(
            int((abs(int(row["Quantity"])) * Decimal(row["UnitPrice"]) * 100).quantize(Decimal(1), ROUND_HALF_EVEN))
            for row in of_status
        )
        assert money[status] == pence
        assert units[status] == sum(abs(int(row["Quantity"])) for row in of_status)
    invoices = {row["InvoiceNo"] for row in (*sold, *returned)}
    orders = [event for event in events if isinstance(event, Order)]
    assert {(event.part_id or event.order_id).partition(".")[0] for event in orders} == invoices
    assert {event.order_id for event in orders if event.part_id} <= {event.order_id for event in orders if event.lines}

    assert accounts.rows == len(rows)
    assert accounts.refused.total() == len(rows) - len(sold) - len(returned)
    assert accounts.unaccounted() == 0
    assert [event.event_time_ms for event in events] == sorted(event.event_time_ms for event in events)


@needs_data
@pytest.mark.parametrize("order", list(SendOrder))
def test_a_week_of_taobao_keeps_every_row(order: SendOrder) -> None:
    accounts = Accounts()
    found = taobao_events(RowReader(TAOBAO, accounts), "tb", accounts, None)
    events = decoded(records_of(found, "tb", order))
    with TAOBAO.open(encoding="utf-8", newline="") as file:
        behaviours = Counter(row[3] for row in csv.reader(file))
    assert accounts.by_type == {
        "product_click": behaviours["pv"],
        "cart_add": behaviours["cart"],
        "like": behaviours["fav"],
        "order": behaviours["buy"],
    }
    assert accounts.rows == len(events) == behaviours.total()
    assert len({event.event_id for event in events}) == len(events)
    in_order = [event.event_time_ms for event in events] == sorted(event.event_time_ms for event in events)
    assert in_order == (order is SendOrder.TIME)


@needs_data
def test_a_second_import_gives_the_same_bytes() -> None:
    def once() -> list[RecordedRecord]:
        accounts = Accounts()
        return list(records_of(taobao_events(RowReader(TAOBAO, accounts), "tb", accounts, None), "tb", SendOrder.TIME))

    assert once() == once()
