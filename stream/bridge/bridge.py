"""Lines of a platform's JSON → events, each message accounted for. Total: no line raises."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from stream.bridge.books import Books
from stream.bridge.draft import Draft
from stream.bridge.messages import Message, messages_of
from stream.bridge.reasons import NoEventError, Note, Reason
from stream.bridge.rooms import Rooms
from stream.contract.catalogue import topic_index_of
from stream.contract.decode import Decoder
from stream.contract.events import TOPIC_NAMES
from stream.contract.foreign_ids import contract_id
from stream.contract.foreign_times import foreign_time_ms
from stream.contract.recording import RecordedRecord
from stream.contract.refusal import DeadLetter
from stream.mechanics.kinds import CATALOGUE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stream.bridge.platforms import Platform
    from stream.contract.events import Event

_encode = msgspec.json.Encoder().encode
_CONNECTED = ("connected", "connect")


class Bridge:
    """Reads the lines of one platform.

    Args:
        platform: the platform, with its adapter; an adapter with a memory belongs to one bridge.
        room: the room of all events; None: the platform's own.

    Attributes:
        books: what became of each message.
        rooms: what is remembered of rooms.
        last_refusal: why the contract refused an event, in words; such an event is a fault of the adapter.
    """

    def __init__(self, platform: Platform, room: str | None = None) -> None:
        self.platform = platform
        self.books = Books()
        self.rooms = Rooms()
        self.last_refusal = ""
        self._room = room
        self._adapter = platform.adapter()
        self._decoders: dict[int, Decoder] = {}

    def connected(self, arrived_ms: int | None) -> None:
        """Whoever sends the lines connected, for the first time or again."""
        self.rooms.connect(arrived_ms)

    def refuse(self, reason: Reason, line: bytes) -> None:
        """Account for a line that its source did not hand over. `line`: its beginning, as far as it is known."""
        self.books.lines += 1
        self.books.messages += 1
        self.books.note_reason(reason, line)

    def take(self, line: bytes, arrived_ms: int | None) -> list[RecordedRecord]:
        """The records of one line, in the order of its messages; the room is their key.

        Args:
            line: a message, or several in an array, as JSON; bare or in a wrapper.
            arrived_ms: when the line was heard, for messages that do not say it; None: nobody knows.
        """
        if not line.strip():
            return []
        self.books.lines += 1
        records: list[RecordedRecord] = []
        for message in self._messages(line):
            self.books.messages += 1
            if isinstance(message, Reason):
                self.books.note_reason(message, line)
                continue
            said_ms = foreign_time_ms(message.received_at)
            heard_ms = arrived_ms if said_ms is None else said_ms
            try:
                draft = self._draft(message, heard_ms)
                made = [self._record(event, heard_ms) for event in draft.events]
            except NoEventError as error:
                self.books.note_reason(error.reason, line)
                if error.reason is Reason.IGNORED_KIND:
                    self.books.note_kind(message.kind)
                continue
            self.books.note_events(draft.events, draft.notes)
            records += made
        return records

    def _messages(self, line: bytes) -> Iterator[Message | Reason]:
        for message in messages_of(line):
            if isinstance(message, Reason) or self.platform.batches is None:
                yield message
            else:
                yield from self.platform.batches(message)

    def _draft(self, message: Message, arrived_ms: int | None) -> Draft:
        platform = self.platform
        room = self._room
        if room is None and message.room is not None:
            room = contract_id(message.room)
        if message.kind in _CONNECTED and platform.cuts_backlog:
            self.rooms.connect(arrived_ms, room)
            raise NoEventError(Reason.CONNECTED)
        rooms = self.rooms if platform.cuts_backlog else None
        draft = Draft(platform.prefix, platform.name, room, arrived_ms, rooms)
        if message.half_character:
            draft.notes[Note.HALF_CHARACTER] += 1
        self._adapter(message, draft)
        if not draft.events:
            raise NoEventError(Reason.IGNORED_KIND)
        return draft

    def _record(self, event: Event, arrived_ms: int | None) -> RecordedRecord:
        """The record of an event, looked at by the contract's own decoder.

        Raises:
            NoEventError: the contract refuses the event.
        """
        topic, key = topic_index_of(type(event)), event.room_id.encode()
        time_ms = event.event_time_ms if arrived_ms is None else arrived_ms
        record = RecordedRecord(topic=TOPIC_NAMES[topic], timestamp=time_ms, value=_encode(event), key=key)
        decoder = self._decoders.get(topic)
        if decoder is None:
            decoder = self._decoders[topic] = Decoder(topic, catalogue=CATALOGUE)
        answer = decoder.decode(record.value, key, time_ms)
        if isinstance(answer, DeadLetter):
            self.last_refusal = f"{type(event).__name__}: {answer.detail}"
            raise NoEventError(Reason.REFUSED)
        return record
