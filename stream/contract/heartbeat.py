"""Heartbeats: each worker's word in Redis that the worker reads Kafka and folds, and what all of them say together.

A heartbeat names no host, no process and no room. Its key runs out by itself when the worker writes no more.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta, Struct

if TYPE_CHECKING:
    from collections.abc import Iterable

# A worker writes its heartbeat this often, and the key lives for this long after it.
HEARTBEAT_EVERY_S = 1.0
HEARTBEAT_TTL_MS = 5_000
MAX_HEARTBEAT_BYTES = 64 << 10


def heartbeat_key(prefix: str, worker: str) -> str:
    """The key in Redis of one worker's heartbeat. `worker`: a random name, made anew by each process."""
    return f"{prefix}:v1:{{worker:{worker}}}:heartbeat"


class Heartbeat(Struct, frozen=True):
    """What a worker says of itself.

    Attributes:
        at_ms: the worker's wall clock; another value with each heartbeat.
        folds: the partitions that the worker folds, and of which Kafka answered lately.
        of: how many partitions each input topic has.
    """

    at_ms: int
    folds: list[Annotated[int, Meta(ge=0)]]
    of: Annotated[int, Meta(ge=1)]


class PipelineState(StrEnum):
    """Whether anybody folds what is sent."""

    UP = "up"  # every partition is folded
    PARTLY = "partly"  # some partitions are folded: rooms of the others stand still
    DOWN = "down"  # no worker was heard


class Pipeline(Struct, frozen=True):
    """The workers, as a server hears them.

    `workers`: those that read Kafka and fold, heard within the last seconds; 0: the pipeline is down. `heard_ms`: the
    server's clock when any of them was heard last; null: none was, since the server started. `folded` of `partitions`
    are folded by them.
    """

    workers: Annotated[int, Meta(ge=0)]
    heard_ms: int | None = None
    partitions: Annotated[int, Meta(ge=0)] = 0
    folded: Annotated[int, Meta(ge=0)] = 0

    @property
    def state(self) -> PipelineState:
        """The same in one word."""
        if not self.workers:
            return PipelineState.DOWN
        return PipelineState.UP if self.folded >= self.partitions else PipelineState.PARTLY


_decode = msgspec.json.Decoder(Heartbeat).decode


def read_heartbeat(raw: bytes) -> Heartbeat | None:
    """The heartbeat in the bytes that lie under a key; None: they hold none."""
    if len(raw) > MAX_HEARTBEAT_BYTES:
        return None
    try:
        return _decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def pipeline_of(heartbeats: Iterable[Heartbeat], heard_ms: int | None) -> Pipeline:
    """What heartbeats say together. A partition that two workers name during a take-over is one partition."""
    known = list(heartbeats)
    folded = {partition for each in known for partition in each.folds}
    partitions = max((each.of for each in known), default=0)
    return Pipeline(len(known), heard_ms, partitions, len(folded))
