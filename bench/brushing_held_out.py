"""Kinds of attacks that the rules of suspicion were not set on: written before anything was measured, measured last."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.brushing_attacks import Fakes


def slow_drip(fakes: Fakes) -> None:
    """A ring of accounts trickles unpaid orders over the whole sale, each now and then; few of them look in."""
    rng, target = fakes.rng, fakes.target
    every_ms = rng.uniform(25_000, 60_000)
    shows_up = rng.uniform(0.0, 0.1)
    for account in range(max(6, target.orders // rng.randint(18, 30))):
        if rng.random() < shows_up:
            fakes.enter(f"d{account}", rng.uniform(0, target.opens_ms))
        at_ms = target.opens_ms + rng.uniform(0, every_ms)
        while at_ms < target.until_ms:
            fakes.order(f"d{account}", at_ms)
            at_ms += rng.expovariate(1 / every_ms)


def phone_farm(fakes: Fakes) -> None:
    """A few devices with many accounts each, which come, chat, and mostly pay."""
    rng, target = fakes.rng, fakes.target
    pays = rng.uniform(0.5, 1.0)
    for device in range(rng.randint(2, 5)):
        accounts = max(6, target.orders // rng.randint(20, 40))
        for account in range(accounts):
            user_id, at_ms = f"f{device}-{account}", fakes.moment()
            fakes.enter(user_id, at_ms - rng.uniform(3_000, 30_000))
            if rng.random() < 0.4:
                fakes.chat(user_id, at_ms - 1_500)
            for _ in range(rng.choice((1, 1, 2, 3))):
                paid_after_ms = rng.uniform(1_500, 20_000) if rng.random() < pays else None
                fakes.order(user_id, at_ms, paid_after_ms=paid_after_ms, device_id=f"phone-{device}")
                at_ms += rng.uniform(2_000, 15_000)


def buy_and_refund(fakes: Fakes) -> None:
    """A few accounts pay for order after order, and have each refunded within two minutes."""
    rng, target = fakes.rng, fakes.target
    for account in range(max(3, target.orders // rng.randint(40, 80))):
        fakes.enter(f"r{account}", rng.uniform(0, target.opens_ms))
        at_ms = fakes.moment()
        for _ in range(rng.randint(4, 14)):
            paid_after_ms = rng.uniform(1_000, 6_000)
            undone_after_ms = paid_after_ms + rng.uniform(5_000, 110_000)
            fakes.order(f"r{account}", at_ms, paid_after_ms=paid_after_ms, undone_after_ms=undone_after_ms)
            at_ms += rng.uniform(4_000, 25_000)


def before_the_drop(fakes: Fakes) -> None:
    """Unpaid orders in the last seconds before the sale opens and its first ones: the sale begins half gone."""
    rng, target = fakes.rng, fakes.target
    seconds = rng.uniform(6_000, 20_000)
    in_the_room = rng.random() < 0.5
    for account in range(max(3, target.orders // rng.randint(40, 70))):
        if in_the_room:
            fakes.enter(f"b{account}", rng.uniform(0, target.opens_ms - 1_000))
        for _ in range(rng.randint(5, 15)):
            fakes.order(f"b{account}", target.opens_ms - seconds * rng.uniform(-0.5, 1))


def on_the_minute(fakes: Fakes) -> None:
    """Accounts that come, chat and like as others do, and each buy again at the same second of every minute or so."""
    rng, target = fakes.rng, fakes.target
    every_ms = rng.uniform(15_000, 40_000)
    pays = rng.uniform(0.6, 1.0)
    accounts = [f"m{account}" for account in range(max(4, target.orders // rng.randint(40, 70)))]
    for user_id in accounts:
        fakes.enter(user_id, rng.uniform(0, target.opens_ms))
    at_ms = target.opens_ms + rng.uniform(0, every_ms)
    while at_ms < target.until_ms:
        for user_id in accounts:
            if rng.random() < 0.5:
                fakes.chat(user_id, at_ms - rng.uniform(1_000, 10_000))
            if rng.random() < 0.95:
                paid_after_ms = rng.uniform(1_000, 9_000) if rng.random() < pays else None
                fakes.order(user_id, at_ms + rng.uniform(0, 900), paid_after_ms=paid_after_ms)
        at_ms += every_ms


HELD_OUT = {each.__name__: each for each in (slow_drip, phone_farm, buy_and_refund, before_the_drop, on_the_minute)}
