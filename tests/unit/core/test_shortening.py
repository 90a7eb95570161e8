"""Documents that are too large for the log: what goes, in which order, and what it says of that."""

from __future__ import annotations

from random import Random

import msgspec
import pytest

from stream.contract.overlay import Overlay
from stream.core.rules import Rules
from stream.core.saved.growth import VERSION_1
from stream.core.shortening import shortened
from tests.support.events import Log, at, closed, like, opened, order
from tests.support.rooms import TOPICS

FROM_SETTINGS = Rules(contract_edition=2, remember_sales_ms=604_800_000)
CURRENCIES = [f"{a}{b}X" for a in "ABCDEFGHIJKLM" for b in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"]


def busy_log(sales: int = 60, rules: Rules = FROM_SETTINGS, currencies: int = 0) -> Log:
    """A room in which much is on sale."""
    log = Log(rules)
    log.add(*(opened(5, f"s{number:03}") for number in range(sales)), like())
    for number in range(sales):
        log.add(*(order("paid", f"o{number}-{user}", f"u{user}", sale=f"s{number:03}", s=1) for user in range(4)))
    log.add(*(order("paid", f"c{code}", currency=code, sale=None, s=1) for code in CURRENCIES[:currencies]))
    log.tick(2)
    return log


def document(log: Log) -> bytes:
    (published,) = log.fold.publish(at(2), 1, everything=True)
    return published.document


def read(raw: bytes) -> Overlay:
    return msgspec.json.decode(raw, type=Overlay)


def test_a_document_that_fits_stays_as_it_is() -> None:
    whole = document(busy_log(2))
    assert shortened(whole, len(whole)) is whole


def test_claims_go_before_figures_and_the_document_says_how_many() -> None:
    whole = document(busy_log())
    overlay, short = read(whole), read(shortened(whole, len(whole) - 1))
    assert len(overlay.claims) > 60
    assert short.left_out == {"claims": len(overlay.claims)}
    assert short.claims == []
    short.claims, short.left_out = overlay.claims, None
    assert short == overlay


def test_of_sales_those_stay_in_which_something_can_be_bought() -> None:
    log = busy_log(40)
    log.add(*(closed(f"s{number:03}", s=2) for number in range(20)))
    log.tick(2)
    whole = document(log)
    without_claims = len(shortened(whole, len(whole) - 1))
    short = read(shortened(whole, without_claims // 2))
    assert short.left_out
    assert 15 < short.left_out["sales"] < 30
    assert len(short.sales) == 40 - short.left_out["sales"]
    kept = [sale.sale_id for sale in short.sales]
    assert kept == sorted(kept)
    assert all(sale.status == "open" for sale in short.sales[:18])
    assert (short.totals, short.urgency, short.rates) == (read(whole).totals, read(whole).urgency, read(whole).rates)


def test_whatever_is_in_a_document_it_fits_and_is_one() -> None:
    whole = document(busy_log(30, currencies=300))
    overlay = read(whole)
    random = Random(4)
    for most_bytes in (4_000, 6_000, 20_000, *(random.randrange(4_000, len(whole)) for _ in range(40))):
        short = shortened(whole, most_bytes)
        assert short == shortened(whole, most_bytes)
        found = read(short)
        assert len(short) <= most_bytes
        assert found.left_out
        assert found.totals.likes == overlay.totals.likes
        # Not much more than had to go: something of each list that goes in part stays, or the next list is whole.
        assert len(short) > most_bytes - 4_000 or not found.claims
        assert len(found.rates) + found.left_out.get("rates", 0) == len(overlay.rates)
        assert len(found.totals.money) + found.left_out.get("money", 0) == len(overlay.totals.money)
        assert len(found.sales) + found.left_out.get("sales", 0) == len(overlay.sales)


def test_a_list_that_is_not_known_here_and_a_status_to_come_are_no_obstacle() -> None:
    odd = msgspec.json.decode(document(busy_log(4)))
    odd["verses"] = ["x" * 50] * 400
    odd["sales"][1]["status"] = "postponed"
    raw = msgspec.json.encode(odd)
    short = msgspec.json.decode(shortened(raw, 9_000))
    assert short["left_out"]["verses"] == 400
    assert (short["verses"], len(short["sales"])) == ([], 4)
    shorter = msgspec.json.decode(shortened(raw, len(msgspec.json.encode(short)) - 600))
    assert shorter["left_out"]["sales"]
    assert "postponed" not in [sale["status"] for sale in shorter["sales"]]


@pytest.mark.parametrize("most_bytes", [0, 20_000])
def test_the_log_gets_the_shorter_one_and_redis_the_whole_one(most_bytes: int) -> None:
    rules = msgspec.structs.replace(FROM_SETTINGS, signal_max_bytes=most_bytes)
    log = busy_log(rules=rules)
    whole = document(log)
    cut = log.fold.cut(1)
    (signal,) = cut.signals
    assert len(whole) > 20_000
    overlay = read(signal.document)
    assert (overlay.room_id, overlay.epoch, overlay.as_of_ms) == ("r1", 1, read(whole).as_of_ms)
    assert overlay.rev > read(whole).rev
    assert cut.version == VERSION_1
    if most_bytes:
        assert overlay.left_out
        assert len(signal.document) <= most_bytes < signal.whole_bytes
    else:
        assert (overlay.left_out, signal.whole_bytes) == (None, 0)


def test_so_does_the_last_document_of_a_session_and_what_is_saved_of_it_is_whole() -> None:
    log = busy_log(rules=msgspec.structs.replace(FROM_SETTINGS, signal_max_bytes=20_000))
    log.fold.cut(1)
    log.fold.advance(at(7 * 3_600), "tick")
    (last,) = log.fold.publish(None, 1)
    cut = log.fold.cut(1)
    (signal,) = cut.signals
    assert (last.last, last.whole_bytes) == (True, 0)
    assert len(last.document) > 20_000 >= len(signal.document)
    said = read(signal.document)
    assert said.session
    assert said.session.ended_by == "silence"
    assert said.left_out
    assert any(value is not None and len(value) > 20_000 for _, value in cut.records)
    assert len(TOPICS) == len(said.session.next_offsets)
