"""What a platform says of polls and votes."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from stream.contract import examples
from stream.contract.catalogue import KindExamples
from stream.contract.events import MAX_ID_CHARS, Event, Id, PersonEvent

MAX_QUESTION_CHARS = 200
MAX_OPTION_CHARS = 80
MIN_OPTIONS, MAX_OPTIONS = 2, 10
# From 1973 to the year 5138: seconds and microseconds lie outside. Either would close a poll long ago, or never.
MIN_CLOSES_AT_MS, MAX_CLOSES_AT_MS = 10**11, 10**14 - 1

PollId = Annotated[Id, Meta(description="the poll")]


class PollOption(Struct, frozen=True, gc=False, kw_only=True):
    """One of the options of a poll."""

    option_id: Annotated[Id, Meta(description="the option; of two with one id in a poll the first stands")]
    text: Annotated[str, Meta(min_length=1, max_length=MAX_OPTION_CHARS, description="its words; untrusted")]


class PollOpened(Event, frozen=True, gc=False, kw_only=True, tag="poll_opened"):
    """A poll is open. The newest of these events says the poll's question, its options and its closing time."""

    poll_id: PollId
    question: Annotated[str, Meta(min_length=1, max_length=MAX_QUESTION_CHARS, description="what is asked; untrusted")]
    options: Annotated[
        tuple[PollOption, ...],
        Meta(min_length=MIN_OPTIONS, max_length=MAX_OPTIONS, description="what may be chosen, as it is shown"),
    ]
    closes_at_ms: (
        Annotated[
            int,
            Meta(
                ge=MIN_CLOSES_AT_MS,
                le=MAX_CLOSES_AT_MS,
                description="closing time, UTC epoch milliseconds; without it, until the poll is closed",
            ),
        ]
        | None
    ) = None


class Vote(PersonEvent, frozen=True, gc=False, kw_only=True, tag="vote"):
    """Somebody chooses an option of a poll. Of a person's votes on a poll the last one before its end counts."""

    poll_id: PollId
    option_id: Annotated[Id, Meta(description="the option that is chosen")]


class PollClosed(Event, frozen=True, gc=False, kw_only=True, tag="poll_closed"):
    """A poll ends with this event's time, unless it ended before."""

    poll_id: PollId


_LONG_ID = "Az09._:-" * (MAX_ID_CHARS // 8)
_POLL = {**examples.EVENT, "poll_id": "poll-3"}
_OPTIONS = [{"option_id": "camel", "text": "Camel"}, {"option_id": "navy", "text": "Navy blue"}]
_AN_OPTION = {"option_id": "grey", "text": "Grey"}
_POLL_BAD = {
    "poll-missing": ("/poll_id", examples.ABSENT),
    "poll-empty": ("/poll_id", ""),
    "poll-too-long": ("/poll_id", "x" * (MAX_ID_CHARS + 1)),
    "poll-with-a-space": ("/poll_id", "poll 3"),
    "poll-number": ("/poll_id", 3),
}
EXAMPLES = {
    "poll_opened": KindExamples(
        {
            **_POLL,
            "question": "Which colour shall we show next?",
            "options": _OPTIONS,
            "closes_at_ms": examples.NOW_MS + 60_000,
        },
        {
            "until-it-is-closed": {"closes_at_ms": None},
            "most-options": {"options": [{**_AN_OPTION, "option_id": f"o{each}"} for each in range(MAX_OPTIONS)]},
            "one-id-twice": {"options": [*_OPTIONS, {**_AN_OPTION, "option_id": "navy"}]},
            "longest-words": {
                "question": "\N{FIRE}" * MAX_QUESTION_CHARS,
                "options": [
                    {"option_id": _LONG_ID, "text": "\N{FIRE}" * MAX_OPTION_CHARS},
                    {**_AN_OPTION, "text": "是"},
                ],
            },
        },
        {
            **_POLL_BAD,
            "question-missing": ("/question", examples.ABSENT),
            "question-empty": ("/question", ""),
            "question-too-long": ("/question", "x" * (MAX_QUESTION_CHARS + 1)),
            "question-number": ("/question", 3),
            "options-missing": ("/options", examples.ABSENT),
            "one-option": ("/options", _OPTIONS[:1]),
            "options-too-many": ("/options", [_AN_OPTION] * (MAX_OPTIONS + 1)),
            "options-a-text": ("/options", "camel, navy"),
            "option-a-text": ("/options/0", "camel"),
            "option-without-id": ("/options/1/option_id", examples.ABSENT),
            "option-id-with-a-space": ("/options/1/option_id", "navy blue"),
            "option-id-empty": ("/options/1/option_id", ""),
            "option-id-too-long": ("/options/1/option_id", "x" * (MAX_ID_CHARS + 1)),
            "option-id-number": ("/options/0/option_id", 1),
            "option-without-words": ("/options/0/text", examples.ABSENT),
            "option-words-empty": ("/options/0/text", ""),
            "option-words-too-long": ("/options/0/text", "x" * (MAX_OPTION_CHARS + 1)),
            "option-words-a-number": ("/options/0/text", 1),
            "closes-in-seconds": ("/closes_at_ms", (examples.NOW_MS + 60_000) // 1_000),
            "closes-in-microseconds": ("/closes_at_ms", (examples.NOW_MS + 60_000) * 1_000),
            "closes-at-a-written-time": ("/closes_at_ms", "2017-10-10T12:01:00Z"),
        },
    ),
    "vote": KindExamples(
        {**examples.PERSON, "poll_id": "poll-3", "option_id": "camel"},
        {"nobody-knows-who": {"user_id": "-"}, "longest-ids": {"poll_id": _LONG_ID, "option_id": _LONG_ID}},
        {
            **_POLL_BAD,
            "option-missing": ("/option_id", examples.ABSENT),
            "option-null": ("/option_id", None),
            "option-empty": ("/option_id", ""),
            "option-too-long": ("/option_id", "x" * (MAX_ID_CHARS + 1)),
            "option-with-a-line-break": ("/option_id", "camel\n"),
            "options-two": ("/option_id", ["camel", "navy"]),
            "user-missing": ("/user_id", examples.ABSENT),
            "user-null": ("/user_id", None),
        },
    ),
    "poll_closed": KindExamples(_POLL, {"longest-id": {"poll_id": _LONG_ID}}, _POLL_BAD),
}
