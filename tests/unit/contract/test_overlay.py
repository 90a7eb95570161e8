from __future__ import annotations

import json
from pathlib import Path

import msgspec

from stream.contract.overlay import SCHEMA, Count, Overlay, Rate

EXAMPLE = Path(__file__).parents[3] / "schemas" / "examples" / "overlay" / "flash-sale.json"


def test_the_document_survives_being_written_and_read() -> None:
    overlay = msgspec.json.decode(EXAMPLE.read_bytes(), type=Overlay)
    assert overlay.schema == SCHEMA
    assert msgspec.json.decode(msgspec.json.encode(overlay), type=Overlay) == overlay


def test_the_example_keeps_its_own_ledger() -> None:
    for sale in json.loads(EXAMPLE.read_bytes())["sales"]:
        ledger = sale["offered"] + sale["restocked"] + sale["oversold"]
        assert ledger == sale["available"] + sale["held"] + sale["sold"]


def test_an_exact_count_says_nothing_of_an_error() -> None:
    assert msgspec.to_builtins(Count(value=3, method="exact")) == {"value": 3, "method": "exact"}


def test_the_window_of_the_session_is_null_not_absent() -> None:
    rate = Rate(name="pay_rate", window_ms=None, num=1, den=2, as_of_ms=0, method="exact")
    assert msgspec.to_builtins(rate)["window_ms"] is None
