"""Sixty products on sale in one room, each bought by somebody every second: the documents, as a worker makes them."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from stream.core.rules import Rules
from tests.support.events import Log, at, cart, enter, opened, order

if TYPE_CHECKING:
    from collections.abc import Iterator

SKUS = 60
BUYERS_A_STEP = 8
STEP_S = 0.1
# Until the windows are filled.
WARM_STEPS = 100


def documents(count: int, seed: int = 1) -> Iterator[bytes]:
    """The documents that follow each other at ten a second, the pace of a busy room."""
    random, log = Random(seed), Log(Rules(signals_edition=2))
    for number in range(SKUS):
        log.add(opened(1_000, f"s{number}", f"sku-{number:03d}", ends_s=3_000))
    buyer = 0
    for step in range(WARM_STEPS + count):
        s = (step + 1) * STEP_S
        for _ in range(BUYERS_A_STEP):
            buyer += 1
            number = random.randrange(SKUS)
            user, sale, sku = f"u{buyer:06d}", f"s{number}", f"sku-{number:03d}"
            log.add(enter(user, s=s), cart(user, sale=sale, sku=sku, s=s))
            for status in ("placed", "paid"):
                log.add(order(status, f"o{buyer}", user, sale=sale, sku=sku, amount=1_000, s=s))
        log.tick(s)
        if step >= WARM_STEPS:
            (published,) = log.fold.publish(at(s), 1, everything=True)
            yield published.document
