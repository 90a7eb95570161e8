"""Which kinds there are, and which topic each belongs on."""

from __future__ import annotations

from typing import get_args

import msgspec
import pytest

from stream.contract import examples
from stream.contract.asyncapi import document
from stream.contract.catalogue import (
    BUILT_IN,
    INTERACTIONS,
    Catalogue,
    Forms,
    KindExamples,
    topic_index_of,
    topic_of,
    type_name,
)
from stream.contract.decode import Decoder, Limits, Reason
from stream.contract.events import INPUT_TOPICS, TOPIC_NAMES, Like, PersonEvent, RoomEvent
from stream.contract.publish import schemas
from stream.contract.refusal import DeadLetter
from stream.contract.schema import overlay_schema


class Wave(PersonEvent, frozen=True, gc=False, kw_only=True, tag="wave"):
    """Somebody waved."""

    hands: int


class Waves(msgspec.Struct):
    """What documents show of waves."""

    hands: int


FULL = {**examples.PERSON, "hands": 2}
WAVES = Forms("waves", (Wave,), Waves, {"wave": KindExamples(FULL, {"none": {"hands": 0}}, {"text": ("/hands", "x")})})
WITH_WAVES = Catalogue((WAVES,))


def decoded(catalogue: Catalogue, topic: str = "interactions", limits: Limits | None = None) -> object:
    decoder = Decoder(TOPIC_NAMES.index(topic), limits or Limits(), catalogue)
    return decoder.decode(msgspec.json.encode({"type": "wave", **FULL}), examples.ROOM.encode(), examples.NOW_MS)


def test_every_built_in_kind_has_its_topic() -> None:
    assert [kind for _, kind in BUILT_IN.types.values()] == [kind for _, kinds in INPUT_TOPICS for kind in kinds]
    for name, (topic, kind) in BUILT_IN.types.items():
        assert (type_name(kind), topic_of(kind), TOPIC_NAMES[topic_index_of(kind)]) == (name, topic, topic)
    assert {kind for _, kind in BUILT_IN.types.values()} == set(get_args(RoomEvent))
    assert BUILT_IN.topic_kinds("likes") == (Like,)


def test_a_mechanics_kinds_are_interactions() -> None:
    assert topic_index_of(Wave) == INTERACTIONS
    assert WITH_WAVES.types == {**BUILT_IN.types, "wave": ("interactions", Wave)}
    assert WITH_WAVES.topic_kinds("interactions") == (*BUILT_IN.topic_kinds("interactions"), Wave)
    assert WITH_WAVES.topics[:-1] == BUILT_IN.topics[:-1]
    assert WITH_WAVES.mechanic_of == {Wave: "waves"}


def test_who_knows_a_mechanic_reads_its_kinds() -> None:
    wave = decoded(WITH_WAVES)
    assert isinstance(wave, Wave)
    assert wave.hands == 2
    wrong = decoded(WITH_WAVES, "likes")
    assert isinstance(wrong, DeadLetter)
    assert wrong.reason is Reason.WRONG_TOPIC


@pytest.mark.parametrize(
    ("catalogue", "limits"), [(BUILT_IN, Limits()), (WITH_WAVES, Limits(mechanics=())), (WITH_WAVES.only(()), Limits())]
)
def test_who_does_not_know_it_refuses_them(catalogue: Catalogue, limits: Limits) -> None:
    for topic in TOPIC_NAMES:
        unknown = decoded(catalogue, topic, limits)
        assert isinstance(unknown, DeadLetter)
        assert unknown.reason is Reason.UNKNOWN_TYPE


def test_a_catalogue_of_some_mechanics() -> None:
    assert WITH_WAVES.only({"waves", "later"}) is WITH_WAVES
    assert WITH_WAVES.only({"later"}) is BUILT_IN
    assert decoded(WITH_WAVES, limits=Limits(mechanics=("waves",))) == decoded(WITH_WAVES)


@pytest.mark.parametrize(
    "mechanics", [(WAVES, WAVES), (WAVES, WAVES._replace(name="other")), (WAVES._replace(kinds=(Like,)),)]
)
def test_names_and_kinds_are_used_once(mechanics: tuple[Forms, ...]) -> None:
    with pytest.raises(ValueError, match="used twice"):
        Catalogue(mechanics)


def test_a_mechanic_is_published_like_the_built_in_kinds() -> None:
    published, built_in = schemas(WITH_WAVES), schemas()
    assert published.keys() - built_in.keys() == {"wave.v1.schema.json"}
    assert published["wave.v1.schema.json"]["examples"] == [{"type": "wave", **FULL}]
    assert {name for name in built_in if published[name] != built_in[name]} == {"overlay.v1.schema.json"}
    assert "wave" in document(WITH_WAVES)["channels"]["interactions"]["messages"]
    for name, record in examples.valid(WITH_WAVES).items():
        assert name in examples.valid() or record["type"] == "wave"
    of_wave = {name for name in examples.invalid(WITH_WAVES) if "--wave--" in name}
    assert len(of_wave) == len({name for name in examples.invalid() if "--records_misplaced--" in name}) - 1


def test_a_section_is_an_optional_part_of_the_document() -> None:
    schema, built_in = overlay_schema(WITH_WAVES), overlay_schema()
    assert schema["required"] == built_in["required"]
    assert list(schema["properties"]) == [*built_in["properties"], "waves"]
    assert schema["properties"].pop("waves") == {"$ref": "#/$defs/Waves"}
    assert schema["$defs"].pop("Waves")["required"] == ["hands"]
    assert schema == built_in
