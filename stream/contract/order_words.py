"""What an order may say beyond its fields: which statuses an edition knows, which need lines, what a part needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from stream.contract.events import LATER_STATUSES, NEED_LINES, UNDOING_STATUSES
from stream.contract.refusal import Reason, refuse, violation

if TYPE_CHECKING:
    from stream.contract.events import Order
    from stream.contract.refusal import DeadLetter


class _Lines(Struct):
    lines: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_lines_of = msgspec.json.Decoder(_Lines).decode


def is_odd(event: Order, *, second_signals: bool) -> bool:
    """Whether `odd_order` refuses this record of an order.

    Args:
        event: the record.
        second_signals: whether the second edition of signals reads it; the first knew four statuses, all with lines,
            and no parts.
    """
    if second_signals:
        if event.part_id is not None or event.part_lines:
            return _odd_part(event) is not None
        return not event.lines and event.status in NEED_LINES
    return not event.lines or event.status in LATER_STATUSES


def _odd_part(event: Order) -> DeadLetter | None:
    if event.status not in UNDOING_STATUSES:
        detail = f"a part of an order is cancelled or refunded, and this is {event.status.value}"
        return refuse(Reason.SCHEMA_VIOLATION, detail, "/status")
    if event.part_id is None:
        return refuse(Reason.SCHEMA_VIOLATION, "Object missing required field `part_id`", "/part_id")
    if not event.part_lines:
        return refuse(Reason.SCHEMA_VIOLATION, "Expected `array` of length >= 1", "/part_lines")
    return None


def odd_order(event: Order, value: bytes, *, second_signals: bool) -> DeadLetter | None:
    """The refusal of an order that is `placed` or `paid` and has no lines, or of a part; None: it is as it should be.

    Under the first edition of signals, in the words in which it refused: of a status that it did not know, and of every
    record without lines. `value`: the record's bytes, which say whether its lines are none or left out.
    """
    if not is_odd(event, second_signals=second_signals):
        return None
    if not second_signals and event.status in LATER_STATUSES:
        return violation(f"Invalid enum value {event.status.value!r} - at `$.status`")
    if second_signals and (event.part_id is not None or event.part_lines):
        return _odd_part(event)
    if isinstance(_lines_of(value).lines, msgspec.UnsetType):
        return violation("Object missing required field `lines`")
    return violation("Expected `array` of length >= 1 - at `$.lines`")
