"""What documents show of polls."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct


class Option(Struct, gc=False):
    """One option of a poll. Its share is `votes` of the poll's `voters`: two whole numbers."""

    option_id: str
    text: Annotated[str, Meta(description="its words; untrusted")]
    votes: Annotated[int, Meta(description="people whose last vote before the end chose it")]
    leads: Annotated[
        bool, Meta(description="no other option has more votes, and it has any; several that lead are a tie")
    ]


class Poll(Struct, omit_defaults=True):
    """One poll, in its newest words."""

    poll_id: str
    question: Annotated[str, Meta(description="what is asked; untrusted")]
    status: Annotated[Literal["open", "closed"], Meta(description="whether its end has come")]
    voters: Annotated[int, Meta(description="people whose vote is with one of the options: the sum of their votes")]
    options: Annotated[list[Option], Meta(description="in the order of the poll's words, whatever their votes")]
    ends_at_ms: Annotated[
        int | None, Meta(description="end, past or to come, UTC epoch milliseconds; absent: none was said")
    ] = None
    other: Annotated[
        int, Meta(description="people whose last vote names none of the options; absent: there are none")
    ] = 0


class Votes(Struct, omit_defaults=True):
    """The polls of a session, and the votes that are in none of them."""

    polls: Annotated[list[Poll], Meta(description="those that were opened last, newest first")]
    more: Annotated[int, Meta(description="older polls that are known and not shown; absent: there are none")] = 0
    waiting: Annotated[
        int,
        Meta(
            description="voters on polls whose opening was not heard, or was forgotten; a person on two polls is two "
            "voters; absent: there are none"
        ),
    ] = 0
    unheard: Annotated[
        int,
        Meta(description="votes of people who voted on one poll more often than is heard; absent: there are none"),
    ] = 0
    beyond: Annotated[
        int,
        Meta(
            description="votes of voters beyond the bound: while there are any, all votes shown are least values; "
            "absent: there are none"
        ),
    ] = 0
    unknown: Annotated[
        int, Meta(description="votes of unknown people, which are in no other figure; absent: there are none")
    ] = 0
