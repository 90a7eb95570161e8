"""What `live.claims` says, read by its documentation alone, and that a difference to a document is seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from stream.contract.reading import read_overlay
from stream.core.rules import Rules
from stream.verify.kept_claims import KeptClaims, KeptUnreadableError, Standing, difference
from stream.verify.kept_explained import explain_kept, overlay_of
from tests.support.events import Log, at, cart, enter, opened, order

if TYPE_CHECKING:
    from stream.core.partition import PartitionFold
    from stream.core.publishing import Published

RULES = Rules(keep_claims=True, remember_sales_ms=9_000_000, watching_min=1, in_carts_min=1, stock_left_share_max=1.0)


def cuts() -> list[Published]:
    log = Log(RULES)
    log.add(opened(20), *(enter(f"u{number}") for number in range(3)), cart("u9"))
    fold: PartitionFold = log.fold
    found = []
    for second in range(1, 4):
        log.add(*(order("paid", f"o{second}-{number}", s=second) for number in range(second)))
        fold.advance(at(second) + 500, "tick")
        found += fold.cut(1).signals
    return found


def standing_of(cut: Published, reader: KeptClaims) -> Standing:
    (*_, standing) = [reader.take(value) for _, value in cut.claims]
    assert standing is not None
    return standing


def test_what_stands_is_what_each_document_says_and_as_a_document_it_says_the_same() -> None:
    reader = KeptClaims()
    for cut in cuts():
        standing, document = standing_of(cut, reader), read_overlay(cut.document)
        assert difference(standing, document) == ""
        assert difference(standing, overlay_of(standing)) == ""
        assert {each.published for each in explain_kept(standing)} >= {"said"}
        assert {each.verdict for each in explain_kept(standing)} == {"not recounted"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("value", 99),
        ("rule", "stock_left/9"),
        ("inputs", {}),
        ("state", "over"),
        ("valid_until_ms", 1),
        ("evidence", []),
    ],
)
def test_a_record_that_says_something_else_is_seen(field: str, value: Any) -> None:
    first = cuts()[0]
    reader, found = KeptClaims(), None
    for _, raw in first.claims:
        record = msgspec.json.decode(raw)
        if record.get("claim") == "stock_left":
            record[field] = value
        if field == "state" and "said" in record:
            record["said"] -= 1  # so that only the claim is wrong, not its count
        found = reader.take(msgspec.json.encode(record))
    assert found is not None
    assert "stock_left" in difference(found, read_overlay(first.document))


def test_of_what_was_written_before_the_first_record_that_is_read_nothing_is_told() -> None:
    first, second, _ = cuts()
    reader = KeptClaims()
    assert [reader.take(value) for _, value in second.claims][-1] is None
    assert first.claims


def test_an_older_owners_claims_do_not_stand() -> None:
    first, second, _ = cuts()
    reader = KeptClaims()
    for _, value in first.claims:
        reader.take(value)
    records = [msgspec.json.decode(value) for _, value in second.claims]
    assert [reader.take(msgspec.json.encode(each | {"epoch": 2})) for each in records][-1] is None


@pytest.mark.parametrize(
    "value", [None, b"", b"{}", b"[]", b'{"schema":"snapup.claim.v9"}', b'{"schema":"snapup.claim.v1"}']
)
def test_what_is_no_record_of_the_topic_is_said(value: bytes | None) -> None:
    with pytest.raises(KeptUnreadableError):
        KeptClaims().take(value)


def test_a_kind_of_claim_that_is_not_known_yet_is_read() -> None:
    reader = KeptClaims()
    (*_, (_, room)) = cuts()[0].claims
    of_room = msgspec.json.decode(room) | {"said": 0, "withheld": 1}
    new = {key: of_room[key] for key in ("room_id", "epoch", "rev", "as_of_ms")}
    new |= {"schema": "snapup.claim.v1", "claim": "gifts_now", "state": "withheld", "reason": "too_new"}
    reader.take(msgspec.json.encode(new))
    standing = reader.take(msgspec.json.encode(of_room))
    assert standing is not None
    assert [str(each.reason) for each in standing.withheld()] == ["too_new"]
