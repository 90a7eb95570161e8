"""Every mechanic at the bounds that it has where nobody sets others: all is counted, and what is kept out says so.

The other tests shrink the bounds, to a few. Here is what only a real one shows: how large a section becomes.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from stream.contract.people import UNKNOWN_PEOPLE
from stream.core.batch import Batch
from stream.core.distinct import ERROR_95
from stream.core.mechanic import Mechanic, Scope
from stream.core.rules import Rules
from stream.mechanics.card.events import (
    MAX_LABEL_CHARS,
    MAX_NAME_CHARS,
    MAX_PICTURE_CHARS,
    ProductDescribed,
    RoomLinked,
)
from stream.mechanics.card.fold import CardFold
from stream.mechanics.coupons.events import MAX_TITLE_CHARS, CouponOffered, CouponTaken
from stream.mechanics.coupons.fold import CouponFold, SavedCoupon, SavedCoupons, TakeRow
from stream.mechanics.folds import INSTALLED
from stream.mechanics.follows.events import Follow
from stream.mechanics.follows.fold import FollowFold, FollowRow, SavedFollows
from stream.mechanics.gauges.events import Gauge
from stream.mechanics.gauges.fold import GaugeFold
from stream.mechanics.gifts.events import Gift
from stream.mechanics.gifts.fold import FORGOTTEN_AT_ONCE, GiftFold, GiftRow, SavedGifts
from stream.mechanics.shares.events import Share
from stream.mechanics.shares.fold import ShareFold
from stream.mechanics.votes.events import (
    MAX_OPTION_CHARS,
    MAX_OPTIONS,
    MAX_QUESTION_CHARS,
    PollOpened,
    PollOption,
    Vote,
)
from stream.mechanics.votes.fold import SavedVotes, VoteFold, VoteRow
from tests.support.rooms import T0_MS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from msgspec import Struct

    from stream.contract.events import Event
    from stream.core.order_state import OrderState

MORE = 250
FIRE = "\N{FIRE}"  # four bytes, as long as a character gets
# What a section may take of a document, of which a megabyte goes into the topic `signals` (SNAPUP_SIGNAL_MAX_BYTES).
SECTION_BYTES_MAX = 110_000
NO_ROWS: dict[str, Struct] = {}


class Room(Scope):
    """A room in which one mechanic has its own bounds."""

    room_id = "r1"
    rules = Rules()
    strangers = UNKNOWN_PEOPLE

    def __init__(self, fold: type[Mechanic]) -> None:
        self._limits = fold.LIMITS
        self.kept_out = Counter[str]()

    @property
    def clock_ms(self) -> int:
        return T0_MS

    def limit(self, name: str) -> int:
        return self._limits[name]

    def beyond(self, name: str, count: int = 1) -> None:
        self.kept_out[name] += count

    def order(self, order_id: str) -> OrderState | None:  # noqa: ARG002 — there are none
        return None


def filled(
    fold: type[Mechanic], events: Iterable[Event], saved: Struct | None = None, rows: Mapping[str, Struct] = NO_ROWS
) -> tuple[Any, dict[str, int]]:
    """Returns the section of the mechanic that has taken these events, and what its limits kept out.

    `saved` and `rows`: what it has taken before, as a checkpoint has it. That fills it in a fifth of the time.
    """
    room, taken = Room(fold), [*events]
    mechanic = fold(room)
    if saved is not None:
        mechanic.restore(saved, rows)
    mechanic.fold(Batch(taken, [T0_MS] * len(taken), T0_MS // 1_000))
    section = mechanic.section(T0_MS)
    assert len(msgspec.json.encode(section)) < SECTION_BYTES_MAX
    return section, dict(room.kept_out)


def event(kind: type[Event], number: int, **fields: Any) -> Any:
    return kind(event_id=f"e{number}", room_id="r1", event_time_ms=T0_MS + number, **fields)


def gifts() -> None:
    givers, combos = GiftFold.LIMITS["givers_max"], GiftFold.LIMITS["combos_max"]
    rows = {f"u{n}": GiftRow(1, 2) for n in range(givers)}
    rows |= {f"u1|rose|s{n}": GiftRow(3, 3, T0_MS - combos + n) for n in range(combos)}
    rows["u1"] = GiftRow(1 + 3 * combos, 2 + 3 * combos)
    saved = SavedGifts(2 * givers + 3 * combos, givers + 3 * combos)
    events = [event(Gift, n, user_id=f"v{n}", gift_id="rose", count=1, coins_each=2) for n in range(MORE)]
    events.append(event(Gift, 0, user_id="u1", gift_id="rose", count=3, coins_each=1, streak_id="last"))
    section, kept_out = filled(GiftFold, events, saved, rows)
    assert section.gifts == saved.gifts + MORE + 3
    assert section.coins == saved.coins + 2 * MORE + 3
    assert section.uncredited == 2 * MORE
    assert section.givers.value == pytest.approx(givers + MORE, rel=2 * ERROR_95)
    assert [(giver.who, giver.coins) for giver in section.top[:1]] == [("u***", rows["u1"].coins + 3)]
    assert kept_out == {"givers_max": MORE, "combos_max": combos // FORGOTTEN_AT_ONCE}


def follows() -> None:
    most = FollowFold.LIMITS["people_max"]
    word = (T0_MS, "e", True)
    rows = {f"u{n}": FollowRow(word, word, 1) for n in range(most)}
    events = (event(Follow, n, user_id=f"v{n}") for n in range(MORE))
    section, kept_out = filled(FollowFold, events, SavedFollows(), rows)
    assert (section.gained, section.lost, section.beyond) == (most, 0, MORE)
    assert kept_out == {"people_max": MORE}


def shares() -> None:
    limits = ShareFold.LIMITS
    people, channels = limits["sharers_max"] + MORE, limits["channels_max"] + 4
    events = (event(Share, n, user_id=f"u{n}", channel=f"{'c' * (1 + n % channels)}") for n in range(people))
    section, kept_out = filled(ShareFold, events)
    assert section.shares == people == section.other + sum(each.shares for each in section.channels)
    assert [len(each.channel) for each in sorted(section.channels, key=lambda each: len(each.channel))] == [
        *range(1, limits["channels_max"] + 1)
    ]
    assert (
        section.other == kept_out["channels_max"] == sum(n % channels >= limits["channels_max"] for n in range(people))
    )
    assert (section.sharers.method, section.sharers.error_95) == ("sketch", ERROR_95)
    assert section.sharers.value == pytest.approx(people, rel=2 * ERROR_95)
    assert kept_out["sharers_max"] > 0


def votes() -> None:
    limits = VoteFold.LIMITS
    options = tuple(PollOption(option_id=f"o{each}", text=FIRE * MAX_OPTION_CHARS) for each in range(MAX_OPTIONS))
    polls = limits["notices_max"] + 6
    events = [
        event(PollOpened, n, poll_id=f"p{n}", question=FIRE * MAX_QUESTION_CHARS, options=options) for n in range(polls)
    ]
    most, last = limits["voters_max"], f"p{polls - 1}"
    rows = {f"{last}|u{n}": VoteRow(((T0_MS + n, "e", "o0"),), 1) for n in range(most)}
    events += [event(Vote, n, user_id=f"v{n}", poll_id=last, option_id="o0") for n in range(MORE)]
    section, kept_out = filled(VoteFold, events, SavedVotes(), rows)
    assert [poll.poll_id for poll in section.polls] == [f"p{polls - 1 - n}" for n in range(limits["polls_shown"])]
    assert section.more == limits["notices_max"] - limits["polls_shown"]
    assert (section.polls[0].voters, section.polls[0].options[0].votes) == (most, most)
    assert section.polls[0].options[0].leads, "whatever those beyond the bound chose"
    assert (section.beyond, section.waiting) == (MORE, 0)
    assert kept_out == {"voters_max": MORE, "notices_max": 6}


def gauges() -> None:
    most = GaugeFold.LIMITS["sources_max"]
    figures = dict.fromkeys(("viewers_now", "viewers_total", "likes_total", "popularity"), 2**53 - 1)
    events = (event(Gauge, n, source="s" * (n + 40), precision="rounded", **figures) for n in range(most + 4))
    section, kept_out = filled(GaugeFold, events)
    assert [len(each.source) for each in section.sources] == [n + 40 for n in range(most)]
    assert section.beyond == kept_out["sources_max"] == 4


def coupons() -> None:
    limits = CouponFold.LIMITS
    many = limits["coupons_max"] + 6
    terms: dict[str, Any] = {"title": FIRE * MAX_TITLE_CHARS, "offered": 10**9, "starts_at_ms": T0_MS}
    events: list[Any] = [event(CouponOffered, n, coupon_id=f"c{n}", **terms) for n in range(many)]
    most, kept = limits["takes_max"], limits["coupons_max"]
    saved = SavedCoupons({f"c{n}": SavedCoupon(None, 0) for n in range(kept)})
    rows = {f"t{n}": TakeRow(T0_MS + n, "e", f"c{n % kept}", f"u{n}", events=1) for n in range(most)}
    events += [event(CouponTaken, n, take_id=f"v{n}", coupon_id=f"c{n % many}", user_id=f"v{n}") for n in range(MORE)]
    section, kept_out = filled(CouponFold, events, saved, rows)
    assert len(section.coupons) == kept
    assert all(each.offered == each.left + each.taken for each in section.coupons)
    assert sum(each.taken for each in section.coupons) + section.beyond == most + MORE + many - kept
    assert kept_out["takes_max"] == MORE
    assert kept_out["coupons_max"] >= many - kept


def card() -> None:
    limits = CardFold.LIMITS
    words: dict[str, Any] = {
        "name": FIRE * MAX_NAME_CHARS,
        "label": FIRE * MAX_LABEL_CHARS,
        "price_minor": 10**12,
        "list_price_minor": 10**12,
        "currency": "CNY",
        "picture": f"https://img.example/{'a' * (MAX_PICTURE_CHARS - 20)}",
    }
    events = [event(ProductDescribed, n, sku_id=f"{n:0128d}", **words) for n in range(limits["products_max"] + 6)]
    events += [event(RoomLinked, n, linked_room_id=f"{n:0128d}") for n in range(limits["links_max"] + 6)]
    section, kept_out = filled(CardFold, events)
    assert (section.product_count, len(section.products), section.products_beyond) == (100, 100, 6)
    assert (section.link_count, len(section.links), section.links_beyond) == (50, 50, 6)
    assert kept_out == {"products_max": 6, "links_max": 6}


FULL = {"gifts": gifts, "follows": follows, "shares": shares, "votes": votes, "gauges": gauges, "coupons": coupons}
FULL |= {"card": card}


def test_none_is_left_out() -> None:
    assert FULL.keys() == INSTALLED.of_name.keys()


@pytest.mark.parametrize("name", FULL)
def test_at_its_real_bounds_a_mechanic_says_what_it_kept_out_in_a_section_that_stays_small(name: str) -> None:
    FULL[name]()
