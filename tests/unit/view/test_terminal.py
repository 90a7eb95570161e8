from __future__ import annotations

import io
from dataclasses import fields
from typing import TYPE_CHECKING, get_args

import msgspec
import pytest
from rich.cells import cell_len
from rich.console import Console

from stream.contract import overlay as contract
from stream.contract.overlay import Claim, Count, Overlay, Rate, Sale, Urgency, Withheld
from stream.contract.reading import opened, read_overlay
from stream.view.levels import LEVEL_STYLES
from stream.view.line import overlay_line
from stream.view.sale_view import AVAILABLE, HELD, SOLD, stock_bar
from stream.view.strings import LANGUAGES
from stream.view.terminal import MAX_SALES, render
from tests.support.newer import newer_document

if TYPE_CHECKING:
    from collections.abc import Callable


def shown(overlay: Overlay, *, width: int = 80, lang: str = "en", age_ms: int = 0, colour: bool = False) -> str:
    file = io.StringIO()
    console = Console(file=file, width=width, force_terminal=colour, color_system="truecolor" if colour else None)
    console.print(render(overlay, width=width, lang=lang, now_ms=overlay.as_of_ms + age_ms))
    return file.getvalue()


@pytest.mark.parametrize("width", [60, 80, 120, 200])
@pytest.mark.parametrize("lang", list(LANGUAGES))
def test_no_line_is_wider_than_the_terminal(overlay: Overlay, width: int, lang: str) -> None:
    assert max(map(cell_len, shown(overlay, width=width, lang=lang).splitlines())) <= width


def test_stock_is_sold_held_left_and_its_share_says_of_what(overlay: Overlay) -> None:
    text = shown(overlay)
    assert "4,900 sold, 388 held, 212 left · 89.1 % sold (4,900 of 5,500)" in text
    assert "█ SNAP UP" in text
    assert "ends in 4:12" in text


def test_no_rate_stands_without_its_numbers_and_window(overlay: Overlay) -> None:
    text = shown(overlay, width=120)
    assert "1 min" in text
    assert "session" in text
    assert "412/21,877" in text
    assert "29,810/31,544" in text
    of_what = ("412/21,877", "29,810/31,544", "(4,900 of 5,500)", "(90 %)", "±")
    assert text.count("%") == sum(map(text.count, of_what))


def test_a_rate_of_nobody_is_not_shown(overlay: Overlay) -> None:
    overlay.rates = [Rate("pay_rate", 60_000, 0, 0, overlay.as_of_ms, "exact")]
    assert "no rates yet" in shown(overlay)


def test_numbers_that_do_not_fit_are_shortened_not_broken(overlay: Overlay) -> None:
    overlay.rates = [
        Rate("watch_to_buy_uv", window, 8_123_456, 123_456_789, 0, "sketch", 0.016)
        for window in (60_000, 300_000, 1_800_000, None)
    ]
    assert "≈8.12M/123M" in shown(overlay)


def test_money_per_1000_views_is_money(overlay: Overlay) -> None:
    overlay.rates = [Rate("gpm_views", 60_000, 596_200_000_000, 1_530_000, 0, "exact", currency="CNY")]
    text = shown(overlay, width=120)
    assert "3,896.73" in text
    assert "5,962,000.00/1,530,000" in text


@pytest.mark.parametrize(
    ("lang", "told"), [("en", "97 refunded · 12 undone in part · 3 shipped"), ("zh-CN", "12 部分取消或退款 · 3 已发货")]
)
def test_what_else_became_of_orders_is_told_where_there_are_any(overlay: Overlay, lang: str, told: str) -> None:
    for text in (shown(overlay, width=120, lang=lang), overlay_line(overlay, lang=lang)):
        assert not any(words.format(n=0) in text for words in LANGUAGES[lang].orders_later.values())
    overlay.totals.orders.partly_undone, overlay.totals.orders.shipped = 12, 3
    for text in (shown(overlay, width=120, lang=lang), overlay_line(overlay, lang=lang)):
        assert told in text


