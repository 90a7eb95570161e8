"""Coupons counted again by the rules of README.md: every event is kept, and takes are looked at when asked.

Nothing here is shared with the fold.
"""

from __future__ import annotations

import zlib
from collections import Counter
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from stream.contract.people import UNKNOWN_PEOPLE
from stream.mechanics.coupons.events import CouponOffered, CouponReturned, CouponTaken, CouponUsed
from stream.verify.recounted import Recounted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from stream.contract.events import Event
    from stream.contract.sections import Plain

STATUSES = ("taken", "used", "returned", "expired")


class _Taken(NamedTuple):
    """Who took what; of several the earliest."""

    time_ms: int
    event_id: str
    coupon: str
    user: str


class _Offer(NamedTuple):
    """Terms; of several the latest."""

    time_ms: int
    event_id: str
    said: CouponOffered


class _Take:
    """All that was said of one take."""

    def __init__(self) -> None:
        self.words: list[_Taken] = []
        self.used = self.returned = 0

    def events(self) -> int:
        return len(self.words) + self.used + self.returned


class CouponsAgain(Recounted):
    """The coupons of one session."""

    NAME = "coupons"
    KINDS = (CouponOffered, CouponTaken, CouponUsed, CouponReturned)
    LIMITS: ClassVar[Mapping[str, int]] = {"coupons_max": 64, "takes_max": 200_000}

    def __init__(self, limits: Mapping[str, int]) -> None:
        super().__init__(limits)
        self._offers: dict[str, list[_Offer]] = {}  # by coupon; empty where somebody only took one
        self._takes: dict[str, _Take] = {}

    def note(self, event: Event, effective_ms: int) -> bool:  # noqa: ARG002 — what decides is the event's own time
        """As `Recounted.note`."""
        if isinstance(event, CouponOffered):
            self._offers.setdefault(event.coupon_id, []).append(_Offer(event.event_time_ms, event.event_id, event))
            return True
        if not isinstance(event, CouponTaken | CouponUsed | CouponReturned):
            return False
        take = self._takes.setdefault(event.take_id, _Take())
        if isinstance(event, CouponTaken):
            self._offers.setdefault(event.coupon_id, [])
            take.words.append(_Taken(event.event_time_ms, event.event_id, event.coupon_id, event.user_id))
        elif isinstance(event, CouponUsed):
            take.used += 1
        else:
            take.returned += 1
        return True

    def figures(self, as_of_ms: int) -> dict[str, Plain]:
        """As `Recounted.figures`."""
        if not self._offers and not self._takes:
            return {}
        coupons, other_coupons = _kept(self._offers, self.limits["coupons_max"])
        takes, other_takes = _kept(self._takes, self.limits["takes_max"])
        terms = {each: max(self._offers[each]).said if self._offers[each] else None for each in coupons}
        statuses: dict[str, Counter[str]] = {each: Counter() for each in coupons}
        of_person: dict[tuple[str, str], list[tuple[int, str]]] = {}
        unmatched = 0
        beyond = sum(len(self._offers[each]) for each in other_coupons)
        beyond += sum(self._takes[each].events() for each in other_takes)
        for take_id in takes:
            take = self._takes[take_id]
            if not take.words:
                unmatched += 1
            elif min(take.words).coupon not in terms:
                beyond += take.events()
            else:
                first = min(take.words)
                of_person.setdefault((first.coupon, first.user), []).append((first.time_ms, take_id))
        for (coupon, user), in_order in of_person.items():
            said = terms[coupon]
            limit = None if said is None or user in UNKNOWN_PEOPLE else said.per_user_limit
            for number, (time_ms, take_id) in enumerate(sorted(in_order), 1):
                refused = limit is not None and number > limit
                status = "refused" if refused else _status(self._takes[take_id], time_ms, said, as_of_ms)
                statuses[coupon][status] += 1
        figures: dict[str, Plain] = {"unmatched": unmatched, "beyond": beyond}
        # Latest start first, of equal ones the first id; at the end those without terms.
        in_order_of_id = sorted(coupons)
        in_order_of_id.sort(key=lambda each: _start(terms[each]), reverse=True)
        for place, coupon in enumerate(in_order_of_id, 1):
            for name, value in _of_one(coupon, terms[coupon], statuses[coupon]).items():
                figures[f"coupons.{place}.{name}"] = value
        return figures


def _kept(ids: Iterable[str], most: int) -> tuple[list[str], list[str]]:
    """Those of the least checksums, of equal ones the greater ids; and the others."""
    ranked = sorted(ids, reverse=True)
    ranked.sort(key=lambda each: zlib.crc32(each.encode("utf-8")))
    return ranked[:most], ranked[most:]


def _start(said: CouponOffered | None) -> int:
    return -1 if said is None else said.starts_at_ms


def _status(take: _Take, time_ms: int, said: CouponOffered | None, as_of_ms: int) -> str:
    if take.returned:
        return "returned"
    if take.used:
        return "used"
    if said is not None and said.valid_s is not None and as_of_ms - time_ms >= said.valid_s * 1_000:
        return "expired"
    return "taken"


def _of_one(coupon: str, said: CouponOffered | None, statuses: Counter[str]) -> dict[str, Plain]:
    handed_out = sum(statuses[each] for each in STATUSES)
    figures: dict[str, Plain] = {
        "coupon_id": coupon,
        "handed_out": handed_out,
        "refused": statuses["refused"],
        **{each: statuses[each] for each in STATUSES},
    }
    if said is None:
        return figures | dict.fromkeys(
            ("title", "offered", "left", "overdrawn", "per_user_limit", "starts_at_ms", "ends_at_ms", "valid_s")
        )
    short = handed_out > said.offered
    return figures | {
        "title": said.title,
        "offered": said.offered,
        "left": 0 if short else said.offered - handed_out,
        "overdrawn": handed_out - said.offered if short else 0,
        "per_user_limit": said.per_user_limit,
        "starts_at_ms": said.starts_at_ms,
        "ends_at_ms": said.ends_at_ms,
        "valid_s": said.valid_s,
    }
