"""docs/platforms.md against the bridge."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream.bridge.platforms import PLATFORMS
from stream.bridge.reasons import NOTE_WORDS, REASON_WORDS, Note, Reason
from tests.support.doc_tables import marked

PAGE = (Path(__file__).parents[2] / "docs" / "platforms.md").read_text("utf-8")


@pytest.mark.parametrize(("name", "words"), [("reasons", REASON_WORDS), ("notes", NOTE_WORDS)])
def test_tables_have_each_word_of_the_account(name: str, words: dict[Reason | Note, str]) -> None:
    rows = [row for row in marked(PAGE, name).splitlines() if row.startswith("| `")]
    assert rows == [f"| `{word}` | {meaning} |" for word, meaning in words.items()]
    assert set(REASON_WORDS) == set(Reason)
    assert set(NOTE_WORDS) == set(Note)


def test_each_platform_has_its_section() -> None:
    assert {name for name in PLATFORMS if f"`snapup bridge {name}`" in PAGE} == set(PLATFORMS)
