"""What is published equals the document made anew, to the byte, whatever was kept and however long ago it was made."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import TYPE_CHECKING, get_args

import msgspec
import pytest

from stream.contract.overlay import ClaimKind, WithheldReason
from stream.core import publishing
from stream.core.rules import Rules
from stream.core.snapshot import document_of, overlay_of
from tests.support.events import Log, at, cart, closed, enter, extended, leave, like, opened, order, restocked
from tests.support.rooms import restarted

if TYPE_CHECKING:
    from stream.contract.events import RoomEvent
    from stream.core.counters import Reason
    from stream.core.room import Room
    from stream.core.snapshot import Moment

encode = msgspec.json.Encoder().encode
# Every bound and every threshold is crossed within a minute.
TIGHT = Rules(
    distinct_exact_max=8,
    hold_ms=25_000,
    remember_orders_ms=20_000,
    sales_per_room_max=4,
    velocity_min_units=2,
    demand_min_carters=1,
    last_call_ms=9_000,
    bought_window_ms=20_000,
    bought_min_orders=1,
    in_carts_min=1,
    watching_min=2,
    ends_in_max_ms=15_000,
    suspect_unpaid_orders=4,
    urgency_fall_after_ms=2_000,
    products_max=2,
)

SECOND = msgspec.structs.replace(TIGHT, signals_edition=2, leaves_min=1, leaves_share_min=0.1, leaves_missing_max=1_000)


class Compared:
    """Stands where the partition makes documents."""

    def __init__(self) -> None:
        self.documents = 0
        self.kept = 0
        self.claims: Counter[str] = Counter()
        self.withheld: Counter[Reason] = Counter()

    def __call__(self, room: Room, moment: Moment, withheld: Counter[Reason] | None) -> bytes:
        before = [room.sale_json.get(key) for key in room.ledgers]
        found = document_of(room, moment, withheld)
        ledgers = [*room.ledgers.values()]
        forecasts = [ledger.forecast for ledger in ledgers]
        for ledger in ledgers:
            ledger.forecast = None
        anew = overlay_of(room, moment)
        assert found == encode(anew)
        for ledger, forecast in zip(ledgers, forecasts, strict=True):
            ledger.forecast = forecast
        self.documents += 1
        after = [room.sale_json.get(key) for key in room.ledgers]
        self.kept += sum(shown is not None and shown is kept for shown, kept in zip(before, after, strict=True))
        self.claims.update(claim.claim for claim in anew.claims)
        if withheld is not None:
            self.withheld.update((each.claim, each.reason) for each in anew.withheld)
        return found


def event(random: Random, s: float, number: int) -> RoomEvent:  # noqa: PLR0911 — one for each kind
    """Something in a room in which much is bought."""
    user, sale, sku = f"u{random.randrange(60)}", f"s{random.randrange(3)}", f"k{random.randrange(2)}"
    late = s - random.choice([0, 0, 0, 0.3, 2.5])
    kinds = ("order", "paid", "cart", "enter", "leave", "like", "opened", "restocked", "extended", "closed")
    match random.choices(kinds, (50, 25, 20, 10, 4, 3, 4, 2, 2, 1))[0]:
        case "order":
            status = random.choice(["placed"] * 8 + ["cancelled", "refunded"])
            return order(status, f"o{number}", user, random.randrange(1, 4), sale=sale, sku=sku, s=late)
        case "paid":
            again = max(0, number - random.randrange(40))
            return order("paid", f"o{again}", user, random.randrange(1, 4), sale=sale, sku=sku, s=late)
        case "cart":
            return cart(user, sale, sku, s=late)
        case "enter":
            return enter(user, s=late)
        case "leave":
            return leave(user, s=late)
        case "like":
            return like(user, s=late)
        case "opened":
            starts_s = s + random.choice([-5, 0, 0, 7.25])
            ends_s = random.choice([None, s + 8.4, s + 30, s + 4_000])
            restock_s = random.choice([None] * 8 + [s + 6.3])
            offered = random.choice([20, 150, 500, 900])
            sale = random.choice(["s1", "s2"])
            return opened(offered, sale, sku, starts_s=starts_s, ends_s=ends_s, limit=4, restock_s=restock_s, s=late)
        case "restocked":
            return restocked(30, sale, sku, next_s=random.choice([None, s + 3.1]), s=late)
        case "extended":
            return extended(s + random.choice([9.5, 40]), sale, s=late)
    return closed(random.choice(["s1", "s2"]), s=late)


def run(seed: int, rules: Rules) -> None:
    """A room in a rush and then in silence; documents are made at odd moments, fresh ones and stale ones."""
    random = Random(seed)
    log, s, saved = Log(rules), 0.0, dict[bytes, bytes | None]()
    log.add(opened(300, "s0", "k0", ends_s=None), opened(700, "s0", "k1", ends_s=4_000), append_s=s)
    # Nobody speaks of this one again: where a sale is opened again and again, rounds end before all is paid.
    log.add(opened(3, "s3", "k0", ends_s=None), order("paid", "first", "u1", 3, sale="s3", sku="k0"), append_s=s)
    for number in range(600):
        rush = number < 350
        if rush and random.random() < 0.8:
            log.add(event(random, s, number), append_s=s)
        elif not rush and random.random() < 0.15:
            user, sale = f"u{random.randrange(60)}", random.choice(["s0", "s1"])
            starts_s, ends_s = s + random.choice([-1, 0.65]), s + random.choice([4, 2.5, 4_000])
            log.add(
                cart(user, sale, "k0", s=s)
                if random.random() < 0.7
                else opened(random.choice([9, 90]), sale, "k0", starts_s=starts_s, ends_s=ends_s, s=s),
                append_s=s,
            )
        if random.random() < 0.5:
            s = round(s + random.choice([0.001, 0.007, 0.1, 0.1, 0.1, 0.4, 1, 1.7]), 3)
            log.tick(s)
            for end_s in random.choice([(), (), (int(s) + 0.998, int(s) + 0.999)]):
                log.fold.publish(None, 7, everything=True)
                log.tick(s := max(s, end_s))
        if random.random() < 0.4:
            wall_ms = at(s) + random.choice([0, 40, 40, 40, 3_500])
            log.fold.publish(random.choice([None, wall_ms]), 7, everything=True)
        if random.random() < 0.02:
            log.fold.cut(7)
        if random.random() < 0.004:
            log.fold = restarted(log.fold, saved, rules)


def run_steadily(seed: int) -> None:
    """Ten units a second of one sale, some of which come back, with a restock and restarts: there is a forecast."""
    random = Random(seed)
    rules = msgspec.structs.replace(SECOND, hold_ms=60_000, remember_orders_ms=600_000, suspect_share_max=1.0)
    log, saved = Log(rules), dict[bytes, bytes | None]()
    log.add(opened(420, "s0", "k0", ends_s=None), append_s=0)
    for number in range(420):
        s = round(0.1 * number, 3)
        log.add(order("paid", f"o{number}", f"u{number}", 1, sale="s0", sku="k0", s=s), append_s=s)
        if random.random() < 0.05:
            log.add(order("refunded", f"o{number}", f"u{number}", 1, sale="s0", sku="k0", s=s), append_s=s)
        if number == 380:
            log.add(restocked(100, "s0", "k0", s=s), append_s=s)
        if random.random() < 0.5:
            log.tick(s)
            log.fold.publish(None, 7, everything=True)
        if random.random() < 0.02:
            log.fold = restarted(log.fold, saved, rules)


@pytest.mark.parametrize("seed", range(4))
def test_a_forecast_is_kept_for_its_second(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    compared = Compared()
    monkeypatch.setattr(publishing, "document_of", compared)
    run_steadily(seed)
    assert compared.claims["eta_sellout"] > 20
    assert compared.withheld["eta_sellout", "sample_too_small"] > 20


@pytest.mark.parametrize("rules", [Rules(), TIGHT, SECOND], ids=["default", "tight", "second"])
@pytest.mark.parametrize("seed", range(16))
def test_what_is_kept_says_the_same_as_what_is_made_anew(
    seed: int, rules: Rules, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared = Compared()
    monkeypatch.setattr(publishing, "document_of", compared)
    run(seed, rules)
    assert compared.documents > 100
    assert compared.kept > 100


def test_these_runs_make_every_claim(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = Compared()
    monkeypatch.setattr(publishing, "document_of", compared)
    for seed in range(2):
        run(seed, SECOND)
        run(seed, msgspec.structs.replace(SECOND, suspect_unpaid_orders=20))
        run(seed, msgspec.structs.replace(SECOND, suspect_unpaid_orders=20, hold_ms=2_000))
    run_steadily(0)
    assert compared.claims.keys() == set(get_args(ClaimKind))
    reasons = {reason for _, reason in compared.withheld}
    assert len(reasons) >= 5, set(get_args(WithheldReason)) - reasons


def test_reasons_are_counted_as_they_are_published(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = Compared()
    monkeypatch.setattr(publishing, "document_of", compared)
    random, log = Random(1), Log(TIGHT)
    for number in range(300):
        log.add(event(random, number / 10, number))
        log.tick(number / 10 + 0.05)
        log.fold.publish(at(number / 10), 7, everything=True)
    assert log.fold.counters.withheld == compared.withheld
    assert len(compared.withheld) > 8
