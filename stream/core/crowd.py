"""Likes, comments and cart-adds of one room, many at once: what they do to it is the same as one at a time, cheaper.

Nine of ten events are of these kinds, and in a rush they come in hundreds. Each function takes the events of one kind
in the order of the log, with the second of all of them or of each, and says whether it folded them; when it did not,
for one of them is a duplicate, nothing has happened and the caller folds them one at a time.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, TypeVar

from stream.contract.events import TOPIC_NAMES
from stream.core.rates import BUYERS, CARTERS, ENGAGED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from stream.contract.events import CartAdd, Comment, Like, PersonEvent
    from stream.core.room import Room

    Seconds = int | Sequence[int]

T = TypeVar("T")


def fold_likes(room: Room, likes: Sequence[Like], seconds: Seconds) -> bool:
    """Many likes."""
    if not room.remember_all([like.event_id for like in likes]):
        return False
    room.likes += sum([like.count for like in likes])
    _seen(room, (ENGAGED,), likes, seconds)
    return True


def fold_comments(room: Room, comments: Sequence[Comment], seconds: Seconds) -> bool:
    """Many comments."""
    if not room.remember_all([comment.event_id for comment in comments]):
        return False
    room.comments += len(comments)
    _seen(room, (ENGAGED,), comments, seconds)
    return True


def fold_cart_adds(room: Room, cart_adds: Sequence[CartAdd], seconds: Seconds) -> bool:
    """Many cart-adds; one at a time once carters are sampled, for then it matters who was met when."""
    if not room.audiences[CARTERS].is_exact_with(len(cart_adds)):
        return False
    if not room.remember_all([added.event_id for added in cart_adds]):
        return False
    room.cart_adds += len(cart_adds)
    _seen(room, (ENGAGED, CARTERS), cart_adds, seconds)
    bought = room.audiences[BUYERS].session
    for added in cart_adds:
        if bought.may_contain(added.user_id):
            room.carted_and_bought(added.user_id)
        if added.sale_id is not None and (ledger := room.ledger(added.sale_id, added.sku_id)) is not None:
            ledger.add_carter(added.user_id)
    return True


def _seen(room: Room, audiences: Sequence[int], events: Sequence[PersonEvent], seconds: Seconds) -> None:
    """Put the people of these events into audiences, second by second."""
    people_by_second: dict[int, dict[str, int]] = {}
    if isinstance(seconds, int):
        people_by_second[seconds] = dict.fromkeys([event.user_id for event in events], seconds)
    else:
        for event, second in zip(events, seconds, strict=True):
            people_by_second.setdefault(second, {})[event.user_id] = second
    for second, people in people_by_second.items():
        for audience in audiences:
            room.audiences[audience].seen_all(people, second)


# Topic index → how a crowd of its events is folded; each of these topics carries one type.
FOLDS_OF_CROWDS: Mapping[int, Callable[[Room, Sequence[Any], Seconds], bool]] = {
    TOPIC_NAMES.index("likes"): fold_likes,
    TOPIC_NAMES.index("comments"): fold_comments,
    TOPIC_NAMES.index("cart-adds"): fold_cart_adds,
}


def by_room(room_ids: Sequence[str], items: Sequence[T]) -> dict[str, list[T]]:
    """The items of each room, in their order."""
    found: defaultdict[str, list[T]] = defaultdict(list)
    for room_id, item in zip(room_ids, items, strict=True):
        found[room_id].append(item)
    return found


def newest_by_room(room_ids: Sequence[str], append_time_ms: list[int]) -> dict[str, int]:
    """The greatest append time of each room: that of its last record, but where producers set the times themselves."""
    if sorted(append_time_ms) == append_time_ms:
        return dict(zip(room_ids, append_time_ms, strict=True))
    return {room_id: max(times) for room_id, times in by_room(room_ids, append_time_ms).items()}
