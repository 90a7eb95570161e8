"""A recording of `live.claims` stays readable, and the same documents lead to the same bytes.

`python -m tests.golden.test_kept_claims` writes it anew: after a change that readers were told of, and never else.
"""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import msgspec

from stream.contract.claims import CLAIM_SCHEMA, KeptClaim, KeptRoom
from stream.contract.reading import read_overlay
from stream.core.claim_log import ClaimLog
from stream.verify.kept_claims import KeptClaims, difference
from tests.property.test_claim_log import KEEPING, Keeping

RECORDING = Path(__file__).parent / "claims" / "seed-1.json.gz"
SEED, DOCUMENTS = 1, 60


def recorded() -> list[dict[str, Any]]:
    """Documents of a partition in their order: each with where it was made, by whom, and the records that followed."""
    found: list[dict[str, Any]] = msgspec.json.decode(gzip.decompress(RECORDING.read_bytes()))
    return found


def test_the_same_documents_lead_to_the_same_bytes() -> None:
    log = ClaimLog()
    for each in recorded():
        document, epoch = each["document"].encode(), each["epoch"]
        records = [[key.decode(), value.decode()] for key, value in log.records(document, each["positions"], epoch)]
        assert records == each["records"]


def test_what_was_written_is_read_and_says_what_the_documents_said() -> None:
    reader, states = KeptClaims(), set()
    for each in recorded():
        *claims, (_, room) = each["records"]
        for _, value in claims:
            assert reader.take(value.encode()) is None
            states.add(msgspec.json.decode(value)["state"])
        standing = reader.take(room.encode())
        assert standing is not None
        assert difference(standing, read_overlay(each["document"])) == ""
    assert states == {"said", "withheld", "over"}


def test_no_field_has_gone_or_moved() -> None:
    for _, value in (record for each in recorded() for record in each["records"]):
        kind: type[msgspec.Struct] = KeptClaim if msgspec.json.decode(value)["schema"] == CLAIM_SCHEMA else KeptRoom
        assert msgspec.json.encode(msgspec.json.decode(value, type=kind)).decode() == value


def main() -> None:
    """Write it."""
    cluster = Keeping(SEED, msgspec.structs.replace(KEEPING, signal_max_bytes=0))
    found = []
    for (_, _, document), claims in zip(cluster.signals[:DOCUMENTS], cluster.claims, strict=False):
        records = [[key.decode(), value.decode()] for key, value in claims]
        room = msgspec.json.decode(records[-1][1])
        found.append(
            {
                "document": document.decode(),
                "positions": room["next_offsets"],
                "epoch": room["epoch"],
                "records": records,
            }
        )
    RECORDING.write_bytes(gzip.compress(msgspec.json.encode(found), mtime=0))


if __name__ == "__main__":
    main()
