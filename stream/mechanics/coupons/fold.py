"""Coupons as the worker counts them. `ledger.py` holds one coupon, `expiry.py` says which take expires next.

Rows: one for each take (key: its id). An event takes its take out of the ledger as it was, and puts it in as it is now.
Beyond the bounds those takes and coupons are kept whose ids have the least checksums, whichever came first.
"""

from __future__ import annotations

from heapq import heapify, heappush, heappushpop
from typing import TYPE_CHECKING, Any, ClassVar
from zlib import crc32

from msgspec import Struct

from stream.core.mechanic import NEVER_MS, Batch, Mechanic, Scope
from stream.mechanics.coupons.events import CouponOffered, CouponReturned, CouponTaken, CouponUsed
from stream.mechanics.coupons.expiry import Expiries, expires_at_ms
from stream.mechanics.coupons.ledger import CouponLedger, Place, Terms
from stream.mechanics.coupons.section import Coupons

if TYPE_CHECKING:
    from collections.abc import Mapping

UNHEARD_MS = -1


class TakeRow(Struct, array_like=True, frozen=True, gc=False):
    """A take: who took what and when, by its earliest event; its statuses; and how many events there were.

    `at_ms` is `UNHEARD_MS` while nobody said who took what.
    """

    at_ms: int = UNHEARD_MS
    event_id: str = ""
    coupon_id: str = ""
    user_id: str = ""
    used: bool = False
    returned: bool = False
    events: int = 0


class SavedCoupon(Struct, array_like=True, frozen=True):
    """The offer that holds, and how many there were."""

    terms: Terms | None
    offers: int


class SavedCoupons(Struct, array_like=True):
    """The coupons by their ids, and how many events there were of takes without a row and of coupons let go."""

    coupons: dict[str, SavedCoupon]
    beyond: int = 0


NEW = TakeRow()


