from __future__ import annotations

from stream.contract.events import MAX_ID_CHARS
from stream.contract.foreign_ids import MAX_PREFIX_CHARS
from stream.contract.id_vectors import id_vectors
from stream.contract.ids import is_id

VECTORS = id_vectors()
IDS = VECTORS["ids"]


def test_the_vectors_try_every_part_of_the_rule() -> None:
    assert all(is_id(each["id"]) for each in IDS)
    unchanged = [each for each in IDS if each["id"] == each["prefix"] + each["text"]]
    hashed = [each for each in IDS if each["id"].startswith(f"{each['prefix']}h") and len(each["text"]) > 32]
    encoded = [each for each in IDS if ":" in each["id"].removeprefix(each["prefix"])]
    assert min(map(len, (unchanged, hashed, encoded))) >= 4
    assert {len(each["id"]) for each in IDS} >= {1, MAX_ID_CHARS}
    assert {len(each["prefix"]) for each in IDS} >= {0, 3, MAX_PREFIX_CHARS}
    assert not all(each["text"].isascii() for each in IDS)


def test_the_vectors_refuse_and_know_nobody() -> None:
    assert {each["text"] for each in VECTORS["refused"]} == {"", "x"}
    nobody = [each["text"] for each in VECTORS["people"] if each["id"] == "-"]
    assert {None, "", "-", "0", "GUEST"} < {*nobody}
    assert len(nobody) < len(VECTORS["people"])
