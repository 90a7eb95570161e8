"""What each kind of event does to its room: one event at a time, and many of one topic together.

Both ways stand side by side, kind by kind, and end the same (`tests/unit/core/test_folds.py`). Only likes, comments,
carts and visits have two: there the second is several times cheaper. `fold_one` and `fold_many` decide what is a
duplicate; no other file does, within a session.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import compress, repeat
from operator import not_
from typing import TYPE_CHECKING, Any

from stream.contract.catalogue import INTERACTIONS
from stream.contract.events import (
    TOPIC_NAMES,
    CartAdd,
    CartRemove,
    Comment,
    Enter,
    Leave,
    Like,
    Order,
    ProductClick,
    RecordsMisplaced,
    RoomClosed,
    RoomOpened,
    SaleClosed,
    SaleExtended,
    SaleOpened,
    SaleRestocked,
)
from stream.core.audiences import (
    BUYERS,
    CARTERS,
    CLICKERS,
    ENGAGED,
    VIEWERS,
    count_buyers_or_carters,
    count_carted_buyer,
)
from stream.core.batch import Batch, by_room
from stream.core.conflicts import Outcome, may_be_among, said_before
from stream.core.engaged import Engaged
from stream.core.orders import fold_orders, forget_orders, hold_by_sale
from stream.core.rounds import begin_round
from stream.core.time import BUCKET_MS
from stream.core.traffic import count_sources
from stream.core.words import drops

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from stream.contract.events import Event, RoomEvent
    from stream.core.batch import AnyBatch, Seconds
    from stream.core.cart_people import CartPeople
    from stream.core.ledger import Ledger
    from stream.core.room import Room
    from stream.core.words import Words

# Below this many events, folding one at a time is faster. Together with `windows.FEW` this saved 25 % of the fold with
# 500 busy rooms.
FEW = 4
ORDERS = TOPIC_NAMES.index("orders")


def settle(room: Room, clock_ms: int) -> int:
    """Bring a room to the partition's clock before anything is folded. Returns how many orders were forgotten.

    What a fold does then does not depend on when the room was last looked at.
    """
    room.advance(clock_ms)
    return forget_orders(room, clock_ms - room.rules.remember_orders_ms) if room.orders else 0


def fold_one(room: Room, event: RoomEvent, at_ms: int) -> Outcome:
    """Fold one event. Returns what became of it. Total: any event in any state has an outcome.

    `at_ms`: its effective time.
    """
    if isinstance(event, Order):
        outcome = said_before(room, event)
        if outcome is not None:
            return outcome
        room.remember(event)
    else:  # nothing else is ever in conflict
        pairs = room.ids.take(event)
        if pairs is None:
            return Outcome.DUPLICATE
        if pairs:
            room.shared.used_twice.append((event, pairs))
    return FOLDS[type(event)](room, event, at_ms)


def fold_many(room: Room, topic_index: int, batch: AnyBatch) -> AnyBatch | None:
    """Fold a batch together. Returns the events that counted, which duplicates do not.

    Returns None, and changes nothing, if the batch cannot be folded together or is too small to pay: the caller then
    folds it one at a time.
    """
    fold = _FOLDS_OF_MANY.get(topic_index)
    if fold is None or batch.size < FEW:
        return None
    event_ids = batch.column("event_id")
    if topic_index == ORDERS and room.second_edition:
        return _fold_orders_in_order(room, batch, event_ids)
    new = room.ids.remember_all(topic_index, event_ids)
    if new is not None:
        batch = batch.those(new)
    if pairs := room.ids.used_elsewhere(topic_index, event_ids):
        room.shared.used_twice += _with_pairs(batch.events, pairs)
    return fold(room, batch) or batch


def _with_pairs(events: Iterable[Any], pairs: Mapping[str, int]) -> list[tuple[Any, int]]:
    return [(event, pairs[event.event_id]) for event in events if event.event_id in pairs]


def _seen(room: Room, audiences: Sequence[int], user_ids: Sequence[str], seconds: Seconds) -> None:
    """Put these people into audiences, second by second."""
    if isinstance(seconds, int):
        people_by_second = {seconds: dict.fromkeys(user_ids, seconds)}
    else:
        people_by_second = defaultdict(dict)
        for user_id, second in zip(user_ids, seconds, strict=True):
            people_by_second[second][user_id] = second
    strangers = room.strangers
    for second, people in people_by_second.items():
        if not people.keys().isdisjoint(strangers):
            for user_id in people.keys() & strangers:
                del people[user_id]
        for audience in audiences:
            room.audiences[audience].seen_all(people, second)


# -- likes and comments ------------------------------------------------------------------------------------------------
def _fold_like(room: Room, event: Like, at_ms: int) -> Outcome:
    room.likes += event.count
    if event.user_id not in room.strangers:
        room.audiences[ENGAGED].seen(event.user_id, at_ms // BUCKET_MS)
    return Outcome.APPLIED


def _fold_likes(room: Room, batch: AnyBatch) -> None:
    room.likes += sum(batch.column("count"))
    _seen(room, (ENGAGED,), batch.column("user_id"), batch.seconds)


def _fold_comment(room: Room, event: Comment, at_ms: int) -> Outcome:
    room.comments += 1
    if event.user_id not in room.strangers:
        room.audiences[ENGAGED].seen(event.user_id, at_ms // BUCKET_MS)
    return Outcome.APPLIED


def _fold_comments(room: Room, batch: AnyBatch) -> None:
    room.comments += batch.size
    _seen(room, (ENGAGED,), batch.column("user_id"), batch.seconds)


# -- carts -------------------------------------------------------------------------------------------------------------
def _fold_cart_add(room: Room, event: CartAdd, at_ms: int) -> Outcome:
    bucket = at_ms // BUCKET_MS
    room.cart_adds += 1
    ledger = None if event.sale_id is None else room.ledger(event.sale_id, event.sku_id)
    is_stranger = event.user_id in room.strangers
    if room.products is not None:
        room.products.carted(event.sku_id, () if is_stranger else (event.user_id,), 1)
    if is_stranger:
        return Outcome.APPLIED
    audiences = room.audiences
    audiences[ENGAGED].seen(event.user_id, bucket)
    audiences[CARTERS].seen(event.user_id, bucket)
    count_carted_buyer(audiences, event.user_id)
    if ledger is not None:
        ledger.add_carter(event.user_id)
        if (people := room.cart_people) is not None:
            _put_into_carts(room, ledger, people, [(event.user_id, event.quantity, at_ms)])
    return Outcome.APPLIED


def _fold_cart_remove(room: Room, event: CartRemove, at_ms: int) -> Outcome:
    """Units are taken out of a cart; nothing else changes."""
    room.shared.cart_removed = True
    ledger = None if event.sale_id is None else room.ledger(event.sale_id, event.sku_id)
    people, user_id = room.cart_people, event.user_id
    if people is None or user_id in room.strangers:
        return Outcome.APPLIED
    if ledger is not None:
        room.carts_of(ledger, people).remove(user_id, event.quantity, at_ms)
        ledger.version += 1
    if event.sale_id is None:
        for ledger, carts in people.holding(user_id):
            if ledger.sku_id == event.sku_id and carts.has(user_id, at_ms):
                carts.remove(user_id, event.quantity, at_ms)
                ledger.version += 1
    return Outcome.APPLIED


def _fold_carts(room: Room, batch: AnyBatch) -> None:
    """Additions and removals: people's carts see both in the order of the log."""
    is_added = batch.are(CartAdd)
    if all(is_added):
        _count_cart_adds(room, batch)
        _fold_into_carts(room, batch)
        return
    if any(is_added):
        _count_cart_adds(room, batch.those(is_added))
    for event, at_ms in zip(batch.events, batch.at_ms, strict=True):
        if type(event) is CartAdd:
            _fold_into_carts(room, Batch((event,), (at_ms,), at_ms // BUCKET_MS))
        else:
            _fold_cart_remove(room, event, at_ms)


def _fold_into_carts(room: Room, batch: AnyBatch) -> None:
    strangers, people, products = room.strangers, room.cart_people, room.products
    adds = [*zip(batch.column("user_id"), batch.column("quantity"), batch.at_ms, strict=True)]
    skus = [*zip(batch.column("sale_id"), batch.column("sku_id"), strict=True)]
    for (sale_id, sku_id), of_sku in by_room(skus, adds).items():
        known = [each for each in of_sku if each[0] not in strangers]
        carters = [user_id for user_id, _, _ in known]
        if products is not None:
            products.carted(sku_id, carters, len(of_sku))
        if sale_id is None:
            continue
        ledger = room.ledger(sale_id, sku_id)
        if ledger is None:
            for _ in of_sku[1:]:
                room.refuse_sale()  # each of them is refused
            continue
        ledger.add_carters(carters)
        if people is not None and known:
            _put_into_carts(room, ledger, people, known)


def _put_into_carts(room: Room, ledger: Ledger, people: CartPeople, added: Sequence[tuple[str, int, int]]) -> None:
    """Put units into carts, from the second edition of signals on. `added`: (person, units, ms), as in the log."""
    carts = ledger.carts or room.carts_of(ledger, people)
    if new := carts.add_all(added):
        people.carted(ledger, new)


def _count_cart_adds(room: Room, batch: AnyBatch) -> None:
    user_ids: Sequence[str] = batch.column("user_id")
    room.cart_adds += batch.size
    if room.audiences[CARTERS].is_exact_with(batch.size):
        _seen(room, (ENGAGED, CARTERS), user_ids, batch.seconds)
        bought = room.audiences[BUYERS].session
        for user_id in user_ids:
            if bought.may_contain(user_id):
                count_carted_buyer(room.audiences, user_id)
    else:
        _seen(room, (ENGAGED,), user_ids, batch.seconds)
        people = [(user_id, at_ms // BUCKET_MS) for user_id, at_ms in zip(user_ids, batch.at_ms, strict=True)]
        people = [each for each in people if each[0] not in room.strangers]
        count_buyers_or_carters(room.audiences, CARTERS, people)


# -- visits ------------------------------------------------------------------------------------------------------------
def _session_of(room: Room, session_id: str | None, user_id: str) -> str | None:
    """Returns whose coming and going this is: the session's id, else the user's; None if neither is known."""
    if session_id is not None and session_id not in room.strangers:
        return session_id
    return None if user_id in room.strangers else user_id


def _fold_enter(room: Room, event: Enter, at_ms: int) -> Outcome:
    bucket = at_ms // BUCKET_MS
    room.views += 1
    room.view_tally.add(bucket, 1)
    if event.source is not None:
        count_sources(room, (event.source,))
    if event.user_id not in room.strangers:
        room.audiences[VIEWERS].seen(event.user_id, bucket)
    if (session := _session_of(room, event.session_id, event.user_id)) is not None:
        room.presence.enter(session, at_ms)
    if (people := room.cart_people) is not None and event.user_id in people.left:
        people.come_back(event.user_id)
    return Outcome.APPLIED


def _fold_leave(room: Room, event: Leave, at_ms: int) -> Outcome:
    if (session := _session_of(room, event.session_id, event.user_id)) is not None:
        room.presence.leave(session, at_ms)
    if (people := room.cart_people) is not None and event.user_id not in room.strangers:
        people.leave(event.user_id, at_ms)
    return Outcome.APPLIED


def _fold_click(room: Room, event: ProductClick, at_ms: int) -> Outcome:
    if event.user_id not in room.strangers:
        room.audiences[CLICKERS].seen(event.user_id, at_ms // BUCKET_MS)
    if room.products is not None:
        room.products.clicked((event.sku_id,), (event.user_id,), room.strangers)
    return Outcome.APPLIED


def _fold_visits(room: Room, batch: AnyBatch) -> None:
    are_enters, are_clicks = batch.are(Enter), batch.are(ProductClick)
    if any(are_clicks):
        _count_clicks(room, batch.those(are_clicks))
        are_visits = [*map(not_, are_clicks)]
        batch, are_enters = batch.those(are_visits), [*compress(are_enters, are_visits)]
    _come_and_go(room, batch, are_enters)
    if any(are_enters):
        _count_views(room, batch if all(are_enters) else batch.those(are_enters))


def _come_and_go(room: Room, batch: AnyBatch, are_enters: Sequence[bool]) -> None:
    """Sessions and carts see who comes and who goes in the order of the log."""
    enter, leave = room.presence.enter, room.presence.leave
    session_ids, user_ids = batch.column("session_id"), batch.column("user_id")
    for is_enter, session_id, user_id, at_ms in zip(are_enters, session_ids, user_ids, batch.at_ms, strict=True):
        if (session := _session_of(room, session_id, user_id)) is not None:
            (enter if is_enter else leave)(session, at_ms)
    people = room.cart_people
    if people is None or (not people.left and all(are_enters)):
        return
    for is_enter, user_id, at_ms in zip(are_enters, user_ids, batch.at_ms, strict=True):
        if is_enter:
            if user_id in people.left:
                people.come_back(user_id)
        elif user_id not in room.strangers:
            people.leave(user_id, at_ms)


def _count_views(room: Room, batch: AnyBatch) -> None:
    seconds = batch.seconds
    _seen(room, (VIEWERS,), batch.column("user_id"), seconds)
    room.views += batch.size
    if named := [source for source in batch.column("source") if source is not None]:
        count_sources(room, named)
    for second, views in ({seconds: batch.size} if isinstance(seconds, int) else Counter(seconds)).items():
        room.view_tally.add(second, views)


def _count_clicks(room: Room, batch: AnyBatch) -> None:
    user_ids = batch.column("user_id")
    _seen(room, (CLICKERS,), user_ids, batch.seconds)
    if room.products is not None:
        room.products.clicked(batch.column("sku_id"), user_ids, room.strangers)


# -- orders ------------------------------------------------------------------------------------------------------------
def _fold_order(room: Room, event: Order, at_ms: int) -> Outcome:
    return Outcome.APPLIED if fold_orders(room, (event,), (at_ms,))[0] else Outcome.DUPLICATE


def _fold_orders(room: Room, batch: AnyBatch) -> AnyBatch | None:
    counted = fold_orders(room, batch.events, batch.at_ms)
    return None if all(counted) else batch.those(counted)


def _fold_orders_in_order(room: Room, batch: AnyBatch, event_ids: Sequence[str]) -> AnyBatch | None:
    """Fold orders of the second edition. Returns those that counted; None if one of them may be in conflict.

    Duplicates have their turn too: what they repeat must be known, and is remembered for longer.
    """
    new = room.ids.new_among(ORDERS, event_ids)
    if may_be_among(room, batch.events, new):
        return None
    room.ids.remember_all(ORDERS, event_ids)
    if pairs := room.ids.used_elsewhere(ORDERS, event_ids):
        room.shared.used_twice += _with_pairs(batch.events if new is None else compress(batch.events, new), pairs)
    counted = fold_orders(room, batch.events, batch.at_ms, repeat(True) if new is None else new)
    return batch if all(counted) else batch.those(counted)


# -- sales: one at a time, for hosts say little ------------------------------------------------------------------------
def _fold_sale_opened(room: Room, event: SaleOpened, at_ms: int) -> Outcome:
    ledger = room.ledger(event.sale_id, event.sku_id)
    if ledger is not None:
        round_from_ms, words, hold_ms = ledger.round_from_ms, ledger.words, ledger.hold_ms
        ledger.open(event, in_rounds=room.rules.second_signals)
        _count_dropped(room, words, ledger.words)
        if ledger.round_from_ms != round_from_ms:
            begin_round(room, ledger)
        if ledger.hold_ms != hold_ms and room.rules.second_signals:
            hold_by_sale(room, event.sale_id, event.sku_id, at_ms)
        ledger.said_ms = room.shared.clock_ms
        is_new = len(ledger.words) > 1 or event.prior_price_minor is not None or event.hold_ms is not None
        room.shared.uses_second |= room.rules.second_signals and is_new
    return Outcome.APPLIED


def _fold_sale_restocked(room: Room, event: SaleRestocked, at_ms: int) -> Outcome:
    ledger = room.ledger(event.sale_id, event.sku_id)
    if ledger is not None:
        planned_ms = event.restock_planned_at_ms
        ledger.restock(event.quantity, event.event_time_ms, planned_ms, at_ms, event.event_id)
        ledger.said_ms = room.shared.clock_ms
        room.shared.uses_second |= room.rules.second_signals
    return Outcome.APPLIED


def _fold_sale_extended(room: Room, event: SaleExtended, at_ms: int) -> Outcome:  # noqa: ARG001
    terms = room.terms_of(event.sale_id, event.sku_id)
    if terms is not None:
        words = terms.words
        terms.extend(event)
        _count_dropped(room, words, terms.words)
        terms.said_ms = room.shared.clock_ms
        room.shared.uses_second |= room.rules.second_signals
        _show_anew(room, event.sale_id)
    return Outcome.APPLIED


def _fold_sale_closed(room: Room, event: SaleClosed, at_ms: int) -> Outcome:
    terms = room.terms_of(event.sale_id, event.sku_id)
    if terms is not None:
        words = terms.words
        terms.close(event, at_ms)
        _count_dropped(room, words, terms.words)
        terms.said_ms = room.shared.clock_ms
        room.shared.uses_second |= room.rules.second_signals
        _show_anew(room, event.sale_id)
    return Outcome.APPLIED


def _count_dropped(room: Room, before: Words, after: Words) -> None:
    """Count a word that found no place among the newest. Under the first edition no word is asked for later."""
    room.shared.words_dropped += room.rules.second_signals and drops(before, after)


def _show_anew(room: Room, sale_id: str) -> None:
    """The terms of a sale have changed, and with them what documents show of its ledgers."""
    for _, sku_id in [key for key in room.past if key[0] == sale_id]:
        room.ledger(sale_id, sku_id)
    for ledger in room.ledgers.values():
        if ledger.sale_id == sale_id:
            ledger.version += 1


# -- the room's own words ----------------------------------------------------------------------------------------------
def _fold_room_word(room: Room, event: RoomOpened | RoomClosed, at_ms: int) -> Outcome:  # noqa: ARG001
    return Outcome.APPLIED


def _fold_records_misplaced(room: Room, event: RecordsMisplaced, at_ms: int) -> Outcome:  # noqa: ARG001
    room.misplaced = True
    for ledger in room.ledgers.values():
        ledger.version += 1
    return Outcome.APPLIED


# -- mechanics ---------------------------------------------------------------------------------------------------------
def _fold_interaction(room: Room, event: Event, at_ms: int) -> Outcome:
    counted = _engaged(room).fold(Batch((event,), (at_ms,), at_ms // BUCKET_MS))
    return Outcome.APPLIED if counted is None or counted[0] else Outcome.DUPLICATE


def _fold_interactions(room: Room, batch: Batch) -> Batch | None:
    counted = _engaged(room).fold(batch) if batch.events else None
    return None if counted is None else batch.those(counted)


def _engaged(room: Room) -> Engaged:
    if room.engaged is None:
        room.engaged = Engaged(room, room.shared.installed)
    return room.engaged


class _Folds(dict[type, "Callable[[Room, Any, int], Outcome]"]):
    """What is not built in belongs to a mechanic."""

    def __missing__(self, kind: type) -> Callable[[Room, Any, int], Outcome]:
        return _fold_interaction


# Event type → how one event of it is folded.
FOLDS: Mapping[type, Callable[[Room, Any, int], Outcome]] = _Folds(
    {
        Like: _fold_like,
        Comment: _fold_comment,
        CartAdd: _fold_cart_add,
        CartRemove: _fold_cart_remove,
        Order: _fold_order,
        Enter: _fold_enter,
        Leave: _fold_leave,
        ProductClick: _fold_click,
        SaleOpened: _fold_sale_opened,
        SaleRestocked: _fold_sale_restocked,
        SaleExtended: _fold_sale_extended,
        SaleClosed: _fold_sale_closed,
        RoomOpened: _fold_room_word,
        RoomClosed: _fold_room_word,
        RecordsMisplaced: _fold_records_misplaced,
    }
)
# Topic index → how a batch of its events is folded. Each returns the events that counted; None: all did.
_FOLDS_OF_MANY: Mapping[int, Callable[[Room, Any], AnyBatch | None]] = {
    TOPIC_NAMES.index("likes"): _fold_likes,
    TOPIC_NAMES.index("comments"): _fold_comments,
    TOPIC_NAMES.index("cart-adds"): _fold_carts,
    ORDERS: _fold_orders,
    TOPIC_NAMES.index("visits"): _fold_visits,
    INTERACTIONS: _fold_interactions,
}
