"""The state of one room in one session: totals, windows, people, orders and ledgers.

What events do to it stands in `folds.py` and `orders.py`; how it is shown in `snapshot.py`; how it is saved in
`saved/heads.py`. Here is only what time does to it, and how a session begins and ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from stream.contract.events import TOPIC_NAMES
from stream.core.audiences import AUDIENCES
from stream.core.cart_people import CartPeople
from stream.core.carts import Carts
from stream.core.distinct import Distinct
from stream.core.memory import Memory
from stream.core.presence import Presence
from stream.core.products import Products
from stream.core.time import BUCKET_MS
from stream.core.unseen import Unseen
from stream.core.windows import Audience, Tally, advance_all

if TYPE_CHECKING:
    from stream.contract.overlay import FeedItem
    from stream.core.engaged import Engaged
    from stream.core.ledger import Ledger
    from stream.core.memory import SaleKey, Shared
    from stream.core.presence import Departures
    from stream.core.rules import Rules
    from stream.core.urgency import UrgencyState

# A late `enter` must find the `leave` that closed its session: lateness plus a minute for what waits in the merge.
CLOSED_MARGIN_MS = 60_000


class Room(Memory):
    """Everything known about one room in one session."""

    in_session: ClassVar[bool] = True

    __slots__ = (
        "alarm_ms",
        "audiences",
        "awake_until_ms",
        "cart_adds",
        "cart_people",
        "changed",
        "comments",
        "engaged",
        "feed",
        "first_offsets",
        "first_unit_ms",
        "last_append_ms",
        "later",
        "likes",
        "misplaced",
        "money",
        "next_due_ms",
        "order_tally",
        "orders_cancelled",
        "orders_later",
        "orders_paid",
        "orders_placed",
        "orders_refunded",
        "over_ms",
        "paid_minor_tallies",
        "paid_tally",
        "point_due_ms",
        "presence",
        "products",
        "published_ms",
        "records_since",
        "rev",
        "rev_saved",
        "sale_json",
        "show_id",
        "sources",
        "unit_tally",
        "unseen",
        "urgencies",
        "view_tally",
        "views",
        "views_beyond",
    )

    def __init__(self, room_id: str, rules: Rules, shared: Shared, born_ms: int) -> None:
        super().__init__(room_id, rules, shared, born_ms)
        self.likes = self.comments = self.cart_adds = self.views = 0
        self.orders_placed = self.orders_paid = self.orders_cancelled = self.orders_refunded = 0
        self.sources: dict[str, int] = {}  # source → views, of the first `sources_max` that were named
        self.views_beyond = 0  # of all other sources
        self.products = Products(rules) if rules.products_max else None
        self.orders_later: dict[int, int] = {}  # bit of a status that moves nothing → orders
        self.money: dict[str, list[int]] = {}  # currency → [placed, paid, net] minor units
        self.audiences = [Audience(rules.distinct_exact_max, Distinct(rules.distinct_exact_max)) for _ in AUDIENCES]
        self.order_tally, self.paid_tally, self.view_tally, self.unit_tally = Tally(), Tally(), Tally(), Tally()
        self.first_unit_ms = -1  # when units of a sale first moved: the baseline begins here
        self.paid_minor_tallies: dict[str, Tally] = {}
        closed_ms = rules.allowed_lateness_ms + CLOSED_MARGIN_MS
        self.presence = Presence(rules.presence_timeout_ms, closed_ms, counts_ends=rules.second_signals)
        # From the second edition of signals on: who has something in a cart, and who went away.
        self.cart_people = CartPeople(rules) if rules.second_signals else None
        self.urgencies: dict[SaleKey, UrgencyState] = {}
        # What documents keep of each ledger (`sale_json.py`), with the version of the ledger that it was made of.
        self.sale_json: dict[SaleKey, Any] = {}
        self.unseen = Unseen(self, self.audiences)
        self.feed: list[FeedItem] = []
        self.first_offsets = [-1] * len(TOPIC_NAMES)
        self.engaged: Engaged | None = None  # the mechanics that it has met
        self.show_id: str | None = None  # of the show, if a host has opened one
        self.misplaced = False  # some of its records lie where nobody counts them
        self.later = False  # there were sessions of this room before, or may have been
        # Publication and checkpoint.
        self.rev = self.rev_saved = 0
        self.changed = False
        self.records_since = 0
        self.last_append_ms = -1
        self.next_due_ms = self.published_ms = 0
        self.point_due_ms = -1  # of its history: when it is, or was, to be looked at; −1: nobody keeps one
        # The partition's timers: when the session is over by silence, until when and from when on levels may move.
        self.over_ms = self.awake_until_ms = self.alarm_ms = -1

    # -- what a fold notes ------------------------------------------------------------------------------------------
    def note(self, topic_index: int, offset: int, append_ms: int) -> None:
        """A record of this room is folded."""
        if self.first_offsets[topic_index] < 0:
            self.first_offsets[topic_index] = offset
        self.last_append_ms = max(self.last_append_ms, append_ms)
        self.records_since += 1

    def carts_of(self, ledger: Ledger, people: CartPeople) -> Carts:
        """The carts with one SKU of one sale, made when it is carted first."""
        carts = ledger.carts
        if carts is None:
            carts = ledger.carts = Carts(self.rules, ledger.users, people.left)
            people.has_carts(ledger)
        return carts

    def departures(self, now_ms: int) -> Departures | None:
        """How visits ended, as of a moment to which the room was advanced; None: the first edition did not ask."""
        if not self.rules.second_signals:
            return None
        views = self.view_tally
        return self.presence.departures(now_ms, views.total_0, views.total_1)

    # -- from session to session ------------------------------------------------------------------------------------
    def begin_with(self, memory: Memory, now_ms: int) -> None:
        """A new session of a room that is remembered: it knows what was known, and shows the sales that go on."""
        self.inherit(memory)
        self.later = True
        for key in [
            key for key, ledger in self.past.items() if ledger.opened is not None and not self.is_over(ledger, now_ms)
        ]:
            self.ledgers[key] = self.past.pop(key)

    def memory(self) -> Memory:
        """What is kept when the session has ended; the room must not be used any more."""
        self.unseen.lift_all()
        memory = Memory(self.room_id, self.rules, self.shared, self.born_ms)
        memory.inherit(self)
        memory.touched_ms = self.touched_ms
        memory.forget_sales(self.shared.clock_ms)
        return memory

    def let_go(self) -> None:
        """Break what refers back to this room, which must not be used any more: then its memory is free at once.

        Cycles would wait for a full run of the collector. With the worker's thresholds none comes in months.
        """
        self.engaged = None
        del self.unseen

    # -- time -------------------------------------------------------------------------------------------------------
    def advance(self, clock_ms: int) -> None:
        """Move every window of this room to the partition's clock, and look who was never seen."""
        self.unseen.look()
        self.presence.advance(clock_ms)
        bucket = clock_ms // BUCKET_MS
        if bucket <= self.view_tally.as_of:
            return
        advance_all((*self.audiences, *self.tallies()), bucket)
        for audience in self.audiences:
            audience.sweep()
        for ledger in self.ledgers.values():
            ledger.forget_recent(bucket, self.rules.bought_window_ms)
        if self.cart_people is not None:
            self.cart_people.sweep_holders()

    def tallies(self) -> list[Tally]:
        """All of this room's tallies."""
        return [*self.saved_tallies(), *self.paid_minor_tallies.values()]

    def saved_tallies(self) -> tuple[Tally, ...]:
        """Those that are no currency's, in the order of the checkpoints: append only."""
        return self.order_tally, self.paid_tally, self.view_tally, self.unit_tally
