"""`encore`: words that are taken back, a second round, units that stay away, carts that are emptied, a rehearsal."""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import TYPE_CHECKING

import msgspec
import pytest

from stream.commands.expected_table import expected_tables
from stream.commands.replay_claims import check_recording
from stream.contract.events import INPUT_TOPICS, TOPIC_NAMES, Order, RoomEvent, SaleOpened
from stream.contract.overlay import Overlay, Session
from stream.contract.recording import RecordedRecord
from stream.core.partition import PartitionFold
from stream.settings import load_settings
from stream.shows import build_show, encore
from stream.shows.outcome import figures_planned, unmet
from stream.verify.compare import compare
from stream.verify.recount import Recount
from stream.verify.room_count import Assumptions

if TYPE_CHECKING:
    from stream.shows.show import Show

T0_MS = 1_507_636_800_000
SEEDS = [1, 2]
decode = msgspec.json.Decoder(RoomEvent).decode
overlay_of = msgspec.json.Decoder(Overlay).decode


@cache
def built(seed: int) -> Show:
    return build_show("encore", seed)


@cache
def records(seed: int) -> tuple[RecordedRecord, ...]:
    """As a log with one partition would hold them."""
    seen = Counter[str]()
    found = []
    for sent in built(seed).deliveries(T0_MS):
        offset = seen[sent.topic]
        seen[sent.topic] += 1
        at_ms = T0_MS + sent.send_ms
        found.append(
            RecordedRecord(
                topic=sent.topic, timestamp=at_ms, value=sent.value, key=sent.key, partition=0, offset=offset
            )
        )
    return tuple(found)


@cache
def documents(seed: int) -> tuple[Overlay, ...]:
    """The last document of each session, by the product's own fold."""
    fold = PartitionFold(0, load_settings().rules(), TOPIC_NAMES)
    for record in records(seed):
        fold.advance(record.timestamp, "log")
        fold.fold(TOPIC_NAMES.index(record.topic), [record])
    end_ms = T0_MS + encore.DURATION_MS
    fold.advance(end_ms, "log")
    return tuple(overlay_of(made.document) for made in fold.publish(end_ms, 1))


def recounted(seed: int, session: Session) -> Recount:
    rules = load_settings().rules()
    recount = Recount(
        Assumptions(
            remember_sales_ms=rules.remember_sales_ms,
            contract_edition=rules.contract_edition,
            signals_edition=rules.signals_edition,
            ids_by_topic=rules.ids_by_topic,
            sources_max=rules.sources_max,
            products_max=rules.products_max,
        )
    )
    firsts = dict(zip(TOPIC_NAMES, session.first_offsets, strict=True))
    recount.begins("encore", session.began_at_ms, firsts, dict(zip(TOPIC_NAMES, session.next_offsets, strict=True)))
    for record in records(seed):
        recount.add_record(record)
    return recount


@pytest.mark.parametrize("seed", SEEDS)
def test_the_show_ends_as_planned_and_as_an_independent_recount_finds(seed: int) -> None:
    expected = built(seed).expected
    rehearsal, show = documents(seed)
    assert unmet(expected.rooms[0], show) == []
    assert figures_planned(expected.rooms[0]) > 40
    session = show.session
    assert session is not None
    assert (session.show_id, session.ended_by) == (f"encore-{seed}", "word")
    recount = recounted(seed, session)
    figures = compare(recount.room("encore", show.as_of_ms, session=session), show)
    assert [figure for figure in figures if not figure.agrees] == []
    accounts = recount.accounts
    assert (accounts.received, accounts.applied, accounts.duplicate, accounts.dead_lettered.total()) == (
        expected.deliveries,
        expected.applied,
        expected.duplicates,
        0,
    )
    # What was tried before the show is a session of its own, and in no figure of the show.
    assert rehearsal.totals.likes == 6 * 99
    assert (rehearsal.totals.orders.paid, rehearsal.totals.viewers.value) == (1, 6)


