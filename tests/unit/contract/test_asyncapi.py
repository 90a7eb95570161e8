from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from stream.contract.asyncapi import document, to_yaml

# What is printed in a document: no control characters, no separators of lines.
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Zl", "Zp"]), max_size=20)
NODES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


@given(NODES)
def test_what_is_written_as_yaml_reads_back_the_same(node: Any) -> None:
    assert yaml.safe_load(to_yaml(node)) == node


@pytest.mark.parametrize("word", ["no", "Yes", "null", "1", "1e3", "0x10", "~", "", "a: b", "# c", "- d", "2017-10-10"])
def test_words_that_yaml_would_take_for_something_else_stay_text(word: str) -> None:
    assert yaml.safe_load(to_yaml({word: [word, {word: word}]})) == {word: [word, {word: word}]}


def test_the_document_reads_back_the_same() -> None:
    assert yaml.safe_load(to_yaml(document())) == document()
