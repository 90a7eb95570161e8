from __future__ import annotations

from typing import Any

from stream.contract.events import RecordsMisplaced
from stream.core.misplaced import Notice
from stream.worker.notices import Notices


class ProducerTwin:
    """Takes what it is sent, or refuses."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes, dict[str, Any]]] = []
        self.refuses = False
        self.stopped = 0

    async def start(self) -> None:
        """Ready."""

    async def send_and_wait(self, topic: str, value: bytes, **how: Any) -> None:
        if self.refuses:
            raise OSError("not allowed")
        self.sent.append((topic, value, how))

    async def stop(self) -> None:
        self.stopped += 1


def notice(room_id: str) -> Notice:
    return Notice(
        2,
        RecordsMisplaced(
            event_id=f"m-{room_id}", room_id=room_id, event_time_ms=5, topic="orders", partition=1, offset=7, count=1
        ),
    )


async def test_a_notice_goes_to_the_rooms_own_partition_under_its_key() -> None:
    twin, counts = ProducerTwin(), list[str]()
    notices = Notices("kafka:9092", "live.interactions", counts.append, lambda **_: twin)
    await notices.tell([])
    await notices.tell([notice("r1")])
    ((topic, value, how),) = twin.sent
    assert (topic, how) == ("live.interactions", {"key": b"r1", "partition": 2, "timestamp_ms": 5})
    assert b'"type":"records_misplaced"' in value


async def test_what_cannot_be_told_is_told_with_the_next_and_gives_no_partition_up() -> None:
    twin, counts = ProducerTwin(), list[str]()
    notices = Notices("kafka:9092", "live.interactions", counts.append, lambda **_: twin)
    twin.refuses = True
    await notices.tell([notice("r1")])
    assert counts == ["failed"]
    twin.refuses = False
    await notices.tell([notice("r2")])
    assert [how["key"] for _, _, how in twin.sent] == [b"r1", b"r2"]
    assert counts == ["failed", "sent", "sent"]
    await notices.stop()
    assert twin.stopped == 2
