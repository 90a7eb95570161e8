"""One SKU of one sale as of a moment: status, pace, forecast, and the level of urgency that follows from them.

Levels move on whole seconds of the partition's clock, each as of the end of the second just gone, whether or not
anybody looks: so a level is a function of the log and the clock, not of how often documents are made. A document shows
the level as it stands; only where the sale itself has changed meanwhile (it opened, sold out, was restocked, ended)
does it show what the next whole second will find.
"""

from __future__ import annotations

from itertools import repeat
from typing import TYPE_CHECKING

from msgspec import Struct

from stream.contract.overlay import (
    Count,
    EtaSellout,
    FormerRounds,
    Restock,
    Sale,
    SaleCorrection,
    SaleStatus,
    Suspicion,
    Urgency,
    Velocity,
)
from stream.core.distinct import ERROR_95
from stream.core.eta import COVERAGE, Pace, pace_of
from stream.core.forecast import (
    BLOCK_S,
    MAX_DUE,
    MAX_RETURNING,
    MEMORY_S,
    PAST_S,
    Forecast,
    Silence,
    forecast,
    is_just_restocked,
)
from stream.core.ledger import RECENT_BUCKETS
from stream.core.purchases import is_bought, is_doubtful
from stream.core.suspects import SUSPICION_RULES
from stream.core.time import BUCKET_MS
from stream.core.urgency import SaleFigures, UrgencyState, agrees
from stream.core.words import CORRECTIONS_SHOWN

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stream.core.ledger import Ledger
    from stream.core.room import Room
    from stream.core.rules import Rules


class SaleReading(Struct, gc=False):
    """What is seen of a ledger at one moment. `pace`: what the forecast rests on. `silence`: why there is none.

    `is_bought`: whether people buy. `is_doubtful`: what is left may not be said, so no level rests on it either. Under
    the first edition nobody asked.
    """

    status: SaleStatus
    ends_at_ms: int | None
    extended: bool
    available: int | None
    velocity: Velocity
    pace: Pace | Forecast | None
    eta: EtaSellout | None
    carters: Count
    is_bought: bool = True
    is_doubtful: bool = False
    all_taken: bool = False
    silence: Silence | None = None
    corrections: tuple[SaleCorrection, ...] = ()
    prior_price_minor: int | None = None
    last_restock: Restock | None = None

    def basis(self) -> Forecast | Silence | None:
        """What the claim of the forecast rests on, or why it is not made. None: under the first edition."""
        return self.pace if self.silence is None and isinstance(self.pace, Forecast) else self.silence

    def figures(self, now_ms: int, baseline: float, rules: Rules) -> SaleFigures:
        """What the rules of urgency make of it; `baseline` is the room's own, of the same moment."""
        velocity, available, eta = self.velocity, self.available, self.eta
        if self.is_doubtful:
            available, eta = (0 if available == 0 else None), None
        return SaleFigures(
            self.status,
            available == 0,
            velocity.units / baseline if velocity.units >= rules.velocity_min_units else None,
            self.carters.value / available if available and self.carters.value >= rules.demand_min_carters else None,
            None if eta is None else (eta.low + eta.high) / 2_000,
            None if self.ends_at_ms is None else self.ends_at_ms - now_ms,
            self.is_bought,
            self.all_taken,
        )


