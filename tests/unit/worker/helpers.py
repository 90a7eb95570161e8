"""What the worker's unit tests share: records, a configuration without Kafka, and owners that need no producer."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import msgspec

from stream.contract.events import TOPIC_NAMES
from stream.core.partition import PartitionFold
from stream.core.rules import Rules
from stream.worker.checkpoint import Contents, LostError, OutputTopics, Written
from stream.worker.open_transactions import OutputEnds
from stream.worker.ownership import Drained, Slice
from stream.worker.partition_owner import Owner, OwnerConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stream.exits import Exit

NOW_MS = 1_700_000_000_000
TOPICS = tuple(f"live.{name}" for name in TOPIC_NAMES)
LIKES = TOPIC_NAMES.index("likes")
COMMENTS = TOPIC_NAMES.index("comments")


class Fetched(NamedTuple):
    offset: int
    value: bytes | None
    timestamp: int = NOW_MS
    key: bytes | None = b"room-1"
    headers: tuple[tuple[str, bytes], ...] = ()


def like(offset: int, *, taps: int = 1, room: str = "room-1", at_ms: int = NOW_MS) -> Fetched:
    event = {
        "type": "like",
        "event_id": f"like-{room}-{offset}",
        "room_id": room,
        "event_time_ms": at_ms,
        "user_id": "user-1",
        "count": taps,
    }
    return Fetched(offset, msgspec.json.encode(event), at_ms, room.encode())


def comment(offset: int, *, room: str = "room-1", at_ms: int = NOW_MS) -> Fetched:
    event = {
        "type": "comment",
        "event_id": f"comment-{room}-{offset}",
        "room_id": room,
        "event_time_ms": at_ms,
        "user_id": "user-2",
        "text": "nice",
    }
    return Fetched(offset, msgspec.json.encode(event), at_ms, room.encode())


class WriterTwin:
    """Takes transactions instead of Kafka; `fail` is raised by the next one."""

    def __init__(self) -> None:
        self.written: list[Contents] = []
        self.fail: BaseException | None = None
        self.stopped = False

    async def write(self, contents: Contents, *, first_offset: int | None = None) -> Written:
        if self.fail is not None:
            raise self.fail
        if first_offset not in (None, len(self.written)):
            raise LostError(f"the claim landed at {len(self.written)}, the state was read to {first_offset} only")
        self.written.append(contents)
        return Written(len(self.written) - 1, contents.records, 100)

    async def stop(self) -> None:
        self.stopped = True


def make_config(**changes: Any) -> OwnerConfig:
    fields: dict[str, Any] = {
        "bootstrap_servers": "127.0.0.1:1",
        "id_prefix": "test",
        "who": "test:1",
        "topics": TOPICS,
        "outputs": OutputTopics.of("live"),
        "partitions": 4,
        "max_queued_records": 1_000,
        "accept_data_loss": False,
        "output_ends": OutputEnds("127.0.0.1:1"),
        "make_fold": lambda partition: PartitionFold(partition, Rules(), TOPICS),
    }
    return OwnerConfig(**{**fields, **changes})


def live_owner(partition: int = 0, config: OwnerConfig | None = None) -> Owner:
    """An owner as after a take-over with an empty checkpoint, at the beginning of all topics."""
    owner = Owner(config or make_config(), partition)
    owner.writer = WriterTwin()  # type: ignore[assignment]
    owner.epoch = 1
    owner.saved = (0,) * len(TOPICS)
    owner.fold.loaded(list(owner.saved), -1)
    owner.ownership.restored()
    owner.ownership.went_live(owner.ownership.seeking(owner.saved))
    return owner


def twin_of(owner: Owner) -> WriterTwin:
    return cast("WriterTwin", owner.writer)


def drain(
    owner: Owner, topic_index: int, records: Sequence[Fetched], *, end: int | None = None, polled_at_ms: int = NOW_MS
) -> Drained:
    """What a fetch of these records gives; the log ends with them unless told otherwise."""
    position = records[-1].offset + 1 if records else owner.ownership.accepted_to[topic_index]
    return Drained(
        topic_index=topic_index,
        partition=owner.partition,
        token=owner.ownership.token,
        records=records,
        position=position,
        end_offset=position if end is None else end,
        polled_at_ms=polled_at_ms,
    )


def fetched(owner: Owner, topic_index: int, records: Sequence[Fetched], *, end: int | None = None) -> list[Slice]:
    return list(owner.ownership.cut(drain(owner, topic_index, records, end=end), 100))


def all_at_end(owner: Owner, *, besides: int, polled_at_ms: int = NOW_MS) -> None:
    """Every other topic was fetched and is empty."""
    for index in range(len(TOPICS)):
        if index != besides:
            list(owner.ownership.cut(drain(owner, index, [], polled_at_ms=polled_at_ms), 100))


async def until(condition: Callable[[], bool]) -> None:
    """Let other tasks run until the condition holds, 5 s at most."""

    async def wait() -> None:
        while not condition():  # noqa: ASYNC110 — turns of the loop, no time
            await asyncio.sleep(0)

    await asyncio.wait_for(wait(), 5)


class Ends:
    """Takes the end of the process instead of the process."""

    def __init__(self) -> None:
        self.calls: list[tuple[Exit, str]] = []

    def __call__(self, code: Exit, reason: str, **_fields: Any) -> None:
        self.calls.append((code, reason))
