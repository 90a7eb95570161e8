from __future__ import annotations

from stream.verify.claim_records import _says
from tests.support.events import order
from tests.unit.core.test_part_folds import part


def test_a_record_of_a_part_says_the_parts_units() -> None:
    assert _says(order("refunded", units=3)) == "order o1 refunded, 3 units"
    assert _says(part("rf-1", units=2)) == "order o1 part rf-1 refunded, 2 units"
