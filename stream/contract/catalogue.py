"""The kinds of events, and the topic of each: the built-in kinds, and with them the mechanics'.

This module has the one answer to "type → topic". All mechanics share the topic `interactions`, so the answer needs no
list of mechanics: a kind that is not built in belongs there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Union

import msgspec

from stream.contract.events import INPUT_TOPICS, TOPIC_NAMES, Event, RoomEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

Json = dict[str, Any]

INTERACTIONS = TOPIC_NAMES.index("interactions")
_TOPIC_INDEX_OF = {kind: index for index, (_, kinds) in enumerate(INPUT_TOPICS) for kind in kinds}


def topic_index_of(kind: type[Event]) -> int:
    """The place in `TOPIC_NAMES` of the topic of a kind's events."""
    return _TOPIC_INDEX_OF.get(kind, INTERACTIONS)


def topic_of(kind: type[Event]) -> str:
    """The logical name of the topic of a kind's events."""
    return TOPIC_NAMES[topic_index_of(kind)]


def type_name(kind: type[Event]) -> str:
    """The wire name of a kind of event, as in `type`."""
    return str(kind.__struct_config__.tag)


class KindExamples(NamedTuple):
    """The published examples of one kind.

    Attributes:
        full: every field, without `type`.
        good: case → the fields that differ from the full example.
        bad: cases that break the schema: case → (JSON pointer, value).
    """

    full: Json
    good: Mapping[str, Json]
    bad: Mapping[str, tuple[str, Any]]


class Forms(NamedTuple):
    """What the contract holds of one mechanic.

    Attributes:
        name: the key of its section in documents, of its saved records and of its figures.
        kinds: its kinds of events; no other mechanic has any of them.
        section: what documents show of it.
        examples: wire name of each kind → its examples.
    """

    name: str
    kinds: tuple[type[Event], ...]
    section: type[msgspec.Struct]
    examples: Mapping[str, KindExamples]


class Catalogue:
    """The built-in kinds, and those of some mechanics.

    Attributes:
        mechanics: their forms, in the order of their sections in documents.
        topics: (logical name, kinds on it) of each input topic, in the contract's order.
        types: wire name → (topic, kind) of each kind, in the order of the topics.
        mechanic_of: kind → the name of its mechanic; built-in kinds have none.
        examples: wire name → examples, of the mechanics' kinds.
        sections: name of each mechanic → the shape of its section.
        decode: JSON → an event of any of the kinds; raises what msgspec raises.

    Raises:
        ValueError: two mechanics, or a mechanic and a built-in part, have one name or one kind.
    """

    def __init__(self, mechanics: tuple[Forms, ...] = ()) -> None:
        self.mechanics = mechanics
        more = tuple(kind for forms in mechanics for kind in forms.kinds)
        self.topics = tuple(
            (name, (*kinds, *more) if index == INTERACTIONS else kinds)
            for index, (name, kinds) in enumerate(INPUT_TOPICS)
        )
        kinds = [(topic, kind) for topic, of_topic in self.topics for kind in of_topic]
        self.types = {type_name(kind): (topic, kind) for topic, kind in kinds}
        self.mechanic_of = {kind: forms.name for forms in mechanics for kind in forms.kinds}
        self.sections = {forms.name: forms.section for forms in mechanics}
        self.examples = {name: of for forms in mechanics for name, of in forms.examples.items()}
        names = [forms.name for forms in mechanics]
        if len(self.types) < len(kinds) or len(set(names)) < len(names):
            raise ValueError(f"a name or a kind is used twice among {names} and the built-in kinds")
        any_kind: Any = Union[(RoomEvent, *more)] if more else RoomEvent
        self.decode: Callable[[bytes | msgspec.Raw], Event] = msgspec.json.Decoder(any_kind).decode

    def only(self, names: Collection[str]) -> Catalogue:
        """The catalogue with only the named mechanics; unknown names are ignored."""
        chosen = tuple(forms for forms in self.mechanics if forms.name in names)
        return self if len(chosen) == len(self.mechanics) else Catalogue(chosen) if chosen else BUILT_IN

    def topic_kinds(self, topic: str) -> tuple[type[Event], ...]:
        """The kinds on a topic. Raises KeyError where there is no such topic."""
        return dict(self.topics)[topic]


BUILT_IN = Catalogue()