def test_all_coats_are_taken_before_the_restock_and_in_each_round_and_some_are_not_paid_for() -> None:
    fold = PartitionFold(0, load_settings().rules(), TOPIC_NAMES)
    looks = iter((50_000, 68_500, 118_500, 10**9))
    look_ms, seen = next(looks), []
    for record in records(1):
        if record.timestamp - T0_MS > look_ms:
            overlay = fold.overlay("encore")
            assert overlay is not None
            (coat,) = (sale for sale in overlay.sales if sale.sku_id == encore.COAT)
            seen.append((coat.available, coat.held > 0, coat.former is not None))
            look_ms = next(looks)
        fold.advance(record.timestamp, "log")
        fold.fold(TOPIC_NAMES.index(record.topic), [record])
    assert [(held, round_) for _, held, round_ in seen] == [(True, False), (True, False), (True, True)]
    assert (seen[0][0], seen[2][0]) == (0, 0)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_word_that_a_host_can_say_and_all_that_can_become_of_a_unit_is_in_it(seed: int) -> None:
    kinds = {type(decode(record.value or b"")) for record in records(seed)}
    spoken = {kind for _, of_topic in INPUT_TOPICS for kind in of_topic}
    # Workers alone say that records are misplaced.
    assert {kind.__name__ for kind in spoken - kinds} == {"RecordsMisplaced"}
    coat, scarf = built(seed).expected.rooms[0].sales
    former = coat.former
    assert former is not None
    assert (former.rounds, former.restocked, coat.restocked, coat.offered) == (1, 150, 0, 240)
    assert min(former.gone, former.sold, coat.gone, coat.held, coat.released, coat.available, coat.sold) > 0
    assert scarf.corrections == ["offered", "ends_at_ms", "closed_at_ms"]
    assert (coat.carters_without_order or 0) > 100
    restock = Counter(
        event.restock for record in records(seed) if isinstance(event := decode(record.value or b""), Order)
    )
    assert restock[False] > restock[True] > 0
    parts = [
        (event.part_lines[0].quantity, event.restock)
        for record in records(seed)
        if isinstance(event := decode(record.value or b""), Order) and event.part_id
    ]
    assert {*parts} == {(0, None), (1, None), (1, False)}
    assert len({*parts}) < built(seed).expected.rooms[0].orders_partly_undone <= len(parts)


def test_another_seed_is_another_show_with_ids_of_its_own() -> None:
    assert build_show("encore", 1).expected == built(1).expected
    assert built(1).expected.rooms[0].sales != built(2).expected.rooms[0].sales
    ids = [{sent.event_id for sent in built(seed).deliveries(T0_MS)} for seed in (1, 2)]
    assert not ids[0] & ids[1]


def test_the_platform_of_encore_never_sells_what_is_not_there() -> None:
    """Each round takes what it has: by the moments of the plan, without anything that came back."""
    placed: dict[str, tuple[int, int]] = {}
    for record in records(1):
        event = decode(record.value or b"")
        if isinstance(event, Order) and event.lines[0].sale_id == encore.COAT_SALE:
            placed.setdefault(event.order_id, (event.event_time_ms - T0_MS, event.lines[0].quantity))
    first = sum(units for at_ms, units in placed.values() if at_ms < encore.RESTOCK_MS)
    second = sum(units for at_ms, units in placed.values() if at_ms >= encore.SECOND_OPENS_MS)
    assert (first, sum(units for _, units in placed.values()) - first - second, second) == (600, 150, 240)


def test_the_word_that_sets_stock_down_repeats_the_terms() -> None:
    said = [
        event
        for record in records(2)
        if isinstance(event := decode(record.value or b""), SaleOpened) and event.sku_id == encore.SCARF
    ]
    first, second = {event.event_id: event for event in said}.values()
    assert (first.offered, second.offered) == (2_000, 200)
    changed = {"event_id", "event_time_ms", "offered"}
    assert {name for name in first.__struct_fields__ if getattr(first, name) != getattr(second, name)} == changed


def test_every_claim_of_the_show_is_right() -> None:
    tally = check_recording(records(1), load_settings().rules(), "live", 250, 5_000)
    assert tally.told == []
    assert tally.of("right") > 4_000


def test_the_table_of_what_must_come_out_names_rounds_corrections_and_carts() -> None:
    *_, room = expected_tables(built(1).expected)
    names = list(room.columns[0].cells)
    assert {"coat-encore former sold", "coat-encore gone", "scarf-encore corrections"} < set(names)
    assert "offered, ends_at_ms, closed_at_ms" in list(room.columns[1].cells)
