"""Events → records of the input topics, in the order of sending.

Every record's timestamp is its event's own time. So history keeps its time, nothing is retimed, too old or ahead, and
totals do not depend on the order of reading.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from stream.contract.catalogue import topic_index_of
from stream.contract.events import TOPIC_NAMES
from stream.contract.recording import RecordedRecord
from stream.sources.timeline import in_time_order

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from stream.contract.events import Event
    from stream.sources.timeline import TimedValue


class SendOrder(StrEnum):
    """The order of sending: by the events' time, or as the rows stand in the file."""

    TIME = "time"
    FILE = "file"


_encoder = msgspec.json.Encoder()


def records_of(events: Iterable[Event], room_id: str, order: SendOrder) -> Iterator[RecordedRecord]:
    """The records of these events of one room. In the order of time, the first leaves when all rows have been read."""
    key = room_id.encode()
    values = _values(events)
    for event_time_ms, topic, value in in_time_order(values) if order is SendOrder.TIME else values:
        yield RecordedRecord(topic=TOPIC_NAMES[topic], timestamp=event_time_ms, value=value, key=key)


def _values(events: Iterable[Event]) -> Iterator[TimedValue]:
    for event in events:
        yield event.event_time_ms, topic_index_of(type(event)), _encoder.encode(event)
