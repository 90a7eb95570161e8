"""What documents show of gauges."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

At = Annotated[int, Meta(description="the event's time, UTC epoch milliseconds: its age follows from `as_of_ms`")]
PrecisionSaid = Annotated[str, Meta(description="`exact`, `rounded` or `at_least`, as the platform says it")]


class Reading(Struct, gc=False):
    """One figure as a platform said it."""

    value: int
    at_ms: At
    precision: PrecisionSaid


class Gauge(Struct, omit_defaults=True):
    """One kind of figure of one source."""

    peak: Annotated[Reading, Meta(description="the greatest that was said in the session, and when first")]
    latest: Annotated[
        Reading | None, Meta(description="what was said last; absent: that is too long ago, and it is not known")
    ] = None


class Source(Struct, omit_defaults=True):
    """What one platform says. A gauge that it never said is absent."""

    source: Annotated[str, Meta(description="the platform's name")]
    events: Annotated[int, Meta(description="how many events came from it")]
    viewers_now: Annotated[Gauge | None, Meta(description="people who watch")] = None
    viewers_total: Annotated[Gauge | None, Meta(description="people or views so far, as the platform counts")] = None
    likes_total: Annotated[Gauge | None, Meta(description="likes so far, as the platform counts")] = None
    popularity: Annotated[Gauge | None, Meta(description="the platform's own score")] = None


class ViewersNow(Struct, gc=False):
    """How many people watch, as one platform says. It is no sum, and not what is counted here."""

    value: int
    source: Annotated[str, Meta(description="the platform that says it")]
    at_ms: At
    precision: PrecisionSaid


class Gauges(Struct, omit_defaults=True):
    """What platforms say of a session. Nothing of it is added up, or mixed with what is counted here."""

    known_for_ms: Annotated[int, Meta(description="how long what was said last is taken as known, milliseconds")]
    sources: Annotated[
        list[Source], Meta(description="shorter names first; of equally short ones in the order of ASCII")
    ]
    viewers_now: Annotated[
        ViewersNow | None,
        Meta(description="of the first source in `sources` that says it; absent: it is not known from anybody"),
    ] = None
    beyond: Annotated[
        int,
        Meta(description="events of sources beyond the bound: none of these is in `sources`; absent: there are none"),
    ] = 0
