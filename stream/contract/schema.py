"""JSON Schema 2020-12 of events, the overlay document, kept claims and histories, made from the Python types.

Each schema is one self-contained file. It uses only keywords that every validator knows, and regular expressions that
mean the same in ECMA 262, Python, Go and Rust. A schema cannot state the record's size, key, times or UTF-8:
`docs/contract.md` does, and `decode` checks them.
"""

from __future__ import annotations

import inspect
from typing import Any

import msgspec

from stream.contract.catalogue import BUILT_IN, Catalogue
from stream.contract.claims import CLAIM_SCHEMA, CLAIMS_SCHEMA, KeptClaim, KeptRoom
from stream.contract.events import ID_PATTERN, MAX_ID_CHARS
from stream.contract.history import HISTORY_SCHEMA, RoomHistory
from stream.contract.overlay import SCHEMA
from stream.contract.sections import overlay_with

MAJOR_VERSION = 1
DIALECT = "https://json-schema.org/draft/2020-12/schema"

Schema = dict[str, Any]

# ECMA 262 needs only `$`, but Python's `$` also matches before a last newline. `not` says the same without an anchor.
_ID: Schema = {
    "description": "An opaque identifier.",
    "type": "string",
    "minLength": 1,
    "maxLength": MAX_ID_CHARS,
    "pattern": ID_PATTERN,
    "not": {"type": "string", "pattern": "[^A-Za-z0-9._:-]"},
}

# Ends a pattern of ours behind `$`, which in Python also matches before a last line break. Not every engine knows
# look-around, so schemas say it in other words.
NO_LAST_LINE_BREAK = r"(?!\n)"


def event_schema_file(name: str) -> str:
    """The file of an event type's schema, inside `schemas/`."""
    return f"{name}.v{MAJOR_VERSION}.schema.json"


OVERLAY_SCHEMA_FILE = f"overlay.v{MAJOR_VERSION}.schema.json"
CLAIM_SCHEMA_FILE = f"claim.v{MAJOR_VERSION}.schema.json"
CLAIMS_SCHEMA_FILE = f"claims.v{MAJOR_VERSION}.schema.json"
HISTORY_SCHEMA_FILE = f"history.v{MAJOR_VERSION}.schema.json"
# Schemas of what Snapup writes. It reads all others.
WRITTEN = (OVERLAY_SCHEMA_FILE, CLAIM_SCHEMA_FILE, CLAIMS_SCHEMA_FILE, HISTORY_SCHEMA_FILE)


def event_schema(name: str, examples: list[Any] | None = None, catalogue: Catalogue = BUILT_IN) -> Schema:
    """The schema of one event type. It allows unknown fields, which are ignored."""
    topic, kind = catalogue.types[name]
    schema = _self_contained(kind, f"urn:snapup:event:{name}:v{MAJOR_VERSION}", name)
    schema["description"] += f" Topic: {topic}; key: room_id."
    if examples:
        schema["examples"] = examples
    return schema


def overlay_schema(catalogue: Catalogue = BUILT_IN) -> Schema:
    """The schema of the overlay document. Readers must ignore fields and words that they do not know.

    A mechanic's section stands behind the built-in fields, under the mechanic's name; no section is required.
    """
    schema = _written(overlay_with(catalogue.sections), "overlay", SCHEMA)
    for forms in catalogue.mechanics:
        schema["properties"][forms.name] = _section(schema["properties"][forms.name])
    return schema


def _section(field: Schema) -> Schema:
    """A section that is there or left out, and never null."""
    (section,) = (option for option in field["anyOf"] if option != {"type": "null"})
    return dict(section)


def claim_schema() -> Schema:
    """The schema of one claim in topic `claims`. Readers must ignore unknown fields and words."""
    return _written(KeptClaim, "claim", CLAIM_SCHEMA)


def claims_schema() -> Schema:
    """The schema of a room's record in topic `claims`."""
    return _written(KeptRoom, "claims", CLAIMS_SCHEMA)


def history_schema() -> Schema:
    """The schema of a room's history as the read server answers it. Readers must ignore unknown fields and words."""
    return _written(RoomHistory, "history", HISTORY_SCHEMA)


def _written(kind: type, title: str, name: str) -> Schema:
    schema = _self_contained(kind, f"urn:snapup:{title}:v{MAJOR_VERSION}", title)
    schema["properties"]["schema"] = {"type": "string", "const": name}
    return schema


def _self_contained(kind: type, schema_id: str, title: str) -> Schema:
    (_,), components = msgspec.json.schema_components([kind], ref_template="#/$defs/{name}")
    used: set[str] = set()
    schemas = {name: _tidy(component, used) for name, component in components.items()}
    root = schemas.pop(kind.__name__)
    defs = ({"Id": _ID} if "Id" in used else {}) | dict(sorted(schemas.items()))
    return {
        "$schema": DIALECT,
        "$id": schema_id,
        **root,
        "title": title,
        **({"$defs": defs} if defs else {}),
    }


def _tidy(node: Any, used: set[str]) -> Any:
    """The published form of msgspec's schema: ids by reference, one sentence a field, objects open."""
    if isinstance(node, list):
        return [_tidy(item, used) for item in node]
    if not isinstance(node, dict):
        return node
    if node.get("pattern") == ID_PATTERN:
        used.add("Id")
        return {"$ref": "#/$defs/Id", "description": node["description"]}
    tidy = {key: _tidy(value, used) for key, value in node.items()}
    pattern = tidy.get("pattern")
    if isinstance(pattern, str) and pattern.endswith(NO_LAST_LINE_BREAK):
        tidy["pattern"] = pattern.removesuffix(NO_LAST_LINE_BREAK)
        tidy["not"] = {"type": "string", "pattern": r"\n"}
    if "description" in tidy:
        tidy["description"] = " ".join(inspect.cleandoc(tidy["description"]).split())
    if tidy.get("type") == "object" and "properties" in tidy:
        tidy["additionalProperties"] = True
    if len(tidy.get("enum", ())) == 1:
        tidy["const"] = tidy.pop("enum")[0]
    if all(isinstance(word, str) for word in tidy.get("enum", [tidy.get("const")])):
        tidy = {"type": "string", **tidy}
    return _with_description_outside(tidy)


def _with_description_outside(node: Schema) -> Schema:
    """The node with the description moved from its one described alternative to the nullable field itself."""
    described = [option for option in node.get("anyOf", ()) if "description" in option]
    if len(described) == 1 and "description" not in node:
        return {"description": described[0].pop("description"), **node}
    return node
