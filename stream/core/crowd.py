"""Events of one room and one topic, many at once: the same as one at a time, cheaper.

In a rush they come in hundreds. `fold_crowd` takes them in the order of the log, leaves out the duplicates among them
(a producer that tries again makes them, so they are to be met in every crowd) and folds the others together where that
is the same. Only what hosts say of their sales is always folded one at a time.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import compress, repeat
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from stream.contract.events import TOPIC_NAMES, CartAdd, Enter, Leave, ProductClick
from stream.core.conflicts import may_be_among
from stream.core.orders import fold_orders
from stream.core.rates import BUYERS, CARTERS, CLICKERS, ENGAGED, VIEWERS
from stream.core.time import BUCKET_MS

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence

    from stream.contract.events import Comment, Like, PersonEvent
    from stream.core.carts import People
    from stream.core.room import Room

    Seconds = int | Sequence[int]

K = TypeVar("K", bound="Hashable")
T = TypeVar("T")
# Fewer events are sooner folded one at a time: with the like threshold of `windows` a quarter of the fold where five
# hundred rooms are busy at once.
FEW = 4
ORDERS = TOPIC_NAMES.index("orders")


class Crowd(NamedTuple):
    """Events of one room and one topic in the order of the log; when each counts (ms), and in which second.

    `seconds` is one number where it is the same for all.
    """

    events: Sequence[Any]
    at_ms: Sequence[int]
    seconds: Seconds

    def those(self, chosen: Sequence[bool]) -> Crowd:
        """The events that are chosen, one answer for each."""
        seconds = self.seconds if isinstance(self.seconds, int) else list(compress(self.seconds, chosen))
        return Crowd(list(compress(self.events, chosen)), list(compress(self.at_ms, chosen)), seconds)


def fold_crowd(room: Room, topic_index: int, crowd: Crowd) -> Crowd | None:
    """Fold these together. Returns those that counted, which duplicates do not.

    None, and nothing has happened, where that cannot be or does not pay: the caller folds them one at a time.
    """
    fold = _FOLDS.get(topic_index)
    if fold is None or len(crowd.events) < FEW:
        return None
    event_ids = [event.event_id for event in crowd.events]
    if topic_index == ORDERS and room.second_edition:
        return _fold_orders_in_order(room, crowd, event_ids)
    new = room.ids.remember_all(topic_index, event_ids)
    if new is not None:
        crowd = crowd.those(new)
    if pairs := room.ids.used_elsewhere(topic_index, event_ids):
        room.shared.used_twice += _with_pairs(crowd.events, pairs)
    return fold(room, crowd) or crowd


def _fold_orders_in_order(room: Room, crowd: Crowd, event_ids: list[str]) -> Crowd | None:
    """Duplicates have their turn too: what they repeat must be known, and is remembered for longer."""
    new = room.ids.new_among(ORDERS, event_ids)
    if may_be_among(room, crowd.events, new):
        return None
    room.ids.remember_all(ORDERS, event_ids)
    if pairs := room.ids.used_elsewhere(ORDERS, event_ids):
        room.shared.used_twice += _with_pairs(crowd.events if new is None else compress(crowd.events, new), pairs)
    counted = fold_orders(room, crowd.events, crowd.at_ms, repeat(True) if new is None else new)
    return crowd if all(counted) else crowd.those(counted)


def _with_pairs(events: Iterable[Any], pairs: Mapping[str, int]) -> list[tuple[Any, int]]:
    return [(event, pairs[event.event_id]) for event in events if event.event_id in pairs]


def _fold_orders(room: Room, crowd: Crowd) -> Crowd | None:
    counted = fold_orders(room, crowd.events, crowd.at_ms)
    return None if all(counted) else crowd.those(counted)


def _fold_likes(room: Room, crowd: Crowd) -> None:
    likes: Sequence[Like] = crowd.events
    room.likes += sum([like.count for like in likes])
    _seen(room, (ENGAGED,), likes, crowd.seconds)


def _fold_comments(room: Room, crowd: Crowd) -> None:
    comments: Sequence[Comment] = crowd.events
    room.comments += len(comments)
    _seen(room, (ENGAGED,), comments, crowd.seconds)


def _fold_carts(room: Room, crowd: Crowd) -> None:
    """Additions and removals: people's carts see both in the order of the log."""
    is_added = [type(event) is CartAdd for event in crowd.events]
    added = crowd if all(is_added) else crowd.those(is_added)
    if added.events:
        _count_cart_adds(room, added)
    if added is crowd:
        _put_into_carts(room, crowd)
        return
    for event, at_ms in zip(crowd.events, crowd.at_ms, strict=True):
        if type(event) is CartAdd:
            _put_into_carts(room, Crowd((event,), (at_ms,), at_ms // BUCKET_MS))
        else:
            room.remove_from_cart(event, at_ms)


def _put_into_carts(room: Room, crowd: Crowd) -> None:
    cart_adds: Sequence[CartAdd] = crowd.events
    strangers, people = room.strangers, room.cart_people
    adds = [(added.user_id, added.quantity, at_ms) for added, at_ms in zip(cart_adds, crowd.at_ms, strict=True)]
    for (sale_id, sku_id), of_sku in by_room([(added.sale_id, added.sku_id) for added in cart_adds], adds).items():
        if sale_id is None:
            continue
        ledger = room.ledger(sale_id, sku_id)
        if ledger is None:
            for _ in of_sku[1:]:
                room.refuse_sale()  # each of them is refused
            continue
        known = [each for each in of_sku if each[0] not in strangers]
        ledger.add_carters([user_id for user_id, _, _ in known])
        if people is not None and known:
            room.put_into_carts(ledger, people, known)


def _count_cart_adds(room: Room, crowd: Crowd) -> None:
    cart_adds: Sequence[CartAdd] = crowd.events
    room.cart_adds += len(cart_adds)
    if room.audiences[CARTERS].is_exact_with(len(cart_adds)):
        _seen(room, (ENGAGED, CARTERS), cart_adds, crowd.seconds)
        bought = room.audiences[BUYERS].session
        for added in cart_adds:
            if bought.may_contain(added.user_id):
                room.carted_and_bought(added.user_id)
    else:
        _seen(room, (ENGAGED,), cart_adds, crowd.seconds)
        people = [(added.user_id, at_ms // BUCKET_MS) for added, at_ms in zip(cart_adds, crowd.at_ms, strict=True)]
        room.met(CARTERS, [each for each in people if each[0] not in room.strangers])


def _fold_visits(room: Room, crowd: Crowd) -> None:
    visits: Sequence[Enter | Leave | ProductClick] = crowd.events
    enter, leave = room.presence.enter, room.presence.leave
    places: dict[type, list[int]] = {Enter: [], Leave: [], ProductClick: []}
    for place, (visit, at_ms) in enumerate(zip(visits, crowd.at_ms, strict=True)):
        places[type(visit)].append(place)
        if isinstance(visit, ProductClick) or (session := room.session_of(visit)) is None:
            continue
        if isinstance(visit, Enter):
            enter(session, at_ms)
        else:
            leave(session, at_ms)
    people = room.cart_people
    if people is not None and (places[Leave] or people.left):
        _go_and_come_back(room, people, crowd)
    seconds = crowd.seconds
    for kind, audience in ((Enter, VIEWERS), (ProductClick, CLICKERS)):
        of_kind = places[kind]
        when = seconds if isinstance(seconds, int) else [seconds[place] for place in of_kind]
        _seen(room, (audience,), [visits[place] for place in of_kind], when)
        if kind is Enter:
            room.views += len(of_kind)
            for second, views in Counter([when] * len(of_kind) if isinstance(when, int) else when).items():
                room.view_tally.add(second, views)


def _go_and_come_back(room: Room, people: People, crowd: Crowd) -> None:
    for visit, at_ms in zip(crowd.events, crowd.at_ms, strict=True):
        if isinstance(visit, Enter):
            if visit.user_id in people.left:
                people.come_back(visit.user_id)
        elif isinstance(visit, Leave) and visit.user_id not in room.strangers:
            people.leave(visit.user_id, at_ms)


def _seen(room: Room, audiences: Sequence[int], events: Sequence[PersonEvent], seconds: Seconds) -> None:
    """Put the people of these events into audiences, second by second."""
    if isinstance(seconds, int):
        people_by_second = {seconds: dict.fromkeys([event.user_id for event in events], seconds)}
    else:
        people_by_second = defaultdict(dict)
        for event, second in zip(events, seconds, strict=True):
            people_by_second[second][event.user_id] = second
    strangers = room.strangers
    for second, people in people_by_second.items():
        if not people.keys().isdisjoint(strangers):
            for user_id in people.keys() & strangers:
                del people[user_id]
        for audience in audiences:
            room.audiences[audience].seen_all(people, second)


# Topic index → how a crowd of its events is folded. Returns those that counted; None: all.
_FOLDS: Mapping[int, Callable[[Room, Crowd], Crowd | None]] = {
    TOPIC_NAMES.index("likes"): _fold_likes,
    TOPIC_NAMES.index("comments"): _fold_comments,
    TOPIC_NAMES.index("cart-adds"): _fold_carts,
    ORDERS: _fold_orders,
    TOPIC_NAMES.index("visits"): _fold_visits,
}


def by_room(room_ids: Sequence[K], items: Sequence[T]) -> dict[K, list[T]]:
    """The items of each room, or of whatever else tells them apart, in their order."""
    if room_ids and room_ids.count(room_ids[0]) == len(room_ids):
        return {room_ids[0]: list(items)}
    found: defaultdict[K, list[T]] = defaultdict(list)
    for room_id, item in zip(room_ids, items, strict=True):
        found[room_id].append(item)
    return found


def newest_by_room(room_ids: Sequence[str], append_time_ms: list[int]) -> dict[str, int]:
    """The greatest append time of each room: that of its last record, but where producers set the times themselves."""
    if sorted(append_time_ms) == append_time_ms:
        return dict(zip(room_ids, append_time_ms, strict=True))
    return {room_id: max(times) for room_id, times in by_room(room_ids, append_time_ms).items()}
