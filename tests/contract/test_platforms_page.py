"""docs/platforms.md against the bridge."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path

import pytest

from stream.bridge.bridge import Bridge
from stream.bridge.platforms import PLATFORMS
from stream.bridge.reasons import NOTE_WORDS, REASON_WORDS, Note, Reason
from tests.support.doc_tables import marked

TOP = Path(__file__).parents[2]
PAGE = (TOP / "docs" / "platforms.md").read_text("utf-8")


@pytest.mark.parametrize(("name", "words"), [("reasons", REASON_WORDS), ("notes", NOTE_WORDS)])
def test_tables_have_each_word_of_the_account(name: str, words: dict[Reason | Note, str]) -> None:
    rows = [row for row in marked(PAGE, name).splitlines() if row.startswith("| `")]
    assert rows == [f"| `{word}` | {meaning} |" for word, meaning in words.items()]
    assert set(REASON_WORDS) == set(Reason)
    assert set(NOTE_WORDS) == set(Note)


def test_each_platform_has_its_section() -> None:
    assert {name for name in PLATFORMS if f"`snapup bridge {name}`" in PAGE} == set(PLATFORMS)


def test_the_line_of_each_platform_gives_an_event() -> None:
    lines = re.findall(r"^echo '(.*)' \| snapup bridge ([a-z]+) --room show --dry-run 1$", PAGE, re.MULTILINE)
    assert sorted(platform for _, platform in lines) == sorted(PLATFORMS)
    for line, platform in lines:
        made = Bridge(PLATFORMS[platform], "show")
        assert len(made.take(line.encode(), time.time_ns() // 1_000_000)) == 1, made.books.reasons


def test_the_invented_minute_is_news_without_its_times() -> None:
    (command,) = re.findall(r"^(sed .*) \| snapup bridge tiktok --room show$", PAGE, re.MULTILINE)
    said = subprocess.run(["/bin/bash", "-c", command], capture_output=True, check=True, cwd=TOP).stdout
    made, now_ms = Bridge(PLATFORMS["tiktok"], "show"), time.time_ns() // 1_000_000
    made.connected(now_ms)
    records = [record for line in said.splitlines() for record in made.take(line, now_ms)]
    assert (len(records), made.books.messages) == (18, 18)
