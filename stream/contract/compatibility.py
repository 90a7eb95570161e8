"""Whether a schema may replace another within a major version.

The contract's rule: only optional fields may be added. Others write events and we read them: limits of events may
become wider, and a field may be required no longer, since a writer that keeps the old limits is still right. We write
the overlay document and others read it: its limits may become narrower, and its lists of words may grow, since readers
must ignore unknown words.
The check knows the keywords of our own schemas and objects to any other: an unknown keyword could narrow anything.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

Schema = dict[str, Any]

_LOWER_BOUNDS = ("minimum", "minLength", "minItems")
_UPPER_BOUNDS = ("maximum", "maxLength", "maxItems")
_SAME = ("pattern", "not", "const")
_TALK = frozenset({"$schema", "$id", "$defs", "$ref", "title", "description", "default", "examples"})
_STRUCTURE = frozenset({"type", "enum", "anyOf", "properties", "required", "items", "additionalProperties"})
_KNOWN = _TALK | _STRUCTURE | {*_LOWER_BOUNDS, *_UPPER_BOUNDS, *_SAME}


class Direction(Enum):
    """Who reads what the schema describes."""

    READ_BY_US = "events"
    READ_BY_OTHERS = "overlay"


def incompatibilities(old: Schema, new: Schema, direction: Direction) -> list[str]:
    """The reasons why `new` may not replace `old` within a major version: one sentence each, with the field's place."""
    return _Comparison(old, new, direction).compare(old, new, "")


class _Comparison:
    def __init__(self, old: Schema, new: Schema, direction: Direction) -> None:
        self._old_root = old
        self._new_root = new
        self._events = direction is Direction.READ_BY_US

    def compare(self, old: Schema, new: Schema, at: str) -> list[str]:
        """The objections found by walking both schemas side by side."""
        old, new = _resolved(old, self._old_root), _resolved(new, self._new_root)
        where = at or "/"
        if unknown := sorted((old.keys() | new.keys()) - _KNOWN):
            return [f"{where}: the keyword {unknown[0]} is not understood by this check"]
        if "anyOf" in old or "anyOf" in new:
            return self._compare_alternatives(old, new, at)
        if old.get("type") != new.get("type"):
            return [f"{where}: the type was {old.get('type')}, now it is {new.get('type')}"]
        found = self._compare_bounds(old, new, where)
        found += [f"{where}: {word} may not change" for word in _SAME if old.get(word) != new.get(word)]
        found += self._compare_words(old, new, where)
        found += self._compare_fields(old, new, at)
        for part in ("items", "additionalProperties"):
            if isinstance(old.get(part), dict) and isinstance(new.get(part), dict):
                found += self.compare(old[part], new[part], f"{at}/*")
            elif old.get(part) != new.get(part):
                found.append(f"{where}: {part} may not change")
        return found

    def _compare_bounds(self, old: Schema, new: Schema, where: str) -> list[str]:
        """The objections to bounds: a bound may move outwards in what we read and inwards in what we write."""
        found = []
        for word in (*_LOWER_BOUNDS, *_UPPER_BOUNDS):
            before, after = old.get(word), new.get(word)
            if before == after:
                continue
            # An absent bound is wider than any bound.
            wider = after is None or (before is not None and (after < before) == (word in _LOWER_BOUNDS))
            if wider != self._events:
                change = "wider" if wider else "narrower"
                found.append(f"{where}: {word} was {before}, now it is {after}, which is {change}")
        return found

    def _compare_words(self, old: Schema, new: Schema, where: str) -> list[str]:
        before, after = old.get("enum"), new.get("enum")
        if (before is None) != (after is None):
            return [f"{where}: a list of words may neither come nor go"]
        lost = [word for word in before or () if word not in (after or ())]
        return [f"{where}: the word {word!r} is gone" for word in lost]

    def _compare_fields(self, old: Schema, new: Schema, at: str) -> list[str]:
        before, after = old.get("properties", {}), new.get("properties", {})
        needed_before, needed_after = set(old.get("required", ())), set(new.get("required", ()))
        found = []
        for name in sorted(before.keys() | after.keys()):
            place = f"{at}/{name}"
            if name not in after:
                found.append(f"{place}: the field is gone")
            elif name not in before:
                # We may always add a field to what we write: readers ignore it.
                if name in needed_after and self._events:
                    found.append(f"{place}: the new field is required")
            else:
                if name in needed_after and name not in needed_before:
                    found.append(f"{place}: the field is now required")
                if name in needed_before and name not in needed_after and not self._events:
                    found.append(f"{place}: the field is no longer required")
                found += self.compare(before[name], after[name], place)
        return found

    def _compare_alternatives(self, old: Schema, new: Schema, at: str) -> list[str]:
        """The objections to `anyOf`: each alternative of the binding side must agree with one of the other side."""
        befores, afters = old.get("anyOf", [old]), new.get("anyOf", [new])
        if self._events:
            lost = [option for option in befores if all(self.compare(option, other, at) for other in afters)]
            return [f"{at or '/'}: {_brief(option)} is no longer allowed" for option in lost]
        gained = [option for option in afters if all(self.compare(other, option, at) for other in befores)]
        return [f"{at or '/'}: {_brief(option)} was not allowed before" for option in gained]


def _resolved(schema: Schema, root: Schema) -> Schema:
    """The schema, or the target of its `$ref`. Keywords beside a reference only describe."""
    reference = schema.get("$ref")
    if reference is None:
        return schema
    target: Schema = root["$defs"][reference.removeprefix("#/$defs/")]
    return _resolved(target, root)


def _brief(schema: Schema) -> str:
    return str(schema.get("type") or schema.get("$ref") or schema)
