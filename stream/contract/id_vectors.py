"""What every implementation of the rule for foreign ids must answer: `schemas/id-vectors.json`."""

from __future__ import annotations

from typing import Any

from stream.contract.events import MAX_ID_CHARS
from stream.contract.foreign_ids import HASH_DIGITS, MAX_PREFIX_CHARS, contract_id, person_id
from stream.contract.people import PLACEHOLDERS, UNKNOWN_USER

ID_VECTORS_FILE = "id-vectors.json"

_LIKE_A_HASH = "h" + "0123456789abcdef" * 2
_IDS = (
    # Ids that stay as they are.
    *(("7300000000000000104", "tt:"), ("o-31544", ""), ("a.b_c-D9", ""), ("x", ""), ("x", "bl:crc:")),
    # Other characters: a colon, spaces, a gid, base64, controls, a percent sign.
    *(("order:paid", ""), (":", ""), ("BANK CHARGES", ""), ("gid://shopify/Order/6200000000001", "sh:")),
    *(("EhxDTEQ4X0xIV/+c=", "yt:"), ("line\nfeed\x00", ""), ("LCC%3D", "yt:"), ("a:20b", ""), ("a b", "")),
    # Not ASCII: two, three and four bytes, a combining mark and its composed twin, half of a surrogate pair.
    *(("é", ""), ("e\u0301", ""), ("羽绒服", "ks:"), ("\U0001f60d", ""), ("\ud83d", ""), ("x\ude0dy", "")),
    # As long as an id may be, and one longer: without a prefix, with one, encoded.
    *(("a" * MAX_ID_CHARS, ""), ("a" * (MAX_ID_CHARS + 1), ""), ("a" * (MAX_ID_CHARS - 3), "tt:")),
    *(("a" * (MAX_ID_CHARS - 2), "tt:"), ("é" * 10 + "abcd", ""), ("é" * 10 + "abcde", ""), ("é" * 400, "dy:")),
    ("Cg0KC0RYVXZfWmdQc0F3KicKGFVDU0o0Z2tWQzZOcnZJSTh1bXp0ZjBPdxILRFhVdl9aZ1BzQXc", "yt:"),
    # What looks like a hash is hashed: it cannot be mistaken for the hash of another id.
    *((_LIKE_A_HASH, ""), (_LIKE_A_HASH, "tt:"), (_LIKE_A_HASH.upper(), ""), (_LIKE_A_HASH + "0", "")),
    # The longest prefix with its longest id, and a hash behind it.
    ("a" * (HASH_DIGITS + 1), "p" * MAX_PREFIX_CHARS),
    ("a" * (HASH_DIGITS + 2), "p" * MAX_PREFIX_CHARS),
)
_REFUSED = (("", ""), ("", "tt:"), ("x", "p" * (MAX_PREFIX_CHARS + 1)), ("x", "tt/"), ("x", "é:"))
_PEOPLE = (
    *((None, "tt:"), ("", "tt:"), (UNKNOWN_USER, "tt:"), ("NaN", ""), ("Guest", "sh:"), ("GUEST", "sh:")),
    *((word, "dy:") for word in PLACEHOLDERS),
    # People.
    *(("6800000000000000001", "tt:"), ("guest-17", ""), ("00", "bl:"), (" ", ""), ("匿名", "bl:"), ("x" * 76, "dy:")),
)


def id_vectors() -> dict[str, Any]:
    """The rule in words; texts with their ids; what must be refused; people with theirs, `-` for nobody."""
    return {
        "rule": "Bytes of the UTF-8 text but A-Z a-z 0-9 . _ - become : and two capital hex digits. If that is longer "
        f"than {MAX_ID_CHARS} with its prefix, or looks like h and {HASH_DIGITS} small hex digits: the prefix, h, and "
        f"the first {HASH_DIGITS} hex digits of the SHA-256 of the UTF-8 text.",
        "ids": [{"text": text, "prefix": prefix, "id": contract_id(text, prefix)} for text, prefix in _IDS],
        "refused": [{"text": text, "prefix": prefix} for text, prefix in _REFUSED],
        "people": [{"text": text, "prefix": prefix, "id": person_id(text, prefix)} for text, prefix in _PEOPLE],
    }
