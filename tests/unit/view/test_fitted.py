"""A document in as many lines as there are: nothing scrolls, and what is not shown is counted."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

import pytest
from rich.cells import cell_len
from rich.console import Console

from stream.contract.overlay import Overlay, Sale, Urgency
from stream.view.fitted import Fitted
from stream.view.strings import LANGUAGES

if TYPE_CHECKING:
    from collections.abc import Callable


def shown(overlay: Overlay, *, width: int = 80, height: int = 24, lang: str = "en", age_ms: int = 0) -> list[str]:
    file = io.StringIO()
    console = Console(file=file, width=width, height=height)
    console.print(Fitted(overlay, lang=lang, now_ms=overlay.as_of_ms + age_ms, reserved=1))
    return file.getvalue().splitlines()


@pytest.fixture
def sixty(overlay: Overlay, make_sale: Callable[..., Sale]) -> Overlay:
    """Sixty products of one sale: one rushed, two brisk, three sold out, four not open yet, the others calm."""

    def sale(number: int) -> Sale:
        level = {0: "rush", 1: "brisk", 2: "brisk"}.get(number, "sold_out" if number > 56 else "calm")
        level = "unknown" if 50 < number < 55 else level
        scheduled = {"status": "scheduled", "starts_at_ms": overlay.as_of_ms + 60_000} if 50 < number < 55 else {}
        # The names are in the opposite order.
        return make_sale(sku_id=f"sku-{99 - number}", urgency=Urgency(level, 0, []), **scheduled)  # type: ignore[arg-type]

    overlay.sales = [sale(number) for number in range(60)]
    overlay.urgency = Urgency("rush", 0, [], "coat-drop")
    return overlay


def test_sixty_sales_in_24_lines_are_the_one_that_leads_the_next_and_the_others_counted(sixty: Overlay) -> None:
    lines = shown(sixty)
    assert len(lines) <= 23
    text = "\n".join(lines)
    assert "sku-99" in lines[2]
    assert "212 left" in lines[4]
    assert [re.findall("sku-[0-9]+", line) for line in lines[6:8]] == [["sku-97"], ["sku-98"]]
    (counted,) = (line for line in lines if "more sales" in line)
    listed = len(set(re.findall("sku-[0-9]+", text.partition("more sales")[0])))
    number, kinds = re.findall(r"and (\d+) more sales: (.*)", counted)[0]
    assert int(number) == 60 - listed == sum(map(int, re.findall(r"\d+", kinds)))
    assert "3 sold out" in kinds
    assert "4 scheduled" in kinds
    assert "31,544 placed" in text
    assert "May be said: 1 · Held back: 1" in text
    assert "taller" in lines[-1]


@pytest.mark.parametrize("lang", list(LANGUAGES))
@pytest.mark.parametrize("age_ms", [0, 60_000])
def test_it_fits_any_window(sixty: Overlay, lang: str, age_ms: int) -> None:
    for height in (1, 2, 3, 7, 8, 12, 24, 40, 60):
        for width in (60, 80):
            lines = shown(sixty, width=width, height=height, lang=lang, age_ms=age_ms)
            assert len(lines) <= max(1, height - 1)
            assert max(map(cell_len, lines)) <= width


def test_a_taller_window_lists_more_sales_and_none_is_lost(sixty: Overlay) -> None:
    before = 0
    for height in range(14, 90, 3):
        text = "\n".join(shown(sixty, height=height)).partition("people have it")[2]
        if "taller" not in text:  # the whole document fits
            break
        listed = len(re.findall(r"sku-\d+.*left", text))
        more = re.findall(r"and (\d+) more", text)
        assert listed + int(more[0]) == 59
        assert listed >= before
        before = listed
    assert before > 20


def test_one_sale_in_a_tall_window_is_the_whole_document(overlay: Overlay) -> None:
    text = "\n".join(shown(overlay, height=60))
    assert "412/21,877" in text
    assert "taller" not in text


def test_old_figures_say_so_in_the_first_line_also_when_they_are_cut(sixty: Overlay) -> None:
    lines = shown(sixty, age_ms=60_000)
    assert lines[0].startswith("STALE")
    assert len(lines) <= 23


def test_a_room_without_a_sale_fits_too(overlay: Overlay) -> None:
    overlay.sales, overlay.urgency = [], Urgency("unknown", 0, [], None)
    lines = shown(overlay, height=12)
    assert len(lines) <= 11
    assert not any("more sales" in line for line in lines)