def read_sale(room: Room, ledger: Ledger, now_ms: int) -> SaleReading:
    """One ledger as of a moment."""
    rules = room.rules
    window_ms, second = rules.velocity_window_ms, rules.second_signals
    status, ends_at_ms, extended = room.status_of(ledger, now_ms)
    left, recent = ledger.available, ledger.recent_units(now_ms // BUCKET_MS)
    pace: Pace | Forecast | None = None
    silence: Silence | None = "sample_too_small" if second else None
    doubtful = second and is_doubtful(room, ledger, now_ms)
    if doubtful:
        silence = "forecast_not_calibrated"
    elif status == "open" and second:
        found = forecast_at(ledger, now_ms, rules)
        pace, silence = (found, None) if isinstance(found, Forecast) else (None, found)
    elif status == "open":
        pace = pace_at(ledger, recent, now_ms)
    eta = None if pace is None else eta_at(pace, now_ms)
    if second and pace is not None and eta is None:
        silence = "forecast_not_calibrated"  # its time is up, and something is left
    return SaleReading(
        status,
        ends_at_ms,
        extended,
        None if left is None else max(0, left),
        Velocity(sum(recent[-(window_ms // BUCKET_MS) :]), window_ms),
        pace,
        eta,
        carters_of(ledger, now_ms, second=second),
        not second or is_bought(ledger, recent, now_ms, rules),
        doubtful,
        # Under the first edition this was sold out, too.
        second and left is not None and left <= 0 < ledger.held - ledger.former[0],
        silence,
        () if (told := room.told_of(ledger)) is None else told.corrections,
        ledger.opened.prior_price_minor if second and ledger.opened is not None else None,
        None if not second or (restock := ledger.last_restock) is None else Restock(*restock),
    )


def sale_of(ledger: Ledger, reading: SaleReading, urgency: Urgency) -> Sale:
    """One ledger as the overlay shows it."""
    opened, left = ledger.opened, ledger.available
    restocked, (held, sold, gone) = ledger.restocked - ledger.restocked_before, ledger.former
    held, sold, gone = ledger.held - held, ledger.sold - sold, ledger.gone - gone
    total = None if opened is None else opened.offered + restocked
    return Sale(
        ledger.sale_id,
        ledger.sku_id,
        reading.status,
        None if opened is None else opened.starts_at_ms,
        reading.ends_at_ms,
        reading.extended,
        ledger.offered,
        restocked,
        reading.available,
        held,
        sold,
        0 if left is None else max(0, -left),
        ledger.over_limit,
        ledger.released,
        round(sold / total, 4) if total else None,
        reading.carters,
        ledger.suspect_held,
        reading.velocity,
        reading.eta,
        ledger.restock_planned[1] if ledger.restock_planned[1] >= 0 else None,
        None if opened is None else opened.price_minor,
        None if opened is None else opened.list_price_minor,
        None if opened is None else opened.currency,
        urgency,
        [Suspicion(SUSPICION_RULES[place], *ledger.suspicions[place]) for place in sorted(ledger.suspicions)],
        gone,
        [*reading.corrections[-CORRECTIONS_SHOWN:]],
        None if ledger.rounds == 1 else FormerRounds(ledger.rounds - 1, ledger.restocked_before, *ledger.former),
        reading.prior_price_minor,
        reading.last_restock,
    )


def carters_of(ledger: Ledger, now_ms: int, *, second: bool) -> Count:
    """How many people have it in the cart and no order of it; from the second edition on those who may still buy."""
    if not second:
        if ledger.carters.exact:
            return Count(ledger.carters_without_order, "exact")
        return Count(ledger.carters_without_order, "sketch", ERROR_95)
    carts = ledger.carts
    if carts is None:
        return Count(0, "exact")
    carts.advance(now_ms)
    return carts.published()


def pace_at(ledger: Ledger, recent: Sequence[int], now_ms: int) -> Pace | None:
    """What the forecast of an open sale rests on, from its `recent_units`.

    The same until the ledger or the second changes; one moment of a second stands for itself: its last millisecond,
    when the newest bucket is over.
    """
    available = ledger.available
    if available is None or available <= 0 or not recent:
        return None
    # The buckets begin with the sale: seconds before it opened are not seconds in which nobody bought.
    opened_bucket = 0 if ledger.opened is None else ledger.opened.starts_at_ms // BUCKET_MS
    before = max(0, opened_bucket - (now_ms // BUCKET_MS - RECENT_BUCKETS + 1))
    return pace_of(available, recent[before:], whole=now_ms % BUCKET_MS == BUCKET_MS - 1)


def forecast_at(ledger: Ledger, now_ms: int, rules: Rules) -> Forecast | Silence:
    """The forecast of an open sale under the second edition, or why there is none.

    Of the beginning of the present second: it is kept until what it saw changes. What is due is looked up each time.
    """
    if ledger.opened is None or not ledger.available or ledger.available < 0:
        return "sample_too_small"
    second = now_ms // BUCKET_MS
    kept = ledger.forecast
    if kept is not None and kept[0] == second:
        found = kept[1]
    else:
        since = max(ledger.opened.starts_at_ms, ledger.restocked_ms) // BUCKET_MS
        left, made_ms = _available_at(ledger, second), second * BUCKET_MS
        found = forecast(left, *_seen(ledger, since, second), made_ms, _past(ledger, since, second))
        ledger.forecast = second, found
    if not isinstance(found, Forecast):
        return found
    if is_just_restocked(second, ledger.opened.starts_at_ms // BUCKET_MS, ledger.restocked_ms // BUCKET_MS):
        return "forecast_not_calibrated"
    # Where so much of all that was ever taken came back, what is taken now says little.
    unsteady = ledger.released > MAX_RETURNING * (ledger.held + ledger.sold + ledger.released)
    if unsteady or due_units(ledger, found, rules) > MAX_DUE * found.available:
        return "forecast_not_calibrated"
    return found


def due_units(ledger: Ledger, made: Forecast, rules: Rules) -> int:
    """Units whose holds run out before the forecast's end, in its second and in the next half of a hold at most.

    Who has not paid in the first half of a hold hardly ever pays; of younger holds nobody knows.
    """
    second = made.made_ms // BUCKET_MS
    ahead = min(made.high_ms // BUCKET_MS + 1, rules.hold_ms // (2 * BUCKET_MS))
    return sum(map(ledger.due.get, range(second, second + ahead), repeat(0)))


def _seen(ledger: Ledger, since: int, second: int) -> tuple[list[int], list[int]]:
    """Units taken, and units that came back, in each second from `since` on to before `second`, oldest first."""
    seconds = range(max(since, second - MEMORY_S), second)
    taken = [*map(ledger.taken.get, seconds, repeat(0))]
    return taken, [*map(ledger.returned.get, seconds, repeat(0))] if ledger.returned else [0] * len(taken)


def _past(ledger: Ledger, since: int, second: int) -> list[int]:
    """Units taken in each whole block of seconds from `since` on to before `second`, oldest first.

    Never below 0: what older workers counted is not there, and may be taken away when it looks fake.
    """
    blocks = range(-(-max(since, second - PAST_S) // BLOCK_S), second // BLOCK_S)
    return [max(0, units) for units in map(ledger.blocks.get, blocks, repeat(0))]


def _available_at(ledger: Ledger, second: int) -> int:
    """Units left at the beginning of a second, but for what suspects did in it."""
    since = sum([units for bucket, units in ledger.taken.items() if bucket >= second])
    since -= sum([units for bucket, units in ledger.returned.items() if bucket >= second])
    return (ledger.available or 0) + since


def eta_at(pace: Pace | Forecast, now_ms: int) -> EtaSellout | None:
    """The forecast, as of a moment in the second of its pace."""
    if isinstance(pace, Forecast):
        found = pace.at(now_ms)
    else:
        found = pace.sellout((now_ms % BUCKET_MS + 1) / BUCKET_MS, BUCKET_MS)
    return None if found is None else EtaSellout(found[0], found[1], COVERAGE)


def baseline_units(room: Room, now_ms: int) -> float:
    """The room's own pace: net units of one velocity window, averaged over the longest tally window before this one."""
    tally, rules = room.unit_tally, room.rules
    window_ms = rules.velocity_window_ms
    bucket = now_ms // BUCKET_MS
    recent = sum([tally.counts.get(bucket - age, 0) for age in range(window_ms // BUCKET_MS)])
    span_ms = min(now_ms - room.first_unit_ms, 1_800_000) - window_ms if room.first_unit_ms >= 0 else 0
    if span_ms < window_ms:
        return rules.baseline_floor_units
    return max(rules.baseline_floor_units, (tally.total_2 - recent) * window_ms / span_ms)


# -- urgency -----------------------------------------------------------------------------------------------------------
def awake_ms(rules: Rules) -> int:
    """For how long after its last event the levels of a room can move by time alone.

    Velocity and forecast look back so far, a fall takes so long; later only the start and the end of a sale move one.
    """
    looks_back_ms = max(rules.velocity_window_ms, RECENT_BUCKETS * BUCKET_MS)
    if rules.second_signals:
        looks_back_ms = max(looks_back_ms, rules.purchases_window_ms, MEMORY_S * BUCKET_MS)
    return looks_back_ms + rules.urgency_fall_after_ms + 2 * BUCKET_MS


def move_urgencies(room: Room, second_ms: int) -> bool:
    """Move every level of a room as of the end of the second that begins at `second_ms`.

    A level's `since_ms` is the beginning of that second. Returns whether anything is to be remembered.
    """
    rules, now_ms = room.rules, second_ms + BUCKET_MS - 1
    room.unseen.look()
    room.unit_tally.advance(now_ms // BUCKET_MS)
    baseline = baseline_units(room, now_ms)
    moved = False
    for key, ledger in room.ledgers.items():
        urgency = room.urgencies.get(key)
        if urgency is None:
            urgency = room.urgencies[key] = UrgencyState(since_ms=second_ms)
            moved = True
        if urgency.update(read_sale(room, ledger, now_ms).figures(now_ms, baseline, rules), second_ms, rules):
            ledger.version += 1
            moved = True
    return moved


def level_now(room: Room, ledger: Ledger, reading: SaleReading, now_ms: int) -> UrgencyState:
    """The level that a document of this moment shows; nothing is moved."""
    urgency = room.urgencies.get((ledger.sale_id, ledger.sku_id))
    if urgency is not None and agrees(
        urgency.level, reading.status, sold_out=reading.available == 0, all_taken=reading.all_taken
    ):
        return urgency
    second_ms = now_ms // BUCKET_MS * BUCKET_MS
    urgency = UrgencyState(since_ms=second_ms) if urgency is None else urgency.copy()
    urgency.update(reading.figures(now_ms, baseline_units(room, now_ms), room.rules), second_ms, room.rules)
    return urgency


def next_status_ms(room: Room, after_ms: int) -> int | None:
    """The next moment at which the clock alone may change a status or a level of one of the room's sales.

    While the room sleeps: nothing was bought in it lately.
    """
    return min((moment for moment in _status_moments(room) if moment > after_ms), default=None)


def _status_moments(room: Room) -> Iterator[int]:
    for ledger in room.ledgers.values():
        yield from _moments_of(room, ledger)
    if room.rules.second_signals:
        for urgency in room.urgencies.values():
            if urgency.below_since_ms >= 0:
                yield urgency.below_since_ms + room.rules.urgency_fall_after_ms
    for terms in room.terms.values():
        yield terms.extended_to_ms
        yield terms.closed_at_ms


def _moments_of(room: Room, ledger: Ledger) -> Iterator[int]:
    if ledger.opened is not None:
        yield ledger.opened.starts_at_ms
        if ledger.opened.ends_at_ms is not None:
            yield ledger.opened.ends_at_ms
    if (told := room.told_of(ledger)) is not None:
        yield told.ends_at_ms
        yield told.closed_at_ms
        yield ledger.restock_planned[1]
        if ledger.carts is not None:
            yield ledger.carts.next_ms()
