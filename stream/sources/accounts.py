"""The books of one import: every row of the file is an event, merged into one, or refused with a reason.

`rows = events + merged + refused`, checked by `unaccounted`. Notes are about used rows: what the adapter read into
them.
"""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

import msgspec
from msgspec import Struct

if TYPE_CHECKING:
    from typing import BinaryIO

# Enough of a row to find it by eye; the line number finds it for certain.
MAX_SHOWN_CHARS = 300
# Rows whose time stands apart from all others are told one by one, up to this many.
FAR_OFF_TOLD = 3


class RefusedRow(StrEnum):
    """Why a row could not be used."""

    CUT_OFF = "cut_off"
    NOT_CSV = "not_csv"
    LINE_TOO_LONG = "line_too_long"
    COLUMN_COUNT = "column_count"
    MISSING_ID = "missing_id"
    ID_TOO_LONG = "id_too_long"
    BAD_TIME = "bad_time"
    TIME_OUT_OF_RANGE = "time_out_of_range"
    IN_THE_FUTURE = "in_the_future"
    TIME_FAR_OFF = "time_far_off"
    UNKNOWN_BEHAVIOUR = "unknown_behaviour"
    UNKNOWN_INVOICE_KIND = "unknown_invoice_kind"
    ACCOUNTING_ENTRY = "accounting_entry"
    BAD_QUANTITY = "bad_quantity"
    ZERO_QUANTITY = "zero_quantity"
    NEGATIVE_QUANTITY = "negative_quantity"
    POSITIVE_CANCELLATION = "positive_quantity_in_cancellation"
    QUANTITY_TOO_LARGE = "quantity_too_large"
    BAD_PRICE = "bad_price"
    NEGATIVE_PRICE = "negative_price"
    AMOUNT_TOO_LARGE = "amount_too_large"


