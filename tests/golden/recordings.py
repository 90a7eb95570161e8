"""The recordings of `record.py`, read: what Snapup 4013363 was given, did, saved, journalled and published."""

from __future__ import annotations

import gzip
from base64 import b64decode
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from stream.core.partition import PartitionFold
from stream.core.rules import Rules
from tests.support.rooms import TOPICS, Rec

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stream.core.publishing import Published

FOLDER = Path(__file__).parent / "v1"
NAMES = ("seed-1", "seed-2", "seed-3", "rush", "every_kind")
META_KEY = b"m"


class Counts(Struct, frozen=True):
    """How many records each output topic had after a transaction."""

    checkpoints: int
    dead_letters: int
    signals: int
    journal: int


NOTHING = Counts(0, 0, 0, 0)


class Recording(Struct, frozen=True):
    """One recording. `done`: see `record.py`; the rest are the logs of one partition, in their order."""

    partition: int
    topics: tuple[str, ...]
    inputs: list[list[Rec]]
    done: list[list[Any]]
    checkpoints: list[tuple[bytes, bytes | None]]
    journal: list[bytes]
    signals: list[tuple[str, bytes]]
    dead_letters: list[tuple[bytes | None, bytes | None, list[tuple[str, bytes]]]]
    transactions: list[Counts]
    documents: dict[str, bytes]
    versions: dict[str, dict[str, Any]]

    def take_overs(self) -> Iterator[tuple[int, Rules, int]]:
        """Epoch, rules, and how many checkpoint records the new owner found."""
        for what, *rest in self.done:
            if what == "take over":
                epoch, rules, count = rest
                yield epoch, rules_of(rules), count

    def piece(self, topic_index: int, first: int, end: int) -> list[Rec]:
        """The records of a topic with these offsets."""
        return [record for record in self.inputs[topic_index] if first <= record.offset < end]

    def written(self, number: int) -> tuple[Counts, Counts]:
        """Where each log stood before and after a transaction."""
        return self.transactions[number - 1] if number else NOTHING, self.transactions[number]

    def state(self, count: int) -> Iterator[tuple[bytes, bytes | None]]:
        """The state records among the first `count` of the checkpoint."""
        return ((key, value) for key, value in self.checkpoints[:count] if key != META_KEY)

    def meta(self, count: int) -> dict[str, Any] | None:
        """The last meta record among the first `count` of the checkpoint."""
        for key, value in reversed(self.checkpoints[:count]):
            if key == META_KEY:
                assert value is not None
                meta: dict[str, Any] = msgspec.json.decode(value)
                return meta
        return None


def rules_of(saved: dict[str, Any]) -> Rules:
    """Settings of then: what has come since is as it was then."""
    return msgspec.convert(saved, Rules)


@cache
def recording(name: str) -> Recording:
    """A recording by its name."""
    saved: dict[str, Any] = msgspec.json.decode(gzip.decompress((FOLDER / f"{name}.json.gz").read_bytes()))
    return Recording(
        partition=saved["partition"],
        topics=tuple(saved["topics"]),
        inputs=[
            [Rec(_bytes(value), _bytes(key), at, ms, tuple(_headers(more))) for at, ms, key, value, more in topic]
            for topic in saved["inputs"]
        ],
        done=saved["done"],
        checkpoints=[(key.encode(), _bytes(value)) for key, value in saved["checkpoints"]],
        journal=[b64decode(value) for value in saved["journal"]],
        signals=[(room_id, b64decode(value)) for room_id, value in saved["signals"]],
        dead_letters=[(_bytes(key), _bytes(value), _headers(more)) for key, value, more in saved["dead_letters"]],
        transactions=[Counts(**counts) for counts in saved["transactions"]],
        documents={key: b64decode(value) for key, value in saved["redis"]["documents"].items()},
        versions=saved["redis"]["versions"],
    )


def restored(found: Recording, count: int, rules: Rules, topics: tuple[str, ...] = TOPICS) -> PartitionFold:
    """What a worker of now makes of the first `count` records of a checkpoint."""
    fold = PartitionFold(found.partition, rules, topics)
    for key, value in found.state(count):
        fold.load(key, value)
    meta = found.meta(count)
    if meta is not None:
        fold.loaded([meta["positions"].get(topic, 0) for topic in topics], meta["clock_ms"])
    return fold


def digest(documents: Sequence[Published]) -> str:
    """Of published documents, as the recordings have it."""
    found = blake2b(digest_size=16)
    for each in documents:
        found.update(f"{each.room_id} {each.rev} {each.ttl_ms} {each.append_ms} ".encode() + each.document)
    return found.hexdigest()


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else b64decode(text)


def _headers(pairs: list[list[str]]) -> list[tuple[str, bytes]]:
    return [(name, b64decode(value)) for name, value in pairs]
