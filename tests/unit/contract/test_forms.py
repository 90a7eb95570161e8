"""Forms are what msgspec is told, as tables."""

from __future__ import annotations

from stream.contract.events import INPUT_TOPICS, MAX_ID_CHARS, MAX_SAFE_INTEGER, MAX_TAPS, Event
from stream.contract.forms import ID, NUMBER, TEXT, Field, form_of

KINDS = dict(INPUT_TOPICS)


def test_the_form_of_likes() -> None:
    form = form_of(KINDS["likes"])
    assert form is not None
    ids = [Field(name, ID, 1, MAX_ID_CHARS) for name in ("event_id", "room_id", "user_id")]
    numbers = [Field("event_time_ms", NUMBER, 0, MAX_SAFE_INTEGER), Field("count", NUMBER, 1, MAX_TAPS)]
    assert sorted(form.fields) == sorted(ids + numbers)
    (kind,) = form.kinds
    assert (kind.tag, kind.known, kind.required, kind.nullable) == ("like", kind.required, kind.known, frozenset())


def test_kinds_of_one_topic_share_fields_and_differ_in_what_may_be_missing() -> None:
    form = form_of(KINDS["cart-adds"])
    assert form is not None
    added, removed = form.kinds
    assert added.known - added.required == added.nullable == {"sale_id"}
    assert removed.known - removed.required == removed.nullable == {"quantity", "sale_id"}


def test_texts_are_no_ids() -> None:
    form = form_of(KINDS["comments"])
    assert form is not None
    assert form.names(TEXT) == ["text"]


def test_what_has_more_than_ids_numbers_and_texts_has_no_form() -> None:
    assert form_of(KINDS["orders"]) is None  # lines
    assert form_of(KINDS["sales"]) is None  # a currency has a pattern


class _Other(Event, frozen=True, gc=False, kw_only=True, tag="other"):
    user_id: int


def test_kinds_that_mean_different_things_by_one_name_have_no_form() -> None:
    assert form_of((*KINDS["likes"], _Other)) is None
