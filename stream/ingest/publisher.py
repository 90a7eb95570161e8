"""Events → Kafka, and the word that all of them are there. Made anew whenever a producer has failed.

An idempotent producer numbers its records. After a refusal, or an answer that it does not get over, it takes nothing
more of that partition: so it is dropped, and what it had not acknowledged the clients send again under the same ids.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, KafkaTimeoutError

from stream import topics
from stream.contract.partitioner import partition_of
from stream.errors import SnapupError
from stream.ingest.outbox import Outbox
from stream.kafka_clients import client_options
from stream.kafka_refusals import AUTHORIZATION_ERRORS, quietly, refused_permission

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from stream.ingest.intake import Accepted
    from stream.ingest.metrics import Metrics
    from stream.kafka_clients import KafkaAt

log = structlog.get_logger(__name__)

LOOK_S = 0.25
AGAIN_S = 1.0
# A producer that has owed an answer for so many time-outs is dropped: whatever holds it up, a new one may pass.
STUCK_TIMEOUTS = 6
STOP_S = 5.0
MAX_BATCH_BYTES = 128 * 1024
# Bound on the rooms whose partition is remembered. A full table is emptied.
MAX_KNOWN_ROOMS = 65_536


class AwayError(Exception):
    """Kafka did not take events, or did not say so in time. What was sent may be there; nothing says that it is."""


class Publisher:
    """One producer at a time.

    Args:
        brokers: the cluster.
        names: full names of the topics, in the contract's order.
        timeout_s: how long an acknowledgement may take.
        metrics: the metrics to count in.
    """

    def __init__(self, brokers: KafkaAt, names: Sequence[str], timeout_s: float, metrics: Metrics) -> None:
        self._brokers = brokers
        self._names = tuple(names)
        self._timeout_s = timeout_s
        self._metrics = metrics
        self._producer: Any = None
        self._outbox: Outbox | None = None
        self._partitions = 0
        self._partition_of: dict[bytes, int] = {}
        # What is under way: when it began, by what gathers its answers. In the order of beginning.
        self._owed: dict[asyncio.Future[Any], float] = {}
        self._dropping: set[asyncio.Task[None]] = set()
        self.problem: str | None = "Kafka was not reached yet"

    def is_away(self) -> bool:
        """Whether it makes no sense to hand over events now."""
        return self._producer is None or self._owed_s() > self._timeout_s

    def _owed_s(self) -> float:
        """How long the oldest answer has been owed."""
        for begun_s in self._owed.values():
            return time.monotonic() - begun_s
        return 0.0

    async def publish(self, events: Sequence[Accepted], settled: Callable[[], None]) -> None:
        """Return when all events are acknowledged.

        Args:
            events: in the order in which those of one room are stored.
            settled: called once nothing of them is held any more, which may be later than the return.

        Raises:
            AwayError: some are not acknowledged, and may never be, or may already be stored.
        """
        outbox = self._outbox
        if outbox is None or self.is_away():
            settled()
            raise AwayError(self.problem or "Kafka has not acknowledged what was sent before")
        begun_s = time.monotonic()
        answers = self._follow(outbox.put(events), begun_s, settled)
        await asyncio.wait([answers], timeout=self._timeout_s)
        failed = _failure_of(answers)
        if failed is not None:
            self._note_failure(outbox, failed)
            raise AwayError(_words(failed))
        self._metrics.acknowledged_s.observe(time.monotonic() - begun_s)

    def _follow(
        self, sent: Collection[asyncio.Future[None]], begun_s: float, settled: Callable[[], None]
    ) -> asyncio.Future[list[Any]]:
        """What gathers the answers; `settled` is called when it is done, however late."""
        answers = asyncio.gather(*sent, return_exceptions=True)
        self._owed[answers] = begun_s

        def done(_: asyncio.Future[list[Any]]) -> None:
            del self._owed[answers]
            _failure_of(answers)  # looked at, so that nothing complains that nobody did
            settled()

        answers.add_done_callback(done)
        return answers

    def _home_of(self, key: bytes) -> int:
        found = self._partition_of.get(key)
        if found is None:
            if len(self._partition_of) >= MAX_KNOWN_ROOMS:
                self._partition_of.clear()
            found = self._partition_of[key] = partition_of(key, self._partitions)
        return found

    def _note_failure(self, outbox: Outbox, failed: BaseException) -> None:
        """Drop a producer that will not get over its failure; one that waits is left to wait."""
        if isinstance(failed, TimeoutError | KafkaTimeoutError | asyncio.CancelledError) or outbox is not self._outbox:
            return
        if isinstance(failed, AUTHORIZATION_ERRORS):
            why = refused_permission(failed, self._brokers, "Write") or _words(failed)
        elif isinstance(failed, KafkaError):
            why = f"Kafka refuses: {_words(failed)}"
        else:
            log.error("sending failed", exc_info=failed)
            why = f"sending failed: {_words(failed)}"
        self._drop(why)

    # -- the producer --------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Keep a producer until cancelled."""
        while True:
            if self._producer is None:
                await self._make()
                if (task := asyncio.current_task()) is not None and task.cancelling():
                    return  # aiokafka loses a cancellation that comes while it connects
            elif self._owed_s() > STUCK_TIMEOUTS * self._timeout_s:
                self._drop("Kafka has acknowledged nothing for long")
            elif self._has_other_partitions():
                self._drop("a topic has another number of partitions than at the start")
            self._metrics.kafka_up.set(not self.is_away())
            await asyncio.sleep(LOOK_S if self._producer is not None else AGAIN_S)

    def _has_other_partitions(self) -> bool:
        """Whether a topic was given more partitions, or was made anew with others: rooms would be split."""
        found = [self._producer.client.cluster.partitions_for_topic(name) for name in self._names]
        return any(partitions and len(partitions) != self._partitions for partitions in found)

    async def _make(self) -> None:
        try:
            counts = await topics.check(self._brokers, self._names, to="Write")
            with quietly():
                producer = self._new()
                try:
                    await producer.start()
                except BaseException:
                    await producer.stop()
                    raise
        except (SnapupError, KafkaError, OSError, TimeoutError) as error:
            said = error.message if isinstance(error, SnapupError) else f"Kafka cannot be reached: {_words(error)}"
            if said != self.problem:
                log.warning("no producer", why=said)
            self.problem = said
            return
        partitions = next(iter(counts.values()))
        if partitions != self._partitions:
            self._partition_of.clear()
            self._partitions = partitions
        self._producer, self.problem = producer, None
        self._outbox = Outbox(producer, self._names, self._home_of)
        self._metrics.producers.inc()
        log.info("producer ready", partitions=partitions)

    def _new(self) -> Any:
        return AIOKafkaProducer(
            **client_options(self._brokers),
            enable_idempotence=True,
            acks="all",
            max_batch_size=MAX_BATCH_BYTES,
        )

    def _drop(self, why: str) -> None:
        """Give up the producer and all that it owes: nobody waits for that any more, or is told that it failed."""
        producer = self._leave(why)
        log.error("producer dropped", why=why, owed=len(self._owed))
        task = asyncio.get_running_loop().create_task(self._end(producer, list(self._owed)))
        self._dropping.add(task)
        task.add_done_callback(self._dropping.discard)

    def _leave(self, why: str) -> Any:
        """Hand nothing more to the producer. Returns it, or None where there is none."""
        producer, self._producer, self.problem = self._producer, None, why
        outbox, self._outbox = self._outbox, None
        if outbox is not None:
            outbox.close()
        return producer

    async def _end(self, producer: Any, owed: Sequence[asyncio.Future[Any]]) -> None:
        """Stop a producer within `STOP_S`, whatever it waits for; then nothing that it owes is waited for."""
        with contextlib.suppress(TimeoutError, KafkaError, OSError):
            async with asyncio.timeout(STOP_S):
                await producer.stop()
        with contextlib.suppress(KafkaError, OSError):
            # `stop` waits for what cannot be sent. Its own sender and connections end without that.
            if producer._sender is not None:  # noqa: SLF001 -- aiokafka has no stop without a flush
                await producer._sender.close()  # noqa: SLF001 -- as above
            await producer.client.close()
        for answers in owed:
            answers.cancel()

    async def close(self) -> None:
        """End the producer. Who waits for an answer gets `AwayError`."""
        producer = self._leave("the gateway is stopping")
        if producer is not None:
            await self._end(producer, list(self._owed))
        if self._dropping:
            await asyncio.wait(self._dropping)


def _failure_of(answers: asyncio.Future[list[Any]]) -> BaseException | None:
    """The first failure among the answers; a time-out where there are none, None where all are good."""
    if not answers.done():
        return TimeoutError()
    try:
        return next((each for each in answers.result() if isinstance(each, BaseException)), None)
    except asyncio.CancelledError:  # given up with its producer
        return TimeoutError()


def _words(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "Kafka did not acknowledge in time"
    return str(error) or type(error).__name__
