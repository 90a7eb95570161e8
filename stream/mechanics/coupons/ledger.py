"""The ledger of one coupon: its terms, how many takes there are of each status, and who took in which order.

It is no `stream.core.ledger.Ledger`: that one adds up units of a person, and cannot say which of a person's takes is
beyond the limit; and each one carries a sale's carts, pace and forecast.
"""

from __future__ import annotations

from bisect import bisect_left, insort

from msgspec import Struct

from stream.mechanics.coupons.section import Coupon

# Event time and id of a take: a person's takes count in this order.
Place = tuple[int, str]


class Terms(Struct, array_like=True, frozen=True):
    """An offer. Of two the greater holds: the later by event time, then by event id."""

    at_ms: int
    event_id: str
    title: str
    offered: int
    starts_at_ms: int
    ends_at_ms: int | None
    per_user_limit: int | None
    valid_s: int | None


class CouponLedger:
    """One coupon.

    Attributes:
        terms: the offer that holds; None: there was none.
        offers: how many offers there were.
        taken, used, returned, expired, refused: takes of each status.
    """

    __slots__ = ("_places", "expired", "offers", "refused", "returned", "taken", "terms", "used")

    def __init__(self, terms: Terms | None = None, offers: int = 0) -> None:
        self.terms = terms
        self.offers = offers
        self.taken = self.used = self.returned = self.expired = self.refused = 0
        self._places: dict[str, list[Place]] = {}  # person → their takes

    @property
    def limit(self) -> int | None:
        """How many one person may take."""
        return None if self.terms is None else self.terms.per_user_limit

    @property
    def valid_s(self) -> int | None:
        """How long a taken one may be used."""
        return None if self.terms is None else self.terms.valid_s

    # -- who took in which order ---------------------------------------------------------------------------------------
    def refuses(self, user_id: str, place: Place) -> bool:
        """Whether a take is beyond the limit of its person."""
        limit, places = self.limit, self._places.get(user_id)
        return limit is not None and places is not None and len(places) > limit and places[limit - 1] < place

    def last_before(self, user_id: str, place: Place) -> str | None:
        """Returns the take that a new one at this place puts beyond the limit; None: it puts none there."""
        limit, places = self.limit, self._places.get(user_id)
        if limit is None or places is None or len(places) < limit or places[limit - 1] < place:
            return None
        return places[limit - 1][1]

    def first_beyond(self, user_id: str, place: Place) -> str | None:
        """Returns the take that is within the limit once the one at this place is gone; None: there is none."""
        limit, places = self.limit, self._places.get(user_id)
        if limit is None or places is None or len(places) <= limit or places[limit - 1] < place:
            return None
        return places[limit][1]

    def insert(self, user_id: str, place: Place) -> None:
        """A person took one."""
        insort(self._places.setdefault(user_id, []), place)

    def remove(self, user_id: str, place: Place) -> None:
        """The person did not take that one."""
        places = self._places[user_id]
        del places[bisect_left(places, place)]
        if not places:
            del self._places[user_id]

    @property
    def people(self) -> int:
        """How many people took one, beyond the limit or not."""
        return len(self._places)

    # -- what is shown -------------------------------------------------------------------------------------------------
    def shown(self, coupon_id: str) -> Coupon:
        """Returns what documents show of it."""
        terms = self.terms
        handed_out = self.taken + self.used + self.returned + self.expired
        return Coupon(
            coupon_id,
            None if terms is None else terms.title,
            None if terms is None else terms.offered,
            None if terms is None else max(0, terms.offered - handed_out),
            None if terms is None else max(0, handed_out - terms.offered),
            handed_out,
            self.taken,
            self.used,
            self.returned,
            self.expired,
            self.refused,
            self.limit,
            None if terms is None else terms.starts_at_ms,
            None if terms is None else terms.ends_at_ms,
            self.valid_s,
        )
