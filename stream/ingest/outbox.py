"""Records on their way to one Kafka producer, in batches: what came for a partition within a few milliseconds is one.

aiokafka's `send` awaits, and makes a future, for each record. Here a batch has one, for all bodies with events in it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from stream.ingest.intake import Accepted

# An answer waits for it; the requests of a busy gateway are fewer by it.
LINGER_S = 0.005
Place = tuple[int, int]


class _Batch:
    """A batch that is filled. `answer`: done when Kafka has it, or will not have it."""

    def __init__(self, producer: Any) -> None:
        self.builder = producer.create_batch()
        self.answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def settle(self, delivery: asyncio.Future[Any]) -> None:
        """Take over the answer of aiokafka."""
        if delivery.cancelled():
            self.fail(TimeoutError())
        elif (error := delivery.exception()) is not None:
            self.fail(error)
        elif not self.answer.done():
            self.answer.set_result(None)

    def fail(self, error: BaseException) -> None:
        """Nobody will say that Kafka has it."""
        if not self.answer.done():
            self.answer.set_exception(error)
            self.answer.exception()  # looked at, so that nothing complains that nobody did


class Outbox:
    """The batches of one producer. What it holds is bounded by who puts events into it.

    Args:
        producer: an aiokafka producer that was started, without a linger of its own.
        names: full names of the topics, in the contract's order.
        home_of: key → partition.
    """

    def __init__(self, producer: Any, names: Sequence[str], home_of: Callable[[bytes], int]) -> None:
        self._producer = producer
        self._names = names
        self._home_of = home_of
        # Topic and partition → batches that are not handed over yet; only the last of them still takes records.
        self._waiting: dict[Place, deque[_Batch]] = {}
        self._handing: dict[Place, asyncio.Task[None]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def put(self, events: Iterable[Accepted]) -> set[asyncio.Future[None]]:
        """Take events, in the order in which those of one room are stored. Returns the answers of their batches."""
        answers: set[asyncio.Future[None]] = set()
        last: dict[Place, _Batch] = {}
        for topic_index, key, value in events:
            place = topic_index, self._home_of(key)
            batch = last.get(place)
            if batch is None or batch.builder.append(timestamp=None, key=key, value=value) is None:
                batch = last[place] = self._put_first(place, key, value, is_full=batch is not None)
                answers.add(batch.answer)
        if self._timer is None and self._waiting:
            self._timer = asyncio.get_running_loop().call_later(LINGER_S, self._hand_over)
        return answers

    def _put_first(self, place: Place, key: bytes, value: bytes, *, is_full: bool) -> _Batch:
        """Put a record into the last batch of a place, or, if that is full, into a new one."""
        waiting = self._waiting.setdefault(place, deque())
        if waiting and not is_full and waiting[-1].builder.append(timestamp=None, key=key, value=value) is not None:
            return waiting[-1]
        batch = _Batch(self._producer)
        batch.builder.append(timestamp=None, key=key, value=value)  # an empty batch takes any record
        waiting.append(batch)
        return batch

    def _hand_over(self) -> None:
        """Hand over what waits, of each place by itself: a partition that hangs holds up no other."""
        self._timer = None
        loop = asyncio.get_running_loop()
        for place in self._waiting.keys() - self._handing.keys():
            self._handing[place] = loop.create_task(self._hand_over_at(place))

    async def _hand_over_at(self, place: Place) -> None:
        topic, partition = self._names[place[0]], place[1]
        try:
            while (waiting := self._waiting.get(place)) is not None:
                batch = waiting.popleft()
                if not waiting:
                    del self._waiting[place]
                batch.builder.close()
                try:
                    delivery = await self._producer.send_batch(batch.builder, topic, partition=partition)
                except asyncio.CancelledError:
                    batch.fail(TimeoutError())
                    raise
                except Exception as error:  # noqa: BLE001 -- whatever it is, who waits for the batch must hear of it
                    batch.fail(error)
                else:
                    delivery.add_done_callback(batch.settle)
        finally:
            del self._handing[place]

    def close(self) -> None:
        """Hand over nothing more: whoever waits for it hears that it was not sent."""
        if self._timer is not None:
            self._timer.cancel()
        for task in self._handing.values():
            task.cancel()
        for waiting in self._waiting.values():
            for batch in waiting:
                batch.fail(TimeoutError())
        self._waiting.clear()
