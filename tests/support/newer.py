"""An overlay document as a version to come might write it, for every reader of documents."""

from __future__ import annotations

from typing import Any

WORDS: dict[str, str] = {
    "method": "guess",
    "source": "sundial",
    "level": "frenzy",
    "status": "paused",
    "claim": "gift_total",
    "reason": "not_yet",
    "kind": "gift",
}


def newer(value: Any) -> Any:
    """The document with every word another, and one more field in every object."""
    if isinstance(value, list):
        return [newer(item) for item in value]
    if isinstance(value, dict):
        changed = {key: newer(item) for key, item in value.items()}
        changed |= {key: word for key, word in WORDS.items() if isinstance(value.get(key), str)}
        # The inputs of a claim are figures by name, whatever the names.
        if "inputs" in value:
            changed["inputs"] = value["inputs"] | {"input_to_come": 0.5}
        return {**changed, "field_to_come": {"of": ["another", 1]}}
    return value


def newer_document(document: Any) -> Any:
    """The same, with one more section, and a claim whose value is a list of numbers."""
    made = newer(document)
    claims = [{**claim, "value": [1, 2, 3]} for claim in made["claims"][:1]]
    return {**made, "claims": [*made["claims"], *claims], "karaoke": {"total": 3, "top": ["a"]}}
