"""What viewers see of a poll at its end: that it is closed, for two minutes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.looking import until_gone, until_says
from tests.browser.rooms import now_ms

if TYPE_CHECKING:
    from tests.browser.conftest import Pages
    from tests.browser.rooms import Room

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="session")]
SHOWN_MS = 120_000


def closed(ends_at_ms: int) -> dict[str, Any]:
    options = [
        {"option_id": "a", "text": "Camel", "votes": 3, "leads": True},
        {"option_id": "b", "text": "Navy", "votes": 1, "leads": False},
    ]
    poll = {"poll_id": "p1", "question": "Which colour?", "status": "closed", "voters": 4, "options": options}
    return {"votes": {"polls": [{**poll, "ends_at_ms": ends_at_ms}]}}


async def test_a_closed_poll_leaves_by_itself_two_minutes_after_its_end(pages: Pages, room: Room) -> None:
    room.put()
    page = await pages.open(f"/overlay?room={room.room_id}&lang=en&widgets=poll")
    room.sections = closed(now_ms() - 60_000)
    room.put()
    text = await until_says(page, "poll", "closed")
    assert "Camel" in text
    assert "75%" in text
    # The last seconds of the two minutes, and no document after this one: the page knows the time.
    ended_ms = now_ms() - SHOWN_MS + 1_500
    room.sections = closed(ended_ms)
    room.put()
    await until_gone(page, "poll")
    assert now_ms() - ended_ms > SHOWN_MS - 100  # as far as the page's clock may differ from the server's
    assert room.rev == 3