class RefusedRowError(Exception):
    """Ends the reading of one row; caught where the rows are read, never further."""

    def __init__(self, reason: RefusedRow, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class Note(StrEnum):
    """What the adapter read into a row that it used."""

    AMBIGUOUS_TIME = "ambiguous_local_time_taken_as_the_earlier"
    NONEXISTENT_TIME = "nonexistent_local_time_moved_past_the_gap"
    AMOUNT_ROUNDED = "amount_rounded_to_minor_units"
    QUANTITY_SPLIT = "quantity_split_over_several_lines"
    GUEST = "customer_missing_guest_of_the_invoice"
    ID_ENCODED = "id_encoded"
    PART_OF = "taken_for_a_part_of_the_newest_order_that_has_it"


REFUSED_WORDS: dict[RefusedRow, str] = {
    RefusedRow.CUT_OFF: "the file ends in the middle of this row",
    RefusedRow.NOT_CSV: "a quote or a character that CSV does not allow",
    RefusedRow.LINE_TOO_LONG: "longer than any row of this kind",
    RefusedRow.COLUMN_COUNT: "another number of columns than the file's",
    RefusedRow.MISSING_ID: "an id is empty",
    RefusedRow.ID_TOO_LONG: "an id does not fit into 64 characters",
    RefusedRow.BAD_TIME: "the time cannot be read",
    RefusedRow.TIME_OUT_OF_RANGE: "the time is outside what this data can hold",
    RefusedRow.IN_THE_FUTURE: "the time is still to come, and Kafka refuses such records",
    RefusedRow.TIME_FAR_OFF: "the time is months from those of all other rows; --any-time takes it",
    RefusedRow.UNKNOWN_BEHAVIOUR: "not one of pv, cart, buy, fav",
    RefusedRow.UNKNOWN_INVOICE_KIND: "the invoice number is neither a sale nor a C-invoice",
    RefusedRow.ACCOUNTING_ENTRY: "an A-invoice: a correction in the books, nobody bought anything",
    RefusedRow.BAD_QUANTITY: "the quantity is not a whole number",
    RefusedRow.ZERO_QUANTITY: "the quantity is 0",
    RefusedRow.NEGATIVE_QUANTITY: "a negative quantity outside a C-invoice: a write-off, not a sale",
    RefusedRow.POSITIVE_CANCELLATION: "a positive quantity in a C-invoice",
    RefusedRow.QUANTITY_TOO_LARGE: "more than 1 000 000 units in one row",
    RefusedRow.BAD_PRICE: "the price is not a decimal number",
    RefusedRow.NEGATIVE_PRICE: "a negative price",
    RefusedRow.AMOUNT_TOO_LARGE: "the amount is beyond what the contract allows",
}
NOTE_WORDS: dict[Note, str] = {
    Note.AMBIGUOUS_TIME: "the clock struck this hour twice: taken as the first time",
    Note.NONEXISTENT_TIME: "the clock skipped this hour: moved past the gap",
    Note.AMOUNT_ROUNDED: "quantity × price had a fraction of a minor unit: rounded half to even",
    Note.QUANTITY_SPLIT: "more than 10 000 units: several lines of one order",
    Note.GUEST: "no customer: a guest of that invoice",
    Note.PART_OF: "taken back: a part of the newest earlier order of the customer that has as much, at that price",
    Note.ID_ENCODED: "an id held characters that ids may not: written as `:` and their bytes in hex",
}


class Entry(Struct, frozen=True, omit_defaults=True):
    """One line of the report file."""

    line: int
    outcome: Literal["refused", "noted"]
    reason: str
    detail: str
    row: str = ""


class Accounts:
    """Counts what became of each row; given a file, also writes an entry for each refused or noted row."""

    def __init__(self) -> None:
        self.rows = 0
        self.events = 0
        self.merged = 0
        self.blank_lines = 0
        self.refused: Counter[RefusedRow] = Counter()
        self.first_refused: dict[RefusedRow, int] = {}
        self.notes: Counter[Note] = Counter()
        self.by_type: Counter[str] = Counter()
        self.remarks: Counter[str] = Counter()
        self.earliest_ms: int | None = None
        self.latest_ms: int | None = None
        self._report: BinaryIO | None = None
        self._encoder = msgspec.json.Encoder()

    def report_to(self, report: BinaryIO) -> None:
        """Write an entry for each row that is refused or noted from now on."""
        self._report = report

    def emitted(self, event_type: str, event_time_ms: int, rows: int = 1) -> None:
        """An event was made out of this many rows (0: a further part of an order)."""
        self.events += 1
        self.merged += rows - 1
        self.by_type[event_type] += 1
        if self.earliest_ms is None or event_time_ms < self.earliest_ms:
            self.earliest_ms = event_time_ms
        if self.latest_ms is None or event_time_ms > self.latest_ms:
            self.latest_ms = event_time_ms

    def refuse(self, line: int, reason: RefusedRow, detail: str, row: str) -> None:
        """A row could not be used."""
        self.refused[reason] += 1
        if reason is RefusedRow.TIME_FAR_OFF and self.refused[reason] <= FAR_OFF_TOLD:
            self.remark(f"Line {line} was refused: its time is {detail}.")
        self.first_refused.setdefault(reason, line)
        self._write(Entry(line, "refused", reason.value, detail, row[:MAX_SHOWN_CHARS]))

    def note(self, line: int, note: Note, detail: str) -> None:
        """A row was used, and the adapter read this into it."""
        self.notes[note] += 1
        self._write(Entry(line, "noted", note.value, detail))

    def remark(self, sentence: str) -> None:
        """A sentence that is true of the whole file, or of many rows."""
        self.remarks[sentence] += 1

    def unaccounted(self) -> int:
        """Number of rows that became nothing: must be 0 at the end."""
        return self.rows - self.events - self.merged - self.refused.total()

    def _write(self, entry: Entry) -> None:
        if self._report is not None:
            self._report.write(self._encoder.encode(entry) + b"\n")
