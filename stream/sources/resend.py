"""Letters → the topics that they came from, by their keys: each at most once, and each accounted for.

A record goes to the partition of its key by murmur2, as with every client of Kafka, and not to its old partition: it
may have been refused because it lay in the wrong one.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from msgspec import Struct, field

from stream.sources.letters import RESENT
from stream.sources.sending import Outgoing, sending

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from stream.kafka_clients import KafkaAt
    from stream.sources.letters import Letter

FAILURES_TOLD = 20


class Resent(Struct):
    """What became of the letters: `chosen = sent + repeated + hopeless + failed`.

    Attributes:
        chosen: letters asked for.
        sent: records acknowledged.
        repeated: second letters of a record already sent in this run.
        hopeless: letters left out because their records would not be taken.
        failed: records refused by Kafka.
        topics: records sent, by topic.
        failures: the first records that failed, in words.
    """

    chosen: int = 0
    sent: int = 0
    repeated: int = 0
    hopeless: int = 0
    failed: int = 0
    topics: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def taken(self, letter: Letter) -> None:
        """Kafka acknowledged the letter's record."""
        self.sent += 1
        self.topics[letter.topic] += 1

    def refused(self, letter: Letter, why: str) -> None:
        """Kafka did not take the letter's record."""
        self.failed += 1
        if len(self.failures) < FAILURES_TOLD:
            self.failures.append(f"{letter.source}: Kafka did not take it: {why}")


async def resend(
    letters: AsyncIterator[Letter],
    brokers: KafkaAt,
    *,
    hopeless: Callable[[Letter], bool],
    by_record_time: Callable[[Letter], bool],
    dead_letters: str,
) -> Resent:
    """What became of the letters: their records sent again, each acknowledged or refused.

    Args:
        letters: in any order.
        brokers: the cluster.
        hopeless: whether to leave a letter out.
        by_record_time: whether a letter's topic keeps the producer's time: the record then keeps its own.
        dead_letters: full name of the letters' topic, for the mark.

    Raises:
        SnapupError: Kafka does not answer, or lets us write nothing; says how many were acknowledged until then.
    """
    told = Resent()
    seen: dict[tuple[str, int], set[int]] = {}
    async with sending(brokers, told.taken, told.refused) as sender:
        async for letter in letters:
            told.chosen += 1
            if hopeless(letter):
                told.hopeless += 1
                continue
            offsets = seen.setdefault((letter.topic, letter.partition), set())
            if letter.offset in offsets:
                told.repeated += 1
                continue
            offsets.add(letter.offset)
            mark = f"{dead_letters}/{letter.letter_partition}@{letter.letter_offset}".encode()
            at_ms = letter.append_time_ms if by_record_time(letter) else None
            headers = ((RESENT, mark), *letter.headers)
            await sender.send(Outgoing(letter.topic, letter.key, letter.value, headers, at_ms, letter))
    return told
