"""Which event ids rooms have had, and when last: an id names an event of one topic of one room.

Workers of old knew no topics of ids. What one of them folded is kept as of any topic: it is known in each.
"""

from __future__ import annotations

from stream.contract.events import TOPIC_NAMES

ANY_TOPIC = ""


class SeenIds:
    """Of all rooms."""

    def __init__(self) -> None:
        self._seen_ms: dict[str, dict[tuple[str, str], int]] = {topic: {} for topic in (ANY_TOPIC, *TOPIC_NAMES)}

    def __len__(self) -> int:
        return sum(map(len, self._seen_ms.values()))

    def last_ms(self, room_id: str, event_id: str, topic: str) -> int | None:
        """When an id was seen last that is known in a topic; `ANY_TOPIC`: in one of all. None: it was not."""
        name, seen_ms = (room_id, event_id), self._seen_ms
        if topic and not seen_ms[ANY_TOPIC]:
            return seen_ms[topic].get(name)
        topics = (topic, ANY_TOPIC) if topic else seen_ms
        return max((seen_ms[each][name] for each in topics if name in seen_ms[each]), default=None)

    def see(self, room_id: str, event_id: str, topic: str, at_ms: int) -> None:
        """An id was seen in a topic, or by somebody who did not ask in which."""
        self._seen_ms[topic][room_id, event_id] = at_ms

    def is_elsewhere(self, room_id: str, event_id: str, topic: str) -> bool:
        """Whether an id names an event of another topic as well."""
        name = (room_id, event_id)
        return any(name in seen_ms for each, seen_ms in self._seen_ms.items() if each != topic and each)

    def forget(self, before_ms: int) -> None:
        """Let go of ids that were seen last before a moment."""
        for topic, seen_ms in self._seen_ms.items():
            self._seen_ms[topic] = {name: at_ms for name, at_ms in seen_ms.items() if at_ms >= before_ms}