def test_every_count_of_orders_has_words() -> None:
    for strings in LANGUAGES.values():
        always = [name for name in contract.Orders.__struct_fields__ if f"{{{name}}}" in strings.orders]
        assert {*always, *strings.orders_later} == {*contract.Orders.__struct_fields__}


def test_an_estimate_says_how_sure_it_is(overlay: Overlay) -> None:
    assert "1,204,118 ±1.6 % viewers" in shown(overlay)
    overlay.totals.viewers = Count(12, "exact")
    assert "12 viewers" in shown(overlay)


def test_what_is_held_back_says_why(overlay: Overlay, make_sale: Callable[..., Sale]) -> None:
    planned = overlay.as_of_ms + 900_000
    overlay.sales = [make_sale(restock_planned_at_ms=planned)]
    overlay.withheld = [
        Withheld("bought_recently", "sample_too_small", "coat-drop", "sku-881"),
        Withheld("stock_left", "restock_planned", "coat-drop", "sku-881"),
    ]
    text = shown(overlay, width=160)
    assert "N bought: too few orders to say · coat-drop/sku-881" in text
    assert "N left: restock planned at 2017-10-10 12:15:00 UTC" in text


def test_what_is_old_is_grey_and_says_stale(overlay: Overlay) -> None:
    fresh, stale = (shown(overlay, age_ms=age_ms, colour=True) for age_ms in (3_000, 3_001))
    assert "STALE" not in fresh
    assert "STALE: 3.0 s old" in stale
    after_the_warning = stale.partition("\n")[2]
    colours = {part.partition("m")[0] for part in after_the_warning.split("\x1b[")[1:]}
    assert colours == {"0", "2;38;2;100;116;139"}


def test_a_claim_whose_time_is_over_is_held_back(overlay: Overlay, make_claim: Callable[..., Claim]) -> None:
    overlay.claims = [make_claim(valid_until_ms=overlay.as_of_ms + 500)]
    assert "✓ 212 left" in shown(overlay, age_ms=500)
    late = shown(overlay, age_ms=501)
    assert "✓" not in late
    assert "N left: the figures are too old" in late


def test_a_countdown_goes_on_and_ends(
    overlay: Overlay, make_sale: Callable[..., Sale], make_claim: Callable[..., Claim]
) -> None:
    overlay.sales = [make_sale(ends_at_ms=overlay.as_of_ms + 10_500)]
    overlay.claims = [make_claim(claim="ends_in", value=10_500, unit="ms")]
    assert shown(overlay).count("ends in 10 s") == 2
    assert shown(overlay, age_ms=1_200).count("ends in 9.3 s") == 2
    assert "· ended" in shown(overlay, age_ms=10_500)
    overlay.sales = [make_sale(extended=True)]
    assert "(extended)" in shown(overlay)


def test_unknown_stock_is_no_bar_and_no_zero(overlay: Overlay, make_sale: Callable[..., Sale]) -> None:
    overlay.sales = [make_sale(status="unknown", offered=None, available=None, urgency=Urgency("unknown", 0, []))]
    text = shown(overlay)
    assert "stock unknown until the sale is announced" in text
    assert SOLD * 3 not in text
    assert "0 left" not in text


def test_oversold_and_fake_orders_are_never_hidden(overlay: Overlay, make_sale: Callable[..., Sale]) -> None:
    overlay.sales = [make_sale(available=0, held=0, sold=5_512, oversold=12, suspect_units=4, over_limit=2)]
    text = shown(overlay)
    assert "OVERSOLD by 12" in text
    assert "4 units look like fake orders" in text
    assert "2 beyond the limit per person" in text


