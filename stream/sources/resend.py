"""Letters → the topics that they came from, by their keys: each at most once, and each accounted for.

A record goes to the partition that its key has by murmur2, as every client of Kafka has it, and not to where it was: it
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
        chosen: were asked for.
        sent: were acknowledged.
        repeated: are a second letter of a record that was sent already in this run.
        hopeless: were left out because they would not be taken.
        failed: were refused by Kafka.
        topics: sent, by topic.
        failures: the first of those that failed, in words.
    """

    chosen: int = 0
    sent: int = 0
    repeated: int = 0
    hopeless: int = 0
    failed: int = 0
    topics: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def taken(self, letter: Letter) -> None:
        """One was acknowledged."""
        self.sent += 1
        self.topics[letter.topic] += 1

    def refused(self, letter: Letter, why: str) -> None:
        """Kafka did not take one."""
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
    """Send the records of these letters again, and wait until each is acknowledged or refused.

    Args:
        letters: in any order.
        brokers: the cluster.
        hopeless: whether to leave one out.
        by_record_time: whether its topic keeps the producer's time: then it gets that of the record.
        dead_letters: full name of the topic of the letters, for the mark.

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
