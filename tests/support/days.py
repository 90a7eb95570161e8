"""Days of a room, written by hand as a recording: what happened when, and what of it was stored when."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec

from stream.contract.catalogue import BUILT_IN
from stream.contract.recording import RecordedRecord, write_recording

if TYPE_CHECKING:
    from pathlib import Path

T0_MS = 1_795_780_000_000 // 60_000 * 60_000
TOPIC_OF = {name: topic for name, (topic, _) in BUILT_IN.types.items()}


class Days:
    """Records in the making; times are seconds after `T0_MS`."""

    def __init__(self, room: str = "r1") -> None:
        self.room = room
        self.records: list[RecordedRecord] = []

    def add(
        self,
        at_s: float,
        kind: str,
        *,
        stored_s: float | None = None,
        event_id: str = "",
        room: str = "",
        **fields: Any,
    ) -> None:
        """Add an event of `at_s`, stored at once or at `stored_s`."""
        at_ms, room = T0_MS + round(at_s * 1_000), room or self.room
        event = {"type": kind, "event_id": event_id or f"e{len(self.records)}", "room_id": room, "event_time_ms": at_ms}
        stored_ms = at_ms if stored_s is None else T0_MS + round(stored_s * 1_000)
        self.raw(TOPIC_OF[kind], msgspec.json.encode(event | fields), stored_ms, room)

    def raw(self, topic: str, value: bytes | None, stored_ms: int, room: str = "") -> None:
        """Add any record."""
        key = (room or self.room).encode()
        self.records.append(RecordedRecord(topic=topic, timestamp=stored_ms, value=value, key=key))

    def order(
        self,
        at_s: float,
        status: str,
        order_id: str = "o1",
        *,
        lines: list[tuple[str, str | None, int, int]] | None = None,
        currency: str = "CNY",
        **fields: Any,
    ) -> None:
        """Add an order; `lines`: SKU, sale, units, amount of each."""
        told = [
            {"sku_id": sku, "quantity": units, "amount_minor": amount} | ({"sale_id": sale} if sale else {})
            for sku, sale, units, amount in lines or [("k1", "s1", 1, 900)]
        ]
        of: dict[str, Any] = {"user_id": f"u-{order_id}", "order_id": order_id, "status": status, "currency": currency}
        self.add(at_s, "order", lines=told, **of, **fields)

    def sale(self, at_s: float, *, offered: int = 50, ends_s: float = 600, **fields: Any) -> None:
        """Add the opening of sale `s1` of `k1`, which starts now."""
        told: dict[str, Any] = {"sale_id": "s1", "sku_id": "k1", "offered": offered}
        told["starts_at_ms"] = T0_MS + round(at_s * 1_000)
        self.add(at_s, "sale_opened", **(told | {"ends_at_ms": T0_MS + round(ends_s * 1_000)} | fields))

    def in_order(self) -> list[RecordedRecord]:
        """The records as they were stored."""
        return sorted(self.records, key=lambda record: record.timestamp)

    def as_from_kafka(self, partition: int = 3, first_offset: int = 100) -> list[RecordedRecord]:
        """The records as they were stored, each with a place."""
        seen = Counter[str]()
        placed = []
        for record in self.in_order():
            offset = first_offset + seen[record.topic]
            seen[record.topic] += 1
            placed.append(msgspec.structs.replace(record, partition=partition, offset=offset))
        return placed

    def written(self, path: Path) -> Path:
        """The path of the recording, now written."""
        write_recording(path, self.in_order())
        return path
