"""The event ids that rooms have had, with their last times. An id names an event of one topic of one room.

Old workers did not tell topics apart. An id from such a worker is kept as one of any topic: it is known in each.
"""

from __future__ import annotations

from stream.contract.events import TOPIC_NAMES

ANY_TOPIC = ""


class SeenIds:
    """The event ids of all rooms."""

    def __init__(self) -> None:
        self._seen_ms: dict[str, dict[tuple[str, str], int]] = {topic: {} for topic in (ANY_TOPIC, *TOPIC_NAMES)}

    def __len__(self) -> int:
        return sum(map(len, self._seen_ms.values()))

    def last_ms(self, room_id: str, event_id: str, topic: str) -> int | None:
        """The last time of an id that is known in a topic (`ANY_TOPIC`: in any); None: it is not known."""
        name, seen_ms = (room_id, event_id), self._seen_ms
        if topic and not seen_ms[ANY_TOPIC]:
            return seen_ms[topic].get(name)
        topics = (topic, ANY_TOPIC) if topic else seen_ms
        return max((seen_ms[each][name] for each in topics if name in seen_ms[each]), default=None)

    def see(self, room_id: str, event_id: str, topic: str, at_ms: int) -> None:
        """Note an id in a topic, or in `ANY_TOPIC` for a worker that did not tell topics apart."""
        self._seen_ms[topic][room_id, event_id] = at_ms

    def is_elsewhere(self, room_id: str, event_id: str, topic: str) -> bool:
        """Whether the id also names an event of another topic."""
        name = (room_id, event_id)
        return any(name in seen_ms for each, seen_ms in self._seen_ms.items() if each != topic and each)

    def forget(self, before_ms: int) -> None:
        """Drop ids last seen before a moment."""
        for topic, seen_ms in self._seen_ms.items():
            self._seen_ms[topic] = {name: at_ms for name, at_ms in seen_ms.items() if at_ms >= before_ms}
