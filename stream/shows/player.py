"""Plays a show: to Kafka in real time, at N times its speed or as fast as possible; or into a recording.

Record timestamps are the show's own: its beginning plus the time of sending. In real time that is the wall clock. A
faster show runs ahead of the wall clock, so its topics must take the producer's time (`CreateTime`).
"""

from __future__ import annotations

import asyncio
from contextlib import ExitStack, asynccontextmanager, suppress
from math import inf
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from msgspec import Struct

from stream import topics
from stream.contract.recording import RecordedRecord, RecordingWriter
from stream.errors import SnapupError
from stream.kafka_clients import client_options
from stream.kafka_refusals import unreachable
from stream.shows.sender import BatchSender
from stream.topics import TIMESTAMP_TYPE, Status

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from stream.kafka_clients import KafkaAt
    from stream.shows.show import Delivery, Show

# Deliveries put into batches before other tasks get a turn: some milliseconds of work.
AT_ONCE = 500
SLEEP_S = 0.002
REPORT_EVERY_S = 0.2
# After Ctrl-C, the time allowed for acknowledgements of what was sent.
DRAIN_S = 10.0


class Played(Struct):
    """The progress of a show. `acknowledged`: records confirmed by the broker. `behind_s`: the delay of sending."""

    sent: int = 0
    acknowledged: int = 0
    show_ms: int = 0
    behind_s: float = 0.0
    interrupted: bool = False


async def play_to_kafka(
    show: Show,
    bootstrap_servers: KafkaAt,
    prefix: str,
    *,
    t0_ms: int,
    speed: float | None,
    journal: Path | None = None,
    report: Callable[[Played], None] = lambda _: None,
) -> Played:
    """Send a show.

    Args:
        show: the show to send.
        bootstrap_servers: the cluster.
        prefix: the prefix of the topics.
        t0_ms: the show's beginning, UTC epoch milliseconds.
        speed: the factor on the show's own speed; None: as fast as the broker accepts records.
        journal: a file for one line per acknowledged record: topic, partition, offset, event_id.
        report: called now and then with the progress.

    Returns:
        The progress at the end; after a cancel (Ctrl-C) what was acknowledged until then, with `interrupted`.

    Raises:
        SnapupError: Kafka does not answer, refuses, or its topics do not allow this speed.
    """
    if speed != 1:
        await _require_create_time(bootstrap_servers, prefix)
    played = Played()
    with ExitStack() as files:
        journal_file = None if journal is None else files.enter_context(journal.open("wb"))
        async with _producer(bootstrap_servers) as producer:
            sender = BatchSender(producer, prefix, t0_ms, journal_file, bootstrap_servers)
            try:
                await _send_all(show.deliveries(t0_ms), sender, speed, played, report)
            except asyncio.CancelledError:
                played.interrupted = True
                if task := asyncio.current_task():
                    task.uncancel()
            with suppress(TimeoutError):
                await sender.drain(DRAIN_S if played.interrupted else None)
            _note_progress(played, sender)
            if not played.interrupted:
                sender.check()
    report(played)
    return played


async def _send_all(
    deliveries: Iterator[Delivery],
    sender: BatchSender,
    speed: float | None,
    played: Played,
    report: Callable[[Played], None],
) -> None:
    now = asyncio.get_running_loop().time
    began = reported = now()
    waiting = next(deliveries, None)
    while waiting is not None:
        due_ms = inf if speed is None else (now() - began) * speed * 1_000
        if waiting.send_ms > due_ms:
            await sender.ship()
            await asyncio.sleep(max(SLEEP_S, (waiting.send_ms - due_ms) / speed / 1_000 if speed else 0.0))
            continue
        played.behind_s = (due_ms - waiting.send_ms) / speed / 1_000 if speed else 0.0
        due, waiting = _due(waiting, deliveries, due_ms)
        await sender.add(due)
        played.show_ms = due[-1].send_ms
        await asyncio.sleep(0)  # without a pause the producer's own tasks would get no time
        if now() - reported >= REPORT_EVERY_S:
            reported = now()
            _note_progress(played, sender)
            report(played)


def _due(first: Delivery, others: Iterator[Delivery], due_ms: float) -> tuple[list[Delivery], Delivery | None]:
    """The deliveries due by now, at most AT_ONCE, and the next one or None."""
    due = [first]
    for delivery in others:
        if delivery.send_ms > due_ms or len(due) >= AT_ONCE:
            return due, delivery
        due.append(delivery)
    return due, None


def _note_progress(played: Played, sender: BatchSender) -> None:
    played.sent, played.acknowledged = sender.sent, sender.acknowledged


@asynccontextmanager
async def _producer(bootstrap_servers: KafkaAt) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(
        **client_options(bootstrap_servers),
        enable_idempotence=True,  # our own retries repeat and reorder nothing; implies acks=all
        max_batch_size=256 * 1024,
    )
    try:
        await producer.start()
    except (KafkaError, OSError) as error:
        await producer.stop()
        raise await unreachable(bootstrap_servers, error) from error
    try:
        yield producer
    finally:
        await producer.stop()


async def _require_create_time(bootstrap_servers: KafkaAt, prefix: str) -> None:
    specs = [spec for spec in topics.declared(prefix, timestamp_type="CreateTime") if spec.kind == "input"]
    for found in await topics.compare(bootstrap_servers, specs, to="Write"):
        if found.status is Status.MISSING:
            raise SnapupError(
                f"The topic {found.name} is missing. Create it: snapup topics apply --timestamp-type CreateTime."
            )
        if any(difference.startswith(TIMESTAMP_TYPE) for difference in found.differences):
            raise SnapupError(
                f"The topic {found.name} stamps records with the broker's clock, so a show can only be played at its "
                "own speed (--speed 1); for another one make topics with `snapup topics apply --timestamp-type "
                "CreateTime --prefix PREFIX` and play into those."
            )


def play_to_file(show: Show, path: Path, *, t0_ms: int, report: Callable[[Played], None] = lambda _: None) -> Played:
    """The progress of writing a show into a recording. Ctrl-C leaves the written part, which is a recording too."""
    played = Played()
    with RecordingWriter(path) as writer:
        try:
            for delivery in show.deliveries(t0_ms):
                writer.write(
                    RecordedRecord(
                        topic=delivery.topic,
                        timestamp=t0_ms + delivery.send_ms,
                        value=delivery.value,
                        key=delivery.key,
                    )
                )
                played.sent = played.acknowledged = writer.records
                played.show_ms = delivery.send_ms
                if played.sent % 10_000 == 0:
                    report(played)
        except KeyboardInterrupt:
            played.interrupted = True
    report(played)
    return played
