"""`make screenshots`: the README's two pictures of the snap-up show in a real browser. `python -m` this module."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playwright.async_api import async_playwright
from redis import Redis

from stream.local.browser import find_chromium
from stream.local.redis import RedisServer
from stream.local.settings import LocalSettings
from stream.shows.snap_up import COAT, NAME, SCARF
from tests.browser.conftest import ARGUMENTS, ServeProcess
from tests.browser.shows import T0_MS, documents, publish

if TYPE_CHECKING:
    from collections.abc import Sequence

    from playwright.async_api import Browser

IMAGES = Path(__file__).parents[2] / "docs" / "img"
# From before the sale opens to the last units.
FROM_MS, UNTIL_MS = 8_000, 52_000
SIZE = {"width": 1920, "height": 1080}
NAMES = f"{COAT}:Wool coat,{SCARF}:Silk scarf"


async def main() -> None:
    """Play the show and take the pictures."""
    chromium = find_chromium()
    if chromium is None:
        sys.exit("Chromium is missing: `snapup doctor --install` installs it as root.")
    show = [made for made in documents(UNTIL_MS) if made["as_of_ms"] >= T0_MS + FROM_MS]
    with tempfile.TemporaryDirectory() as folder:
        redis_server = RedisServer(Path(folder) / "redis", LocalSettings())
        redis_server.start()
        server = ServeProcess(redis_server.url, Path(folder) / "serve.log")
        try:
            server.start()
            async with async_playwright() as playwright:
                browser = await playwright.chromium.launch(executable_path=str(chromium), args=list(ARGUMENTS))
                with Redis.from_url(redis_server.url) as redis:
                    await take(browser, redis, server.url, show)
                await browser.close()
        finally:
            server.end()
            redis_server.stop()


async def take(browser: Browser, redis: Redis, url: str, show: Sequence[dict[str, Any]]) -> None:
    """Both pictures, at the end of the stretch."""
    context = await browser.new_context(viewport=SIZE, device_scale_factor=1)  # type: ignore[arg-type]
    console = await context.new_page()
    await console.goto(f"{url}/console/{NAME}?lang=en&theme=dark&window=60000")
    overlay = await context.new_page()
    await overlay.goto(f"{url}/overlay?room={NAME}&lang=en&names={NAMES}")
    await overlay.evaluate(
        "document.documentElement.style.background = \"url('/static/builder/backdrops/bright.svg') center / cover\""
    )
    begun_s = time.monotonic()
    by_ms = time.time_ns() // 1_000_000 - show[0]["as_of_ms"]
    for document in show:
        due_s = begun_s + (document["as_of_ms"] - show[0]["as_of_ms"]) / 1_000
        await asyncio.sleep(max(0.0, due_s - time.monotonic()))
        publish(redis, document, by_ms)
    await asyncio.sleep(0.8)  # the last movement ends
    IMAGES.mkdir(parents=True, exist_ok=True)
    await overlay.screenshot(path=IMAGES / "overlay.jpg", type="jpeg", quality=82)
    await console.bring_to_front()
    await console.screenshot(path=IMAGES / "console.png")
    for image in sorted(IMAGES.iterdir()):
        print(f"{image.relative_to(IMAGES.parents[1])}  {image.stat().st_size / 1000:.0f} kB")  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main())
