"""The published part of the contract: the files of `schemas/`, and the tables and examples in `docs/contract.md`.

Pure: text in, text out. Everything is made from the Python types, in a fixed order.
"""

from __future__ import annotations

import json
import re
from typing import Any

from stream.contract import asyncapi, examples
from stream.contract.catalogue import BUILT_IN, Catalogue
from stream.contract.events import PersonEvent
from stream.contract.schema import (
    CLAIM_SCHEMA_FILE,
    CLAIMS_SCHEMA_FILE,
    OVERLAY_SCHEMA_FILE,
    Schema,
    claim_schema,
    claims_schema,
    event_schema,
    event_schema_file,
    overlay_schema,
)

# A block in the guide begins with `<!-- fields: all -->`, `<!-- fields: order -->`, `<!-- fields: order.lines -->` or
# `<!-- example: valid/order--full.json -->`. Its generated content follows, then `<!-- end -->`.
_BLOCK = re.compile(r"(?P<begin><!-- (?P<kind>fields|example): (?P<of>\S+) -->\n).*?(?P<end><!-- end -->)", re.DOTALL)


def schemas(catalogue: Catalogue = BUILT_IN) -> dict[str, Schema]:
    """The schemas by file name."""
    return {
        event_schema_file(name): event_schema(name, [examples.full_record(name, catalogue)], catalogue)
        for name in catalogue.types
    } | {
        OVERLAY_SCHEMA_FILE: overlay_schema(catalogue),
        CLAIM_SCHEMA_FILE: claim_schema(),
        CLAIMS_SCHEMA_FILE: claims_schema(),
    }


def files(catalogue: Catalogue = BUILT_IN) -> dict[str, str]:
    """Every file of `schemas/`: path inside the folder → text."""
    documents: dict[str, Any] = dict(schemas(catalogue))
    documents |= {f"examples/valid/{name}": record for name, record in examples.valid(catalogue).items()}
    invalid = examples.invalid(catalogue)
    documents |= {f"examples/invalid/{name}": record.document() for name, record in invalid.items()}
    documents["examples/cloudevents/order--binary-mode.json"] = examples.cloudevent()
    found = {path: json.dumps(document, indent=2, ensure_ascii=False) + "\n" for path, document in documents.items()}
    return found | {asyncapi.ASYNCAPI_FILE: asyncapi.to_yaml(asyncapi.document(catalogue))}


def filled(guide: str, catalogue: Catalogue = BUILT_IN) -> str:
    """The guide with its blocks made anew. Raises KeyError if a block names something that does not exist."""
    published = files(catalogue)

    def fill(block: re.Match[str]) -> str:
        if block["kind"] == "fields":
            body = _field_table(block["of"], catalogue)
        else:
            body = f"```json\n{published['examples/' + block['of']]}```\n"
        return block["begin"] + body + block["end"]

    return _BLOCK.sub(fill, guide)


def _field_table(of: str, catalogue: Catalogue) -> str:
    """A table of fields: those of all types (`all`), a type's own, or those of an array's items (`order.lines`)."""
    common = {"type", *PersonEvent.__struct_fields__}
    name, _, array = of.partition(".")
    schema = event_schema("like" if of == "all" else name, catalogue=catalogue)
    node = schema
    if array:
        node = schema["$defs"][schema["properties"][array]["items"]["$ref"].removeprefix("#/$defs/")]
    rows = ["| field | required | value | meaning |", "|---|---|---|---|"]
    for field, rule in node["properties"].items():
        if not array and (field in common) != (of == "all"):
            continue
        required = "yes" if field in node["required"] else ""
        meaning = rule.get("description", "what kind of event this is; the heading of its section")
        values = "name of the type" if field == "type" else _values(rule, schema)
        rows.append(f"| `{field}` | {required} | {values} | {meaning} |")
    return "\n".join(rows) + "\n"


def _values(rule: Schema, root: Schema) -> str:
    """The values that a field may hold, in a few words."""
    if "anyOf" in rule:
        return " or ".join(_values(option, root) for option in rule["anyOf"])
    if rule.get("$ref") == "#/$defs/Id":
        return "id"
    if "$ref" in rule:
        return _values(root["$defs"][rule["$ref"].removeprefix("#/$defs/")], root)
    if "const" in rule or "enum" in rule:
        return ", ".join(f"`{word}`" for word in rule.get("enum", [rule.get("const")]))
    return _range(rule)


def _range(rule: Schema) -> str:
    match rule["type"]:
        case "integer":
            text = f"integer {_number(rule['minimum'])} … {_number(rule['maximum'])}"
        case "array":
            text = f"array of {rule['minItems']} … {rule['maxItems']}"
        case "string" if "pattern" in rule:
            text = f"`{rule['pattern']}`"
        case "string":
            text = f"text of at most {_number(rule['maxLength'])} characters"
        case other:
            text = str(other)
    return text


def _number(number: int) -> str:
    """The number with its digits in groups; the greatest safe integer as its formula."""
    return "2^53 − 1" if number == 2**53 - 1 else f"{number:,}".replace(",", "\N{NO-BREAK SPACE}")
