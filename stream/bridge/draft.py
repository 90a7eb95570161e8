"""The events of one message as they are made: room, time and ids by the rules that all platforms share."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec

from stream.bridge.displayed import Shown
from stream.bridge.ids import content_id, joined_id
from stream.bridge.nodes import Node, id_text, whole
from stream.bridge.reasons import NoEventError, Note, Reason
from stream.contract.events import (
    MAX_AGE_MS,
    MAX_AHEAD_MS,
    MAX_COMMENT_CHARS,
    MAX_ID_CHARS,
    MAX_SAFE_INTEGER,
    MAX_TAPS,
    Comment,
    Enter,
    Event,
    Like,
)
from stream.contract.foreign_ids import contract_id, person_id
from stream.contract.foreign_text import fit_text
from stream.contract.foreign_times import foreign_time_ms
from stream.contract.people import UNKNOWN_USER
from stream.mechanics.follows.events import Follow
from stream.mechanics.gauges.events import Gauge
from stream.mechanics.gifts.events import MAX_COINS_EACH, MAX_GIFTS, Gift
from stream.mechanics.shares.events import Share

if TYPE_CHECKING:
    from stream.bridge.rooms import Rooms

# Of one message: a batch of more taps, or a combo of more gifts, is an error and no event.
MAX_PARTS = 100


class Draft:
    """The events of one message. An adapter calls `at` first, then makes events; it raises NoEventError for none.

    Attributes:
        events: those made so far.
        notes: what was read into the message.
        room_id: the room of all events.
        arrived_ms: when the bridge heard it; None: of a file that does not say.
        time_ms: the time of the events, once `at` was called.
    """

    def __init__(self, prefix: str, source: str, room: str | None, arrived_ms: int | None, rooms: Rooms | None) -> None:
        self.prefix = prefix
        self.source = source
        self.arrived_ms = arrived_ms
        self.events: list[Event] = []
        self.notes: Counter[Note] = Counter()
        self.room_id = room or ""
        self.time_ms = 0
        self._rooms = rooms

    # -- what all events share -----------------------------------------------------------------------------------------
    def room(self, value: Node) -> None:
        """Take the platform's room where the user named none. Raises NoEventError where there is neither."""
        if not self.room_id:
            name = id_text(value)
            if name is None:
                raise NoEventError(Reason.NO_ROOM)
            self.room_id = self.id(name)

    def at(self, *times: Node) -> None:
        """Take the first of these times that can be read, else that of arrival.

        Raises:
            NoEventError: no time at all, one that no worker takes, or one before the bridge connected.
        """
        said = (foreign_time_ms(value) for value in times)
        time_ms = next((each for each in said if each is not None), None)
        arrived_ms = self.arrived_ms
        if time_ms is None:
            self.notes[Note.TIME_OF_ARRIVAL] += 1
            time_ms = arrived_ms
            if time_ms is None and self._rooms is not None:
                time_ms = self._rooms.newest_ms(self.room_id)
            if time_ms is None:
                raise NoEventError(Reason.NO_TIME)
        if arrived_ms is not None and time_ms > arrived_ms + MAX_AHEAD_MS:
            self.notes[Note.TIME_AHEAD] += 1
            time_ms = arrived_ms
        if time_ms > MAX_SAFE_INTEGER:
            raise NoEventError(Reason.NO_TIME)
        if self._rooms is not None and self._rooms.is_backlog(self.room_id, time_ms, arrived_ms):
            raise NoEventError(Reason.BACKLOG)
        if arrived_ms is not None and time_ms < arrived_ms - MAX_AGE_MS:
            raise NoEventError(Reason.TOO_OLD)
        self.time_ms = time_ms

    def id(self, *parts: str) -> str:
        """A contract id with the platform's prefix; hashed where it would be too long."""
        return self._contract_id(self.prefix, *parts)

    def plain_id(self, *parts: str) -> str:
        """A contract id without prefix; hashed where it would be too long."""
        return self._contract_id("", *parts)

    def guest(self, order_id: str) -> str:
        """The user id of an order without a customer: `guest:<order>`."""
        return self._contract_id("guest:", order_id)

    def _contract_id(self, prefix: str, *parts: str) -> str:
        made = joined_id(prefix, *parts)
        if made.hashed:
            self.notes[Note.ID_HASHED] += 1
        return made.id

    def user(self, value: Node) -> str:
        """The user id; `-` where the platform does not say who."""
        user_id = person_id(id_text(value), self.prefix)
        if user_id == UNKNOWN_USER:
            self.notes[Note.USER_UNKNOWN] += 1
        return user_id

    def known_user(self, value: Node) -> str:
        """The user id. Raises NoEventError where the platform does not say who."""
        user_id = person_id(id_text(value), self.prefix)
        if user_id == UNKNOWN_USER:
            raise NoEventError(Reason.NO_USER)
        return user_id

    def message_id(self, value: Node, kind: str, user_id: str, body: Node) -> str:
        """The event id: of the platform's message id, else made of what the message says."""
        name = id_text(value)
        return self.id(name) if name is not None else self.made_id(kind, user_id, body)

    def made_id(self, kind: str, user_id: str, body: Node) -> str:
        """An event id for a message that has none. Call `at` first: the time is a part of it."""
        self.notes[Note.ID_MADE] += 1
        said = msgspec.json.encode([kind, user_id, self.time_ms, body], order="deterministic")
        return content_id(self.prefix, said)

    # -- events --------------------------------------------------------------------------------------------------------
    def comment(self, event_id: str, user_id: str, text: str) -> None:
        """Somebody wrote a line. Raises NoEventError where it is empty."""
        if not text:
            raise NoEventError(Reason.NO_TEXT)
        if len(text) > MAX_COMMENT_CHARS:
            self.notes[Note.TEXT_CUT] += 1
            text = fit_text(text)
        self.events.append(Comment(**self._of(event_id), user_id=user_id, text=text))

    def like(self, event_id: str, user_id: str, count: int) -> None:
        """Somebody tapped `count` times; several events where one cannot hold them, `<id>`, `<id>:2` and so on."""
        for number, part in enumerate(_parts(count, MAX_TAPS), 1):
            each_id = event_id if number == 1 else self._more(event_id, number)
            self.events.append(Like(**self._of(each_id), user_id=user_id, count=part))

    def enter(self, event_id: str, user_id: str) -> None:
        """Somebody opened the room."""
        self.events.append(Enter(**self._of(event_id), user_id=user_id))

    def follow(self, event_id: str, user_id: str) -> None:
        """Somebody follows the host."""
        self.events.append(Follow(**self._of(event_id), user_id=user_id))

    def share(self, event_id: str, user_id: str) -> None:
        """Somebody shared the room."""
        self.events.append(Share(**self._of(event_id), user_id=user_id))

    def gift(self, event_id: str, user_id: str, gift_id: str, count: int, coins_each: int | None) -> None:
        """Somebody sent `count` gifts; several events where one cannot hold them. `coins_each` None: not known."""
        for number, part in enumerate(_parts(count, MAX_GIFTS), 1):
            each_id = event_id if number == 1 else self._more(event_id, number)
            self._gift(each_id, user_id, gift_id, part, coins_each, None)

    def gift_worth(self, event_id: str, user_id: str, gift_id: str, count: int, coins: int) -> None:
        """Somebody sent `count` gifts that are worth `coins` together: exact in both, in as many events as that takes.

        Of gifts whose share is no whole coin some are worth one more. What is worth more than the contract's most for
        one gift is told as several gifts.
        """
        if not 0 < count <= MAX_GIFTS * MAX_PARTS:
            raise NoEventError(Reason.NOTHING_COUNTED if count <= 0 else Reason.OUT_OF_RANGE)
        if coins > count * MAX_COINS_EACH:
            self.notes[Note.GIFT_SPLIT] += 1
            count = -(-coins // MAX_COINS_EACH)
        each, more = divmod(coins, count)
        if count > more:
            self.gift(event_id, user_id, gift_id, count - more, each)
        if more:
            self.gift(self._more(event_id, "rest"), user_id, gift_id, more, each + 1)

    def combo(self, user_id: str, gift_id: str, streak: str, count: int, coins_each: int | None) -> None:
        """A combo of a user and a gift stands at `count`: its greatest count counts, whatever is lost or repeated.

        The gift mechanic keeps the greatest, so nothing is remembered here. The id says the count: the closing message
        repeats the last number under another message id.
        """
        for number, part in enumerate(_parts(count, MAX_GIFTS), 1):
            names = [streak, *([str(number)] if number > 1 else [])]
            # A message without the gift's price must not stand before one that has it.
            unpriced = ["unpriced"] if coins_each is None else []
            event_id = self.id(*names, gift_id, user_id.removeprefix(self.prefix), str(part), *unpriced)
            self._gift(event_id, user_id, gift_id, part, coins_each, self.id(*names))

    def gauge(self, event_id: str, **figures: Shown | None) -> None:
        """The platform's own figures: one event for each precision. Raises NoEventError where there are none."""
        for precision in ("exact", "rounded", "at_least"):
            values: dict[str, Any] = {
                name: shown.value for name, shown in figures.items() if shown and shown.precision == precision
            }
            if values:
                each_id = event_id if precision == "exact" else self._more(event_id, precision)
                self.events.append(Gauge(**self._of(each_id), source=self.source, precision=precision, **values))
        if not any(figures.values()):
            raise NoEventError(Reason.NOTHING_COUNTED)

    def whole_gauge(self, event_id: str, **figures: Node) -> None:
        """The platform's own figures that are whole numbers, as numbers or text.

        Below 0 is not said, nor is 0 of anything but `viewers_now`: a library writes 0 for what it was not told.
        """
        numbers = {name: -1 if value is None else whole(value) for name, value in figures.items()}
        least = {"viewers_now": 0}
        said = {name: Shown(number, "exact") for name, number in numbers.items() if number >= least.get(name, 1)}
        if any(shown.value > MAX_SAFE_INTEGER for shown in said.values()):
            raise NoEventError(Reason.OUT_OF_RANGE)
        self.gauge(event_id, **said)

    def coins_each(self, gift_id: str, said: int | None) -> int | None:
        """What one gift costs, as this message or an earlier one says; None: not known."""
        return said if self._rooms is None else self._rooms.coins_each(gift_id, said)

    def _gift(
        self, event_id: str, user_id: str, gift_id: str, count: int, coins_each: int | None, streak_id: str | None
    ) -> None:
        if coins_each is None:
            self.notes[Note.COINS_UNKNOWN] += 1
            coins_each = 0
        if not 0 <= coins_each <= MAX_COINS_EACH:
            raise NoEventError(Reason.OUT_OF_RANGE)
        self.events.append(
            Gift(
                **self._of(event_id),
                user_id=user_id,
                gift_id=self.plain_id(gift_id),
                count=count,
                coins_each=coins_each,
                streak_id=streak_id,
            )
        )

    def _more(self, event_id: str, which: int | str) -> str:
        """The id of a further event of one message: `<id>:2`."""
        made = f"{event_id}:{which}"
        if len(made) <= MAX_ID_CHARS:
            return made
        self.notes[Note.ID_HASHED] += 1
        return contract_id(made, self.prefix)

    def _of(self, event_id: str) -> dict[str, Any]:
        return {"event_id": event_id, "room_id": self.room_id, "event_time_ms": self.time_ms}


def _parts(count: int, most: int) -> list[int]:
    """The count in parts of at most `most`, the last with the rest. Raises NoEventError for none or far too many."""
    if count <= 0:
        raise NoEventError(Reason.NOTHING_COUNTED)
    if count > most * MAX_PARTS:
        raise NoEventError(Reason.OUT_OF_RANGE)
    return [most] * ((count - 1) // most) + [(count - 1) % most + 1]