class CouponFold(Mechanic):
    """Coupons of one session."""

    NAME = "coupons"
    KINDS = (CouponOffered, CouponTaken, CouponUsed, CouponReturned)
    SAVED = SavedCoupons
    ROW = TakeRow
    LIMITS: ClassVar[Mapping[str, int]] = {"coupons_max": 64, "takes_max": 200_000}

    def __init__(self, scope: Scope) -> None:
        super().__init__(scope)
        self.coupons: dict[str, CouponLedger] = {}
        self.takes: dict[str, TakeRow] = {}
        self.unmatched = 0
        self.beyond = 0  # events of takes without a row, and offers of coupons that were let go
        self.without_coupon = 0  # events of takes whose coupon was let go
        self._expiries = Expiries()
        self._takes_max, self._coupons_max = scope.limit("takes_max"), scope.limit("coupons_max")
        # Heaps of all takes and of all coupons: who goes next is first.
        self._last_takes: list[tuple[int, str]] = []
        self._last_coupons: list[tuple[int, str]] = []

    # -- what happens --------------------------------------------------------------------------------------------------
    def fold(self, batch: Batch) -> None:
        """As `Mechanic.fold`: every event is new, if only as one more of its take or coupon."""
        for event in batch.events:
            if isinstance(event, CouponTaken):
                self._meet(event.coupon_id)
                self._take(event.take_id, event)
            elif isinstance(event, CouponOffered):
                self._offer(event)
            else:
                self._take(event.take_id, event)

    def _take(self, take_id: str, event: CouponTaken | CouponUsed | CouponReturned) -> None:
        before = self.takes.get(take_id)
        if before is None and not self._admit(take_id):
            self.beyond += 1
            return
        row = after(before or NEW, event)
        if before is not None:
            self._uncount(take_id, before)
        if before is None or (before.at_ms, before.event_id) != (row.at_ms, row.event_id):
            if before is not None:
                self._leave(take_id, before)
            self._join(take_id, row)
        self.takes[take_id] = row
        self._count(take_id, row)
        self.changed[take_id] = None

    def _admit(self, take_id: str) -> bool:
        """Whether a new take is kept. Beyond the bound another goes for it, or it is not kept."""
        place = _place(take_id)
        if len(self.takes) < self._takes_max:
            heappush(self._last_takes, place)
            return True
        self.scope.beyond("takes_max")
        _, gone = heappushpop(self._last_takes, place)
        if gone == take_id:
            return False
        row = self.takes[gone]
        self._uncount(gone, row)
        self._leave(gone, row)
        del self.takes[gone]
        self.beyond += row.events
        self.touch(gone)
        return True

    def _meet(self, coupon_id: str) -> CouponLedger | None:
        """Returns the ledger of a coupon, made if it is new; None: it is beyond the bound, or let go for it."""
        ledger = self.coupons.get(coupon_id)
        if ledger is not None:
            return ledger
        place = _place(coupon_id)
        if len(self.coupons) < self._coupons_max:
            heappush(self._last_coupons, place)
        else:
            self.scope.beyond("coupons_max")
            _, gone = heappushpop(self._last_coupons, place)
            if gone == coupon_id:
                return None
            self._let_go(gone)
        ledger = self.coupons[coupon_id] = CouponLedger()
        return ledger

    def _let_go(self, coupon_id: str) -> None:
        takes = self._takes_of(coupon_id)
        for take_id, row in takes:
            self._uncount(take_id, row)
        self.beyond += self.coupons.pop(coupon_id).offers
        for take_id, row in takes:
            self._count(take_id, row)

    def _takes_of(self, coupon_id: str) -> list[tuple[str, TakeRow]]:
        return [(take_id, row) for take_id, row in self.takes.items() if row.coupon_id == coupon_id]

    def _offer(self, event: CouponOffered) -> None:
        ledger = self._meet(event.coupon_id)
        if ledger is None:
            self.beyond += 1
            return
        ledger.offers += 1
        terms, before = _terms(event), ledger.terms
        if before is not None and (before.at_ms, before.event_id) >= (terms.at_ms, terms.event_id):
            return
        if (terms.per_user_limit, terms.valid_s) == (ledger.limit, ledger.valid_s):
            ledger.terms = terms
            return
        takes = self._takes_of(event.coupon_id)
        for take_id, row in takes:
            self._uncount(take_id, row)
        ledger.terms = terms
        for take_id, row in takes:
            self._count(take_id, row)

    # -- a person's takes ----------------------------------------------------------------------------------------------
    def _join(self, take_id: str, row: TakeRow) -> None:
        """Put a take among those of its person. Another one may be beyond the limit then."""
        ledger = self._ledger_of_person(row)
        if ledger is not None:
            place: Place = (row.at_ms, take_id)
            other = ledger.last_before(row.user_id, place)
            if other is not None:
                self._uncount(other, self.takes[other])
            ledger.insert(row.user_id, place)
            if other is not None:
                self._count(other, self.takes[other])

    def _leave(self, take_id: str, row: TakeRow) -> None:
        """The reverse of `_join`."""
        ledger = self._ledger_of_person(row)
        if ledger is not None:
            place: Place = (row.at_ms, take_id)
            other = ledger.first_beyond(row.user_id, place)
            if other is not None:
                self._uncount(other, self.takes[other])
            ledger.remove(row.user_id, place)
            if other is not None:
                self._count(other, self.takes[other])

    def _ledger_of_person(self, row: TakeRow) -> CouponLedger | None:
        """Returns where the person of a take is counted; None: of nobody it cannot be said how many they took."""
        return None if row.user_id in self.scope.strangers else self.coupons.get(row.coupon_id)

    # -- the ledger ----------------------------------------------------------------------------------------------------
    def _count(self, take_id: str, row: TakeRow) -> None:
        ledger = self._counted(take_id, row, 1)
        if ledger is not None:
            moment_ms = expires_at_ms(row.at_ms, ledger.valid_s)
            if moment_ms <= self.scope.clock_ms:
                ledger.expired += 1
                return
            ledger.taken += 1
            if moment_ms < NEVER_MS:
                self._expiries.add(take_id, moment_ms)

    def _uncount(self, take_id: str, row: TakeRow) -> None:
        ledger = self._counted(take_id, row, -1)
        if ledger is not None:
            if self._expiries.discard(take_id) or expires_at_ms(row.at_ms, ledger.valid_s) >= NEVER_MS:
                ledger.taken -= 1
            else:
                ledger.expired -= 1

    def _counted(self, take_id: str, row: TakeRow, times: int) -> CouponLedger | None:
        """Count a take. Returns its ledger if it was not counted because it depends on the clock; else None."""
        ledger = self.coupons.get(row.coupon_id)
        if row.at_ms == UNHEARD_MS:
            self.unmatched += times
        elif ledger is None:
            self.without_coupon += times * row.events
        elif ledger.refuses(row.user_id, (row.at_ms, take_id)):
            ledger.refused += times
        elif row.returned:
            ledger.returned += times
        elif row.used:
            ledger.used += times
        else:
            return ledger
        return None

    # -- time ----------------------------------------------------------------------------------------------------------
    def due_ms(self) -> int:
        """As `Mechanic.due_ms`: when the next take expires."""
        return self._expiries.next_ms()

    def elapse(self, now_ms: int) -> None:
        """As `Mechanic.elapse`."""
        for take_id in self._expiries.take_due(now_ms):
            ledger = self.coupons[self.takes[take_id].coupon_id]
            ledger.taken -= 1
            ledger.expired += 1

    # -- what is shown -------------------------------------------------------------------------------------------------
    def section(self, as_of_ms: int) -> Coupons:  # noqa: ARG002 — what time changes is in the ledgers
        """As `Mechanic.section`."""
        return Coupons(
            [self.coupons[coupon_id].shown(coupon_id) for coupon_id in sorted(self.coupons, key=self._rank)],
            self.unmatched,
            self.beyond + self.without_coupon,
        )

    def _rank(self, coupon_id: str) -> tuple[int, str]:
        terms = self.coupons[coupon_id].terms
        return 1 if terms is None else -terms.starts_at_ms, coupon_id

    # -- what is saved -------------------------------------------------------------------------------------------------
    def saved(self) -> SavedCoupons:
        """As `Mechanic.saved`."""
        coupons = {each: SavedCoupon(ledger.terms, ledger.offers) for each, ledger in sorted(self.coupons.items())}
        return SavedCoupons(coupons, self.beyond)

    def row(self, key: str) -> TakeRow | None:
        """As `Mechanic.row`."""
        return self.takes.get(key)

    def restore(self, saved: SavedCoupons, rows: Mapping[str, TakeRow]) -> None:
        """As `Mechanic.restore`."""
        self.beyond = saved.beyond
        self.coupons = {each: CouponLedger(known.terms, known.offers) for each, known in saved.coupons.items()}
        self.takes = dict(rows)
        for take_id, row in rows.items():
            ledger = self._ledger_of_person(row)
            if ledger is not None:
                ledger.insert(row.user_id, (row.at_ms, take_id))
        for take_id, row in rows.items():
            self._count(take_id, row)
        self._last_takes = [_place(take_id) for take_id in rows]
        self._last_coupons = [_place(coupon_id) for coupon_id in self.coupons]
        heapify(self._last_takes)
        heapify(self._last_coupons)


def after(row: TakeRow, event: Any) -> TakeRow:
    """Returns what a take is with one event more."""
    events = row.events + 1
    if not isinstance(event, CouponTaken):
        used = row.used or isinstance(event, CouponUsed)
        returned = row.returned or isinstance(event, CouponReturned)
        return TakeRow(row.at_ms, row.event_id, row.coupon_id, row.user_id, used, returned, events)
    at_ms, event_id = event.event_time_ms, event.event_id
    if row.at_ms != UNHEARD_MS and (row.at_ms, row.event_id) <= (at_ms, event_id):
        return TakeRow(row.at_ms, row.event_id, row.coupon_id, row.user_id, row.used, row.returned, events)
    return TakeRow(at_ms, event_id, event.coupon_id, event.user_id, row.used, row.returned, events)


def _terms(event: CouponOffered) -> Terms:
    return Terms(
        event.event_time_ms,
        event.event_id,
        event.title,
        event.offered,
        event.starts_at_ms,
        event.ends_at_ms,
        event.per_user_limit,
        event.valid_s,
    )


def _place(key: str) -> tuple[int, str]:
    """The least place goes first: the greatest checksum, and of equal ones the least id."""
    return -crc32(key.encode()), key
