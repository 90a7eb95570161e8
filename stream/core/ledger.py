"""The ledger of a flash sale: one SKU of one sale.

A ledger, not a counter: `offered + restocked = available + held + sold + gone` at every moment. `orders.py` moves it by
what an order contributes.
"""

from __future__ import annotations

from itertools import repeat
from typing import TYPE_CHECKING

from stream.core.distinct import Distinct
from stream.core.forecast import BLOCK_S, MEMORY_S, PAST_S
from stream.core.order_state import one_of_equal
from stream.core.suspects import counts_under
from stream.core.terms import SaleTerms, own_terms_key
from stream.core.words import FIRST_ROUND, Told, Words, opening, rounds_of, told, with_word

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stream.contract.events import SaleOpened
    from stream.core.carts import Carts
    from stream.core.forecast import Forecast, Silence
    from stream.core.order_state import OrderState

BOUGHT_BUCKET_MS = 10_000
RECENT_BUCKETS = 30
NO_UNITS = (0, 0)
# This many restocks are told apart by their round; older ones count as of former rounds.
RESTOCKS_MAX = 64
# Event time, event id, units; in this order.
Restocks = tuple[tuple[int, str, int], ...]


class Ledger:
    """One SKU of one sale: what was offered, what is held, what is sold, and to whom.

    Whatever changes a figure that documents show counts `version` up. What documents keep of a ledger holds for one
    version.
    """

    __slots__ = (
        "_told",
        "blocks",
        "bought",
        "carters",
        "carters_with_order",
        "carts",
        "due",
        "forecast",
        "former",
        "gone",
        "held",
        "limit",
        "opened",
        "opened_rank",
        "over_limit",
        "own_terms",
        "paid_second",
        "recent",
        "released",
        "restock_planned",
        "restocked",
        "restocked_ms",
        "restocks",
        "returned",
        "round_from_ms",
        "rounds",
        "said_ms",
        "sale_id",
        "sku_id",
        "sold",
        "suspect_held",
        "suspicions",
        "taken",
        "users",
        "version",
        "words",
    )

    def __init__(self, sale_id: str, sku_id: str, exact_max: int) -> None:
        self.sale_id = sale_id
        self.sku_id = sku_id
        self.own_terms = own_terms_key(sale_id, sku_id)
        self.opened: SaleOpened | None = None
        self.restocked = 0
        self.restock_planned: tuple[int, int] = (-1, -1)  # (event time that said so, planned moment)
        self.held = 0
        self.sold = 0
        self.released = 0
        self.gone = 0  # of orders that were undone, and came back neither into the sale nor to a buyer
        self.over_limit = 0
        self.suspect_held = 0  # from the second edition on also those that are sold
        self.suspicions: dict[int, list[int]] = {}  # place of the rule → [orders, units], held or sold
        self.limit: int | None = None
        self.users: dict[str, tuple[int, int]] = {}  # user → (held, sold)
        self.version = 0
        self.carters = Distinct(exact_max)
        self.carters_with_order = 0
        self.carts: Carts | None = None  # from the second edition of signals on, once somebody has carted it
        self.recent: dict[int, int] = {}  # 1 s bucket → net units committed
        # What the forecast looks at: 1 s bucket → gross units taken, units that came back.
        self.taken: dict[int, int] = {}
        self.returned: dict[int, int] = {}
        self.blocks: dict[int, int] = {}  # 5 s bucket → gross units taken, for longer
        self.restocked_ms = -1  # when it was last restocked
        self.due: dict[int, int] = {}  # second in which their holds run out → units held
        self.forecast: tuple[int, Forecast | Silence] | None = None  # of a second, until what it saw changes
        self.bought: dict[int, list[int]] = {}  # 10 s bucket → [net units sold, orders]
        self.paid_second = -1  # the latest one in which some of it was paid for
        self.said_ms = -1  # when a host last said something of it, by the partition's clock
        self.words: Words = ()  # from the second edition on: its openings
        self.rounds, self.round_from_ms = FIRST_ROUND
        self.former = [0, 0, 0]  # units of orders of former rounds: held, sold, gone
        self.restocks: Restocks = ()  # the newest ones
        self._told: tuple[Words, Words, Words, Told] | None = None

    # -- what the host says -----------------------------------------------------------------------------------------
    def open(self, event: SaleOpened, *, in_rounds: bool = False) -> bool:
        """The terms. Of several, the one said last (event time, then id) holds. Returns whether it did.

        `in_rounds`: from the second edition on it may begin another round.
        """
        self.version += 1
        self.forecast = None
        # A plan is a word about the next restock, not a term: it counts whichever opening said it.
        if event.restock_planned_at_ms is not None:
            self.plan_restock(event.event_time_ms, event.restock_planned_at_ms)
        self.words = with_word(self.words, opening(event))
        if in_rounds:
            self.rounds, self.round_from_ms = rounds_of(self.words)
        if self.opened is not None and _rank(event) <= _rank(self.opened):
            return False
        self.opened = event
        self._set_limit(event.per_user_limit)
        return True

    def restock(
        self, quantity: int, event_time_ms: int, planned_at_ms: int | None, at_ms: int = -1, event_id: str = ""
    ) -> None:
        """More units; and perhaps the moment of the next ones. A restock fulfils the plan made before it.

        `at_ms`: when it counts. The forecast begins anew.
        """
        self.version += 1
        self.forecast = None
        self.restocked += quantity
        self.restocks = tuple(sorted((*self.restocks, (event_time_ms, event_id, quantity)))[-RESTOCKS_MAX:])
        self.restocked_ms = max(self.restocked_ms, at_ms)
        self.plan_restock(event_time_ms, -1 if planned_at_ms is None else planned_at_ms)

    def plan_restock(self, event_time_ms: int, planned_at_ms: int) -> None:
        """The latest word about the next restock holds."""
        self.restock_planned = max(self.restock_planned, (event_time_ms, planned_at_ms))

    def _set_limit(self, limit: int | None) -> None:
        self.limit = limit
        self.over_limit = sum(self._over(held + sold) for held, sold in self.users.values())

    def _over(self, units: int) -> int:
        return 0 if self.limit is None or units <= self.limit else units - self.limit

    # -- what orders do ---------------------------------------------------------------------------------------------
    def move(
        self,
        user_id: str | None,
        held: int,
        sold: int,
        bucket: int,
        *,
        suspect: bool,
        gone: int = 0,
        paced: bool = True,
        orders: int | None = None,
    ) -> None:
        """Change one user's held and sold units; `bucket` is the second in which it happened.

        Units of a user whose orders look fake still count here, but not in the velocity. Those of None, whom nobody
        knows, count for no limit. What is `gone` instead of sold has not come back. Not `paced`: they are of a former
        round, which this one's pace does not know. `orders`: how many more are paid; None: one, or one less.
        """
        kept = self.forecast
        self.commit(user_id, held, sold, gone)
        if suspect:
            self.suspect_held += held
        net = held + sold + gone if paced else 0
        if net and not suspect:
            self.recent[bucket] = self.recent.get(bucket, 0) + net
            if net > 0:
                self._take(bucket, net)
            else:
                self.returned[bucket] = self.returned.get(bucket, 0) - net
        # A forecast saw the seconds before its own, and what was left when that began: so nothing of this.
        if kept is not None and (not net or (not suspect and bucket >= kept[0])):
            self.forecast = kept
        if sold:
            bought = self.bought.setdefault(bucket * 1_000 // BOUGHT_BUCKET_MS, [0, 0])
            bought[0] += sold
            bought[1] += (1 if sold > 0 else -1) if orders is None else orders
            if sold > 0 and bucket > self.paid_second:
                self.paid_second = bucket

    def _take(self, second: int, units: int) -> None:
        self.taken[second] = self.taken.get(second, 0) + units
        block = second // BLOCK_S
        self.blocks[block] = self.blocks.get(block, 0) + units

    def commit(self, user_id: str | None, held: int, sold: int, gone: int = 0) -> None:
        """Change one user's held and sold units; what is said of the pace does not change."""
        self.version += 1
        self.forecast = None
        self.held += held
        self.sold += sold
        self.gone += gone
        if user_id is not None:
            before, after = self.add_units(user_id, held, sold)
            if self.limit is not None:
                self.over_limit += self._over(after) - self._over(before)
            if (before > 0) != (after > 0):
                if user_id in self.carters:
                    self.carters_with_order += 1 if after > 0 else -1
                if self.carts is not None:
                    self.carts.ordered(user_id)

    def take_in(self, order: OrderState, units: tuple[int, int, int, int], *, known: bool) -> None:
        """Count what an order did until here, which is no news of this session's pace.

        `units`: held, sold, released and gone. `known`: whose it is.
        """
        held, sold, released, gone = units
        self.commit(order.user_id if known else None, held, sold, gone)
        self.released += released
        self.owe(held, order.hold_until_ms)
        if order.suspicion and (held or sold):
            self.count_suspect(counts_under(order.suspicion), 1, held + sold)

    def count_pace(
        self, units: tuple[int, int], orders: int, bucket: int, oldest: tuple[int, int], *, returned: bool = False
    ) -> None:
        """Change what was committed and what was bought in a second gone by: an order is suspected, or no longer.

        Args:
            units: net ones committed, and those of them that were sold.
            orders: that were paid, net.
            bucket: the second.
            oldest: of `recent` and of `bought`, which buckets are still kept.
            returned: units had come back in that second; else they had been taken.
        """
        self.version += 1
        self.forecast = None
        net, sold = units
        if net and returned:
            self.returned[bucket] = self.returned.get(bucket, 0) - net
        elif net:
            self._take(bucket, net)
        if net and bucket >= oldest[0]:
            self.recent[bucket] = self.recent.get(bucket, 0) + net
        bought_bucket = bucket * 1_000 // BOUGHT_BUCKET_MS
        if sold and bought_bucket >= oldest[1]:
            bought = self.bought.setdefault(bought_bucket, [0, 0])
            bought[0] += sold
            bought[1] += orders

    def count_suspect(self, place: int, orders: int, units: int) -> None:
        """Count orders and units that the rule of this place suspects, or, if negative, no longer suspects."""
        self.version += 1
        counts = self.suspicions.setdefault(place, [0, 0])
        counts[0] += orders
        counts[1] += units
        if not counts[0]:
            del self.suspicions[place]
        self.suspect_held += units

    def owe(self, units: int, until_ms: int) -> None:
        """Count units that are held until then, or, if negative, no longer held."""
        if not units:
            return
        second = until_ms // 1_000
        left = self.due.get(second, 0) + units
        if left:
            self.due[second] = left
        else:
            self.due.pop(second, None)

    def add_units(self, user_id: str, held: int, sold: int) -> tuple[int, int]:
        """Change one user's units and nothing else. Returns the user's units in all, before and after."""
        held_before, sold_before = self.users.get(user_id, NO_UNITS)
        held += held_before
        sold += sold_before
        if held or sold:
            self.users[user_id] = one_of_equal((held, sold))
        else:
            self.users.pop(user_id, None)
        return held_before + sold_before, held + sold

    def add_carter(self, user_id: str) -> None:
        """Count a person who put this SKU of this sale into the cart."""
        self.version += 1
        if self.carters.add(user_id) and user_id in self.users:
            self.carters_with_order += 1

    def add_carters(self, user_ids: Sequence[str]) -> None:
        """`add_carter` for each of them."""
        self.version += 1
        self.carters_with_order += sum([user_id in self.users for user_id in self.carters.add_all(user_ids)])

    def forget(self, user_id: str, held: int, sold: int) -> None:
        """An order fell out of memory: its units stay in the ledger, the user is no longer tied to them."""
        units = self.users.get(user_id)
        if units is None:
            return
        self.version += 1
        held, sold = units[0] - held, units[1] - sold
        if held > 0 or sold > 0:
            self.users[user_id] = one_of_equal((held, sold))
            return
        del self.users[user_id]
        if user_id in self.carters:
            self.carters_with_order -= 1
        if self.carts is not None:
            self.carts.ordered(user_id)

    def suspect(self, units: int) -> None:
        """Count held units that look fake from now on, or, if negative, no longer do."""
        self.version += 1
        self.suspect_held += units

    def held_by(self, user_id: str) -> int:
        """Returns the units that one user holds."""
        return self.users.get(user_id, NO_UNITS)[0]

    def forget_recent(self, as_of_bucket: int, bought_window_ms: int) -> None:
        """Drop what is older than every window of this ledger."""
        oldest, oldest_bought = oldest_buckets(as_of_bucket, bought_window_ms)
        if self.recent and min(self.recent) < oldest:
            self.recent = {bucket: net for bucket, net in self.recent.items() if bucket >= oldest}
        oldest = as_of_bucket - MEMORY_S
        if self.taken and min(self.taken) < oldest:
            self.taken = {bucket: units for bucket, units in self.taken.items() if bucket >= oldest}
        if self.returned and min(self.returned) < oldest:
            self.returned = {bucket: units for bucket, units in self.returned.items() if bucket >= oldest}
        oldest = (as_of_bucket - PAST_S) // BLOCK_S
        if self.blocks and min(self.blocks) < oldest:
            self.blocks = {block: units for block, units in self.blocks.items() if block >= oldest}
        oldest = oldest_bought
        if self.bought and min(self.bought) < oldest:
            self.bought = {bucket: pair for bucket, pair in self.bought.items() if bucket >= oldest}

    def rest(self, exact_max: int) -> None:
        """A session has ended: carts, pace and what was bought lately are its own; stock and holds are the sale's."""
        self.recent, self.bought = {}, {}
        self.taken, self.returned, self.blocks, self.forecast = {}, {}, {}, None
        self.carters, self.carters_with_order = Distinct(exact_max), 0
        self.carts = None
        self.paid_second = -1
        self.version += 1

    # -- what is read -----------------------------------------------------------------------------------------------
    @property
    def offered(self) -> int | None:
        """Units offered at the opening; None before it was seen."""
        return None if self.opened is None else self.opened.offered

    @property
    def hold_ms(self) -> int | None:
        """How long an unpaid order holds its units, as the host says; None: as the rules say."""
        return None if self.opened is None else self.opened.hold_ms

    @property
    def available(self) -> int | None:
        """Units left by the ledger; negative when more was committed than there is; None before the sale was opened."""
        if self.opened is None:
            return None
        left = self.opened.offered + self.restocked - self.held - self.sold - self.gone
        return left if self.round_from_ms < 0 else left + sum(self.former) - self.restocked_before

    @property
    def last_restock(self) -> tuple[int, int] | None:
        """The newest restock of this round by event time: when, and how many units. None: there was none."""
        if not self.restocks or self.restocks[-1][0] < self.round_from_ms:
            return None
        at_ms, _, units = self.restocks[-1]
        return at_ms, units

    @property
    def restocked_before(self) -> int:
        """Units that came into former rounds: before this one began, by event time."""
        if self.round_from_ms < 0:
            return 0
        return self.restocked - sum([units for at_ms, _, units in self.restocks if at_ms >= self.round_from_ms])

    def move_former(self, step: tuple[int, int, int], units: int) -> None:
        """Count units of former rounds that are held, sold and gone."""
        self.version += 1
        self.forecast = None
        for place, change in enumerate(step):
            self.former[place] += change * units

    def told(self, whole: SaleTerms | None, own: SaleTerms | None) -> Told:
        """What follows from all that was said of its terms, of the whole sale and of this SKU alone."""
        of_sale, of_sku = whole.words if whole else (), own.words if own else ()
        kept = self._told
        if kept is None or kept[0] is not self.words or kept[1] is not of_sale or kept[2] is not of_sku:
            kept = self._told = self.words, of_sale, of_sku, told((*self.words, *of_sale, *of_sku))
        return kept[3]

    @property
    def carters_without_order(self) -> int:
        """Distinct people who carted this and hold or bought none of it. Once sketched: a lower bound."""
        if self.carters.exact:
            return len(self.carters.members) - self.carters_with_order
        return max(0, self.carters.count() - len(self.users))

    def recent_units(self, as_of_bucket: int) -> list[int]:
        """Net units committed in each of the last `RECENT_BUCKETS` seconds, this one last; empty when in none of them.

        Velocity and forecast look at these.
        """
        seconds = range(as_of_bucket - RECENT_BUCKETS + 1, as_of_bucket + 1)
        return [*map(self.recent.get, seconds, repeat(0))] if self.recent else []

    def bought_recently(self, as_of_ms: int, window_ms: int) -> tuple[int, int]:
        """Units sold and orders paid, net of what was undone, in the last `window_ms` (10 s hops)."""
        first = (as_of_ms - window_ms) // BOUGHT_BUCKET_MS + 1
        units = orders = 0
        for bucket, (sold, paid) in self.bought.items():
            if bucket >= first:
                units += sold
                orders += paid
        return units, orders


def oldest_buckets(as_of_bucket: int, bought_window_ms: int) -> tuple[int, int]:
    """Of `Ledger.recent` and of `Ledger.bought`, the first buckets that any window reaches."""
    return as_of_bucket - RECENT_BUCKETS, (as_of_bucket * 1_000 - bought_window_ms) // BOUGHT_BUCKET_MS


def _rank(event: SaleOpened) -> tuple[int, str]:
    return event.event_time_ms, event.event_id
