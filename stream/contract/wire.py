"""Checks of a record's bytes before its type is known: UTF-8, depth, grammar. Total for any bytes."""

from __future__ import annotations

import json
import re
from typing import NoReturn

import msgspec

from stream.contract.refusal import DeadLetter, Reason, refuse

# Our types need three levels (event, lines, line); the rest is room for unknown fields. The bound lies far below
# Python's recursion limit: no answer depends on the depth of the caller's stack.
MAX_DEPTH = 64

# Every `"..."` with its escapes; an unclosed one runs to the end. Possessive, so linear in any bytes.
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_STEP = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}

_grammar = msgspec.json.Decoder(msgspec.Raw).decode


def is_utf8(value: bytes) -> bool:
    """Whether the bytes are well-formed UTF-8, which has no encoded surrogates."""
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def is_too_deep(value: bytes) -> bool:
    """Whether brackets outside strings nest deeper than MAX_DEPTH. Broken JSON has an answer too."""
    if value.count(b"[") + value.count(b"{") <= MAX_DEPTH:
        return False
    # Without a backslash, every second piece between quotes is a string: splitting is ten times as fast as the
    # expression.
    outside = _STRING.sub(b"", value) if b"\\" in value else b"".join(value.split(b'"')[::2])
    brackets = outside.translate(None, _NOT_BRACKETS)
    if not brackets.replace(b"{}", b"").replace(b"[]", b"").replace(b"{}", b""):
        return False  # only objects in arrays in an object: an order of many lines
    depth = 0
    for byte in brackets:
        depth = max(depth + _STEP[byte], 0)
        if depth > MAX_DEPTH:
            return True
    return False


def check_bytes(value: bytes) -> DeadLetter | None:
    """The refusal of bytes that are no JSON text in UTF-8; None if they are."""
    if not is_utf8(value):
        return refuse(Reason.NOT_UTF8, "the record is not UTF-8")
    if is_too_deep(value):
        return refuse(Reason.NESTED_TOO_DEEP, f"arrays and objects nest deeper than {MAX_DEPTH}")
    try:
        _grammar(value)
    except msgspec.DecodeError as error:
        if _is_json_of_half_characters(value):
            return refuse(Reason.NOT_UTF8, r"a \u escape is half of a surrogate pair: it has no UTF-8 form")
        return refuse(Reason.NOT_JSON, str(error) if value.strip() else "the record is empty")
    return None


def _is_json_of_half_characters(value: bytes) -> bool:
    """Whether lone surrogates are the only fault of JSON that msgspec refused. Python's own parser accepts them."""
    try:
        # Digits are skipped: Python refuses to convert very long numbers.
        json.loads(value.decode(), parse_int=_ignore_number, parse_float=_ignore_number, parse_constant=_not_json)
    except ValueError:
        return False
    return True


def _ignore_number(_: str) -> int:
    return 0


def _not_json(constant: str) -> NoReturn:
    raise ValueError(constant)
