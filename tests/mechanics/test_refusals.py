"""Of all that the decoder refuses of a mechanic's events there is an example, and the mechanic's page names it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator

from stream.contract import examples
from stream.contract.refusal import Reason
from stream.contract.schema import event_schema_file
from stream.mechanics.kinds import CATALOGUE

if TYPE_CHECKING:
    from collections.abc import Iterator

TOP = Path(__file__).parents[2]
# The fields that all events have: of these some kind has the examples.
COMMON = frozenset(("/type", "/event_id", "/room_id", "/event_time_ms", "/user_id"))
RULES = ("type", "minimum", "maximum", "minLength", "maxLength", "pattern", "minItems", "maxItems", "enum")
Refusal = tuple[str, str]  # where, `*` for any item of a list, and the schema's word that refuses


def schema_of(name: str) -> Any:
    return json.loads((TOP / "schemas" / event_schema_file(name)).read_text("utf-8"))


def refusals(schema: Any, root: Any, at: str = "") -> Iterator[Refusal]:
    """Every way to break a schema, which is made from the very types that the decoder reads."""
    if "$ref" in schema:
        schema = {**schema, **root["$defs"][schema["$ref"].rpartition("/")[2]]}
    for alternative in schema.get("anyOf", ()):
        if alternative.get("type") != "null":
            yield from refusals(alternative, root, at)
    yield from ((at, word) for word in RULES if word in schema)
    yield from ((f"{at}/{name}", "required") for name in schema.get("required", ()))
    for name, of_field in schema.get("properties", {}).items():
        yield from refusals(of_field, root, f"{at}/{name}")
    if "items" in schema:
        yield from refusals(schema["items"], root, f"{at}/*")


def broken(error: Any) -> Iterator[Refusal]:
    at = "".join("/*" if isinstance(step, int) else f"/{step}" for step in error.absolute_path)
    if error.validator == "anyOf":
        for alternative in error.context:
            if alternative.validator_value != "null":
                yield from broken(alternative)
    elif error.validator == "required":
        yield from ((f"{at}/{name}", "required") for name in error.validator_value if name not in error.instance)
    else:
        yield at, error.validator


@pytest.fixture(scope="module")
def shown() -> dict[str, set[Refusal]]:
    """What the examples of each kind break."""
    found: dict[str, set[Refusal]] = {name: set() for name in CATALOGUE.types}
    for file, record in examples.invalid(CATALOGUE).items():
        if record.reason is Reason.SCHEMA_VIOLATION and not record.headers:
            name = file.split("--")[1]
            errors = Draft202012Validator(schema_of(name)).iter_errors(json.loads(record.value))
            found[name].update(each for error in errors for each in broken(error))
    return found


@pytest.mark.parametrize("name", [*CATALOGUE.examples])
def test_every_refusal_of_a_field_has_an_example(name: str, shown: dict[str, set[Refusal]]) -> None:
    schema = schema_of(name)
    own = {(at, word) for at, word in refusals(schema, schema) if at and at not in COMMON}
    assert sorted(own - shown[name]) == []


def test_every_refusal_of_the_fields_of_all_events_has_an_example(shown: dict[str, set[Refusal]]) -> None:
    schema = schema_of("follow")
    assert sorted({*refusals(schema, schema)} - set().union(*shown.values())) == []


@pytest.mark.parametrize("mechanic", [forms.name for forms in CATALOGUE.mechanics])
def test_the_page_of_a_mechanic_names_each_example_and_no_other(mechanic: str) -> None:
    page = (TOP / "stream" / "mechanics" / mechanic / "README.md").read_text("utf-8")
    _, _, refused = page.partition("## What is refused\n")
    rows = [line.rstrip("|").rpartition("|")[2] for line in refused.partition("\n## ")[0].splitlines() if "|" in line]
    kinds = next(forms for forms in CATALOGUE.mechanics if forms.name == mechanic).examples
    assert set(re.findall(r"`([^`]+)`", "".join(rows))) == {case for each in kinds.values() for case in each.bad}
