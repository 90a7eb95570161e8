"""A JSON Schema validator that knows what no schema can say: an integer has neither fraction nor exponent."""

from __future__ import annotations

from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.validators import extend

_StrictIntegers = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    # JSON Schema calls 3.0 an integer; the contract does not.
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, instance: isinstance(instance, int) and not isinstance(instance, bool)
    ),
)


def validator(schema: dict[str, Any]) -> Any:
    """The validator of a schema."""
    return _StrictIntegers(schema)