def test_foreign_text_neither_steers_the_terminal_nor_is_markup(
    overlay: Overlay, make_sale: Callable[..., Sale]
) -> None:
    overlay.room_id = "room\x1b]0;owned\x07"
    overlay.sales = [make_sale(sku_id="\x1b[2J[bold red]sku[/]", sale_id="a\nb", currency="\x1bX")]
    overlay.withheld = [Withheld("stock_left", "stale", "[link=http://x]s[/link]", "\x9b31m")]
    text = shown(overlay, width=160, colour=True)
    assert "\x1b]" not in text
    assert "\x1b[2J" not in text
    assert "\x9b" not in text
    assert "[bold red]sku[/]" in text
    assert "[link=http://x]" in text


def test_the_most_urgent_sales_come_first_and_the_rest_is_counted(
    overlay: Overlay, make_sale: Callable[..., Sale]
) -> None:
    overlay.sales = [make_sale(sale_id=f"calm-{n}", urgency=Urgency("calm", 0, [])) for n in range(MAX_SALES + 2)]
    overlay.sales.append(make_sale(sale_id="hot", urgency=Urgency("last_call", 0, [])))
    text = shown(overlay)
    assert text.index("hot") < text.index("calm-0")
    assert "and 3 more sales" in text


def test_the_lowest_width_is_kept_and_a_foreign_language_is_english(overlay: Overlay) -> None:
    assert shown(overlay, width=20, lang="tlh")


@pytest.mark.parametrize("lang", list(LANGUAGES))
def test_every_language_has_every_word(lang: str, overlay: Overlay) -> None:
    strings = LANGUAGES[lang]
    assert set(strings.levels) == set(get_args(contract.Level)) == set(LEVEL_STYLES)
    assert set(strings.claims) == set(strings.claim_names) == set(get_args(contract.ClaimKind))
    assert set(strings.withheld) == set(get_args(contract.WithheldReason))
    assert set(strings.statuses) == set(get_args(contract.SaleStatus))
    assert all(getattr(strings, field.name) for field in fields(strings))
    assert set(strings.rates) == set(LANGUAGES["en"].rates)
    assert shown(overlay, lang=lang)


@pytest.mark.parametrize(
    ("sold", "held", "total", "cells"),
    [
        (0, 0, 100, (0, 0, 20)),
        (100, 0, 100, (20, 0, 0)),
        (1, 1, 1000, (1, 1, 18)),
        (998, 1, 1000, (18, 1, 1)),
        (50, 25, 100, (10, 5, 5)),
        (120, 0, 100, (20, 0, 0)),
    ],
)
def test_the_bar_is_full_and_hides_no_little_thing(
    sold: int, held: int, total: int, cells: tuple[int, int, int]
) -> None:
    bar = stock_bar(sold, held, total, 20).plain.strip()
    assert (bar.count(SOLD), bar.count(HELD), bar.count(AVAILABLE)) == cells


@pytest.mark.parametrize("lang", list(LANGUAGES))
def test_words_that_only_a_newer_worker_knows_are_shown_as_they_are(lang: str, overlay: Overlay) -> None:
    newer = read_overlay(msgspec.json.encode(newer_document(msgspec.to_builtins(overlay))))
    text = shown(newer, lang=lang)
    for word in ("frenzy", "gift_total", "not_yet", f"{newer.totals.likes:,}"):
        assert word in text
    assert "frenzy" in overlay_line(newer, lang=lang)
    frenzied = {"level": "frenzy", "since_ms": 0, "because": []}
    known, unknown = Urgency("calm", 0, []), msgspec.convert(frenzied, opened(Urgency))
    overlay.sales = [
        msgspec.structs.replace(overlay.sales[0], sale_id=name, urgency=urgency)
        for name, urgency in (("a-calm-one", known), ("b-frenzied", unknown))
    ]
    text = shown(overlay, lang=lang)
    assert text.index("b-frenzied") < text.index("a-calm-one")


def test_a_plain_line_says_the_zone_of_its_time(overlay: Overlay) -> None:
    assert overlay_line(overlay).startswith("2017-10-10 12:00:00.123 UTC viya-2017 rev 7.18231 | ")
