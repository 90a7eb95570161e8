"""What a page shows, asked until it does: no test sleeps for a fixed time."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from playwright.async_api import Page

DEADLINE_S = 60.0
LOOK_S = 0.03
_GONE = "(name) => ((widget) => widget.hidden && widget.children.length === 0)(document.querySelector(name))"


async def eventually(
    look: Callable[[], Awaitable[Any]], want: Callable[[Any], bool], what: str, within_s: float = DEADLINE_S
) -> Any:
    """Look until it is as wanted; the last sight stands in the failure."""
    deadline_s = time.monotonic() + within_s
    while True:
        seen = await look()
        if want(seen):
            return seen
        assert time.monotonic() < deadline_s, f"{what}: {seen!r} after {within_s} s"
        await asyncio.sleep(LOOK_S)


async def says(page: Page, widget: str) -> str | None:
    """The text of a widget without its blanks; None: it is not there at all."""
    text: str | None = await page.evaluate(
        """(name) => {
          const widget = document.querySelector(`snapup-${name}`);
          if (!widget || widget.hidden || widget.dataset.leaving !== undefined) return null;
          const copy = widget.cloneNode(true);
          copy.querySelectorAll("[hidden], .heard").forEach((part) => part.remove());
          return copy.textContent.replace(/\\s+/g, "");
        }""",
        widget,
    )
    return text


async def until_says(page: Page, widget: str, part: str, within_s: float = DEADLINE_S) -> str:
    """Wait until a widget says something."""
    found = await eventually(
        lambda: says(page, widget), lambda text: text is not None and part in text, f"{widget} says {part!r}", within_s
    )
    assert isinstance(found, str)
    return found


async def until_gone(page: Page, widget: str, within_s: float = DEADLINE_S) -> None:
    """Wait until a widget is not there: hidden, and without any element."""
    await eventually(
        lambda: page.evaluate(_GONE, f"snapup-{widget}"),
        bool,
        f"{widget} is gone",
        within_s,
    )


def text_of(page: Page, selector: str) -> Callable[[], Awaitable[str]]:
    """Asks for the text of all that fits."""
    return lambda: page.evaluate(
        "(selector) => [...document.querySelectorAll(selector)].map((e) => e.textContent.trim()).join(' | ')", selector
    )
