from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

from stream.sources.accounts import NOTE_WORDS, REFUSED_WORDS, Accounts, Note, RefusedRow
from stream.view.accounts import accounts_view


def test_the_books_of_an_import_balance_on_screen() -> None:
    accounts = Accounts()
    accounts.rows = 6
    accounts.emitted("order", 1_291_191_960_000, rows=4)
    accounts.refuse(3, RefusedRow.NEGATIVE_QUANTITY, "-3", "row")
    accounts.refuse(9, RefusedRow.NEGATIVE_QUANTITY, "-4", "row")
    accounts.note(4, Note.GUEST, "guest:1")
    accounts.remark("A remark.")
    file = io.StringIO()
    Console(file=file, width=100).print(accounts_view(accounts, "\x1b[2Jfile", "[red]x", 1, Path("r.ndjson")))
    text = " ".join(file.getvalue().split())
    assert "6 rows = 1 events + 3 merged into the events of their order + 2 refused" in text
    assert "negative_quantity 2 3 a negative quantity outside a C-invoice" in text
    assert "1 events delivered: 1 order; 2010-12-01 08:26:00 to 2010-12-01 08:26:00 UTC" in text
    assert "A remark." in text
    assert "r.ndjson" in text
    assert "\x1b" not in text
    assert "[red]x" in text
    assert accounts.unaccounted() == 0


def test_every_reason_has_its_words() -> None:
    assert set(REFUSED_WORDS) == set(RefusedRow)
    assert set(NOTE_WORDS) == set(Note)
