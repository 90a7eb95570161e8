"""A document from Redis: checked where this server relies on it, otherwise passed on unchanged.

Only the fields below are read. A later worker may add fields and words that this server does not know.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct

from stream.contract.overlay import SCHEMA
from stream.contract.sight import Sight, State, Unreadable
from stream.serve.trends import Trend

# The bound on one document. A room with 500 sales takes about 400 kB.
MAX_DOCUMENT_BYTES = 4 << 20


class _Value(Struct):
    value: int


class _Orders(Struct):
    placed: int
    paid: int


class Amount(Struct, frozen=True, gc=False):
    """GMV of one currency in minor units: paid, refunds not taken off, as in `stream.contract.overlay.Money`."""

    currency: str
    gmv_paid_minor: int


class _Totals(Struct):
    viewers: _Value
    watching_now: int
    orders: _Orders
    money: list[Amount] = []


class _Clock(Struct):
    lag_ms: int


class _Urgency(Struct):
    level: str
    since_ms: int


class _Sale(Struct):
    oversold: int
    suspect_units: int = 0


class _Counted(Struct):
    """An object of which only the presence counts."""


class _Session(Struct):
    began_at_ms: int
    ended_at_ms: int | None = None


class _Head(Struct):
    """The fields of an overlay that this server reads itself; see `stream.contract.overlay.Overlay`."""

    schema: str
    room_id: str
    epoch: int
    rev: int
    as_of_ms: int
    stale_after_ms: int
    clock: _Clock
    totals: _Totals
    sales: list[_Sale]
    urgency: _Urgency
    claims: list[_Counted]
    withheld: list[_Counted]
    session: _Session | None = None


class _Named(Struct):
    schema: str


class Summary(Struct, frozen=True):
    """One room in the list of rooms. `oversold` and `suspect_units` are summed over its sales.

    `money`: one amount for each currency. `ended_at_ms`: when its session ended; null: not, or not heard. `trend`: only
    where it is asked for; null also where no history is kept.
    """

    room_id: str
    epoch: int
    rev: int
    as_of_ms: int
    stale_after_ms: int
    state: State
    level: str
    level_since_ms: int
    watching_now: int
    viewers: int
    orders_placed: int
    orders_paid: int
    sales: int
    oversold: int
    suspect_units: int
    claims: int
    withheld: int
    money: list[Amount] = []
    ended_at_ms: int | None = None
    trend: Trend | None = None


class Document(Struct, frozen=True):
    """A readable document. `raw` is one line of JSON. `published_ms` is the wall clock of the worker at publication."""

    raw: bytes
    room_id: str
    epoch: int
    rev: int
    as_of_ms: int
    stale_after_ms: int
    published_ms: int
    head: _Head

    @property
    def etag(self) -> str:
        """Epoch and revision: a reader names its document by them."""
        return f"{self.epoch}-{self.rev}"

    def summary(self, now_ms: int) -> Summary:
        """The room in a few figures, with its state at `now_ms`."""
        head = self.head
        return Summary(
            room_id=self.room_id,
            epoch=self.epoch,
            rev=self.rev,
            as_of_ms=self.as_of_ms,
            stale_after_ms=self.stale_after_ms,
            state=state_at(self.stale_after_ms, now_ms),
            level=head.urgency.level,
            level_since_ms=head.urgency.since_ms,
            watching_now=head.totals.watching_now,
            viewers=head.totals.viewers.value,
            orders_placed=head.totals.orders.placed,
            orders_paid=head.totals.orders.paid,
            sales=len(head.sales),
            oversold=sum(sale.oversold for sale in head.sales),
            suspect_units=sum(sale.suspect_units for sale in head.sales),
            claims=len(head.claims),
            withheld=len(head.withheld),
            money=head.totals.money,
            ended_at_ms=None if head.session is None else head.session.ended_at_ms,
        )


def state_at(stale_after_ms: int, now_ms: int) -> State:
    """Whether a document is fresh or stale at this time."""
    return State.STALE if now_ms > stale_after_ms else State.LIVE


_decode_head = msgspec.json.Decoder(_Head).decode
_decode_named = msgspec.json.Decoder(_Named).decode


def read_document(room_id: str, raw: bytes) -> Document | Unreadable:
    """The document in the bytes that Redis holds for a room, or why there is none. Total: any bytes have an answer."""
    if len(raw) > MAX_DOCUMENT_BYTES:
        return Unreadable(f"{len(raw)} bytes are more than any document has")
    try:
        raw.decode()  # msgspec does not check strings that it skips
        schema = _decode_named(raw).schema
        if schema != SCHEMA:
            return Unreadable(f"its schema is {schema[:64]!r}, this server reads {SCHEMA!r}")
        head = _decode_head(raw)
        line = _one_line(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return Unreadable(f"not a document: {str(error).splitlines()[0][:200]}")
    if head.room_id != room_id:
        return Unreadable("it is the document of another room")
    published_ms = head.as_of_ms + head.clock.lag_ms
    return Document(line, room_id, head.epoch, head.rev, head.as_of_ms, head.stale_after_ms, published_ms, head)


def _one_line(raw: bytes) -> bytes:
    """The same JSON without line breaks: a line break would end a line of an event stream."""
    if b"\n" not in raw and b"\r" not in raw:
        return raw
    # The decoder is strict: after it no bare line break is left, inside strings or outside.
    return msgspec.json.encode(msgspec.json.decode(raw))


DocumentSight = Sight[Document]
NOTHING = DocumentSight(None)
