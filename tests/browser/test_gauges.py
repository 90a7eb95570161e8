"""What widgets and panel say of gauges: who says it, how long ago, how sure, and nothing once it is not known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.looking import says, until_gone, until_says
from tests.browser.rooms import now_ms

if TYPE_CHECKING:
    from tests.browser.conftest import Pages
    from tests.browser.rooms import Room

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="session")]
KNOWN_FOR_MS = 120_000


def reading(value: int, age_ms: int, precision: str = "exact") -> dict[str, Any]:
    return {"value": value, "at_ms": now_ms() - age_ms, "precision": precision}


def source(name: str, **latest: dict[str, Any]) -> dict[str, Any]:
    gauges = {gauge: {"peak": {**said, "value": said["value"] + 1}, "latest": said} for gauge, said in latest.items()}
    return {"source": name, "events": 3, **gauges}


def section(*sources: dict[str, Any], known_for_ms: int = KNOWN_FOR_MS) -> dict[str, Any]:
    return {"known_for_ms": known_for_ms, "sources": [*sources]}


async def test_a_widget_says_how_many_who_says_so_and_how_long_ago(pages: Pages, room: Room) -> None:
    room.put()
    page = await pages.open(f"/overlay?room={room.room_id}&lang=en&widgets=viewers&names=x-y:Ours")
    room.sections = {
        "gauges": section(
            source("douyin", viewers_now=reading(12_000, -5_000, "at_least")),
            source("tiktok", viewers_now=reading(9_876, 43_000)),
            source("x-y", viewers_now=reading(12_000, 62_000, "rounded")),
            source("fourth", viewers_now=reading(7, 500)),
        )
    }
    room.put()
    text = await until_says(page, "viewers", "asOurssays")
    assert text.startswith("12K+watchingasDouyinsays,under10sago9,876watchingasTikToksays,4")
    assert "≈12Kwatching" in text
    assert "fourth" not in text
    assert "." not in text  # no tenths of a second


async def test_a_widget_leaves_by_itself_when_the_figure_is_too_old(pages: Pages, room: Room) -> None:
    room.put()
    page = await pages.open(f"/overlay?room={room.room_id}&lang=zh-CN&widgets=viewers,totals")
    # Said by a clock that is five seconds ahead: it holds for ten.
    room.sections = {"gauges": section(source("tiktok", viewers_now=reading(9_876, -5_000)), known_for_ms=5_000)}
    room.put()
    text = await until_says(page, "viewers", "9,876")
    assert text.startswith("9,876人正在看来源")
    assert text.endswith("不到10秒前")
    assert await says(page, "totals") is None
    # No other document comes: the page knows the time, and how long the figure holds.
    await until_gone(page, "viewers", within_s=13)
    assert room.rev == 2


async def test_totals_are_those_of_the_first_platform_with_the_older_age_and_zero_is_not_shown(
    pages: Pages, room: Room
) -> None:
    room.put()
    page = await pages.open(f"/overlay?room={room.room_id}&lang=en&widgets=totals")
    room.sections = {
        "gauges": section(
            source("a", viewers_now=reading(4, 500), likes_total=reading(0, 500)),
            source("bb", viewers_total=reading(52_431, 62_000), likes_total=reading(1_204_118, 500)),
            source("ccc", viewers_total=reading(9, 500)),
        )
    }
    room.put()
    text = await until_says(page, "totals", "asbbsays")
    assert text.startswith("52.4Kviewersintotal1.2Mlikesintotalasbbsays,6")
    assert "9viewers" not in text


async def test_the_panel_says_that_a_figure_is_not_known(pages: Pages, room: Room) -> None:
    room.put()
    page = await pages.open(f"/console/{room.room_id}?lang=en")
    silent = source("cctv", viewers_now=reading(900, 200_000))
    del silent["viewers_now"]["latest"]
    room.sections = {
        "gauges": {**section(silent, source("tiktok", viewers_now=reading(9_876, 42_500, "a-later-word"))), "beyond": 3}
    }
    panel = page.locator("section.mechanic.gauges")
    async with room.live():
        await panel.locator("table").wait_for(state="visible")
        rows = [" ".join((await row.inner_text()).split()) for row in await panel.locator("tr").all()]
        assert rows[0] == "viewers now cctv not known peak 901"
        assert rows[1].startswith("viewers now TikTok, 4")
        assert rows[1].endswith(" s ago ≈9,876 peak ≈9,877")
        assert "3 events of sources beyond the bound" in await panel.inner_text()
