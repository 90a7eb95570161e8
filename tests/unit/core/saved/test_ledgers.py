from __future__ import annotations

from typing import Any

import msgspec
import pytest

from stream.core.rules import Rules
from stream.core.saved.ledgers import LedgerHead, ledger_head, ledger_of
from tests.support.events import fold_at_own_time, new_room, opened, order, restocked

SECOND = Rules(signals_edition=2, contract_edition=2)
KEPT = (
    "opened",
    "restocked",
    "restocked_ms",
    "held",
    "sold",
    "released",
    "gone",
    "over_limit",
    "taken",
    "blocks",
    "bought",
)


@pytest.mark.parametrize("rules", [Rules(), SECOND], ids=["first", "second"])
def test_a_ledger_is_read_as_it_was_saved(rules: Rules) -> None:
    room = new_room(rules)
    orders = [order("paid", f"o{number}", f"u{number}", 2) for number in range(4)]
    undone = [order("refunded", "o1", "u1", 2, restock=False), order("refunded", "o2", "u2", 2)]
    fold_at_own_time(room, opened(9, limit=1), restocked(3), order("placed", "h", "u9"), *orders, *undone)
    ledger = room.ledgers["s1", "k1"]
    again = ledger_of(_decoded(ledger_head(ledger, rules)), rules)
    kept = KEPT if rules.second_signals else [name for name in KEPT if name not in ("restocked_ms", "taken", "blocks")]
    assert {name: getattr(again, name) for name in kept} == {name: getattr(ledger, name) for name in kept}
    assert ledger.gone == (2 if rules.second_signals else 0)


def test_a_ledger_without_gone_units_keeps_its_bytes_but_for_its_long_pace() -> None:
    room = new_room(SECOND)
    fold_at_own_time(room, opened(9), order("paid"), order("refunded"))
    ledger = room.ledgers["s1", "k1"]
    whole, ledger.blocks = ledger_head(ledger, SECOND), {}
    row = msgspec.msgpack.decode(msgspec.msgpack.encode(ledger_head(ledger, SECOND)))
    assert len(row) == 15
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(whole))[:15] == row


def _decoded(head: Any) -> LedgerHead:
    return msgspec.msgpack.decode(msgspec.msgpack.encode(head), type=LedgerHead)
