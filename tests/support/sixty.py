"""Sixty products on sale in one room, each bought by somebody every second: the documents, as a worker makes them.

And such documents with the figures of two hundred products, the most that a session keeps.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import msgspec

from stream.contract.overlay import Count, Money, ProductTotals
from stream.core.rules import Rules
from tests.support.events import Log, at, cart, enter, opened, order

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SKUS = 60
BUYERS_A_STEP = 8
STEP_S = 0.1
# Until the windows are filled.
WARM_STEPS = 100
# Beyond these a product's people are estimated.
EXACT_PEOPLE_MAX = 4_096


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


def with_products(documents: Iterable[bytes], rows: int = 200, seed: int = 1) -> Iterator[bytes]:
    """The same documents, each with the figures of so many products.

    Of each product other people came, in numbers of a large room. From one document to the next `BUYERS_A_STEP` of them
    are bought, those on sale in the room as often as the others.
    """
    random = Random(seed)
    shown = [_product(number, random) for number in range(rows)]
    for document in documents:
        for number in random.choices(range(rows), k=BUYERS_A_STEP):
            shown[number].payers.value += 1
            shown[number].money[0].gmv_paid_minor += 1_000
        yield b'%b,"products":%b}' % (document[:-1], msgspec.json.encode(shown))


def _product(number: int, random: Random) -> ProductTotals:
    clickers = random.randrange(1_000, 50_000)
    carters, payers = clickers // random.randint(2, 9), clickers // random.randint(10, 30)
    paid_minor = payers * random.randrange(10, 900) * 100
    money = Money("CNY", paid_minor * 11 // 10, paid_minor, paid_minor * 9 // 10)
    return ProductTotals(f"sku-{number:03d}", _people(clickers), _people(carters), _people(payers), [money])


def _people(number: int) -> Count:
    return Count(number, "exact") if number <= EXACT_PEOPLE_MAX else Count(number, "sketch", 0.0165)
