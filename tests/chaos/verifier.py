"""The end: the log holds everything acknowledged, and everything in the log was counted once."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple
from zlib import crc32

from stream.commands.claims import check_topics
from stream.contract.events import TOPIC_NAMES
from stream.kafka_clients import brokers_of
from stream.mechanics.recounts import COUNTED_AGAIN
from stream.settings import load_settings
from stream.verify.audit import Where, audit
from stream.verify.claim_check import WRONG, Tally
from stream.verify.log import log_reader

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from stream.kafka_clients import KafkaAt
    from stream.verify.room_count import Assumptions
    from stream.verify.verdict import Verdict

SAID = 20


async def journal_problems(journal: Path, servers: KafkaAt, prefix: str) -> tuple[int, list[str]]:
    """How many records were acknowledged, and those of them that the log does not hold where it should."""
    wanted: dict[tuple[str, int], dict[int, int]] = {}
    acknowledged = 0
    with journal.open(encoding="ascii") as file:
        for line in file:
            topic, partition, offset, checksum = line.split()
            wanted.setdefault((f"{prefix}.{topic}", int(partition)), {})[int(offset)] = int(checksum)
            acknowledged += 1
    wrong: Counter[str] = Counter()
    examples: list[str] = []

    def complain(kind: str, where: str) -> None:
        wrong[kind] += 1
        if len(examples) < SAID:
            examples.append(f"{where}: {kind}")

    async with log_reader(servers, [f"{prefix}.{name}" for name in TOPIC_NAMES]) as reader:
        async for record in reader.read_to(await reader.ends()):
            noted = wanted.get((record.topic, record.partition), {}).pop(record.offset, None)
            if noted is not None and noted != crc32(record.value):
                where = f"{record.topic}/{record.partition}@{record.offset}"
                complain("acknowledged here, but another record lies here", where)
    for (name, number), left in wanted.items():
        for place in left:
            complain("acknowledged, but not in the log", f"{name}/{number}@{place}")
    return acknowledged, [*(f"{count} records {kind}" for kind, count in wrong.items()), *examples]


class Verified(NamedTuple):
    """The audit's verdict, the number of acknowledged records, the missing ones, and the claims."""

    verdict: Verdict
    acknowledged: int
    missing: list[str]
    claims: Tally

    @property
    def problems(self) -> list[str]:
        """Everything that is not as it must be, beside what the audit found."""
        wrong = self.claims.of(WRONG)
        return [*self.missing, *([f"{wrong} claims are wrong", *self.claims.told[:SAID]] if wrong else [])]


async def verify(
    where: Where, assumptions: Assumptions, journal: Path, deadline_s: float, report: Callable[[str], None]
) -> Verified:
    """What the log holds: counts the log again, looks for acknowledged records, recomputes every claim."""
    verdict = await audit(where, assumptions, deadline_s=deadline_s, report=report, mechanics=COUNTED_AGAIN)
    acknowledged, missing = await journal_problems(journal, where.bootstrap_servers, where.prefix)
    at = load_settings(bootstrap_servers=brokers_of(where.bootstrap_servers).servers, topic_prefix=where.prefix)
    claims, unchecked = await check_topics(at)
    if unchecked:
        missing.append(f"{unchecked} documents are older than what the journal tells: their claims were not checked")
    return Verified(verdict, acknowledged, missing, claims)
