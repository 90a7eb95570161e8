"""What `live.claims` tells, beside the committed documents: of each of them all that it said, whoever wrote it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stream.contract.reading import read_overlay
from stream.verify.kept_claims import KeptClaims, difference

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tests.simulation.kafka_log import Kept


def differences(committed: Mapping[tuple[str, int], Sequence[Kept]]) -> Iterator[str]:
    """In sentences. `committed`: by topic and partition what a reader of committed records sees, before compaction."""
    for (topic, partition), records in committed.items():
        if topic != "live.signals":
            continue
        claims, reader = committed.get(("live.claims", partition), ()), KeptClaims()
        standings = [standing for record in claims if (standing := reader.take(record.value)) is not None]
        documents = [read_overlay(record.value or b"") for record in records]
        said = [(standing.room.room_id, standing.room.epoch, standing.room.rev) for standing in standings]
        if said != [(document.room_id, document.epoch, document.rev) for document in documents]:
            yield f"claims/{partition} tells of {len(said)} documents, there are {len(documents)}, or of others"
            continue
        for standing, document in zip(standings, documents, strict=True):
            if wrong := difference(standing, document):
                yield f"claims/{partition}, room {document.room_id}, {document.epoch}-{document.rev}: {wrong}"
