"""The report of a session: its totals, its claims, and the range of the log that proves them.

Shapes only: `stream.verify` makes the report, and docs/report.md says what each field means. Money is in minor units,
times are UTC epoch milliseconds, offsets are `[first_offset, next_offset)`. No value depends on when it was made.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from stream.contract.overlay import Evidence, FormerRounds, SaleCorrection

REPORT_SCHEMA = "snapup.report.v1"


class Amounts(Struct, frozen=True, gc=False):
    """Minor units of one currency: placed, paid, and paid less what was cancelled or refunded afterwards."""

    currency: str
    placed_minor: int
    paid_minor: int
    net_minor: int


class ReportedSession(Struct, frozen=True, kw_only=True):
    """Names a session by what no later session changes. `ended_at_ms` null: the session goes on."""

    show_id: str | None
    began_at_ms: int
    ended_at_ms: int | None
    ended_by: str | None
    as_of_ms: int


class Peak(Struct, frozen=True, gc=False):
    """The greatest number of people at the end of a step of the curve, and the time of that end."""

    watching: int
    at_ms: int


class ReportTotals(Struct, frozen=True, kw_only=True):
    """The session's totals, counted exactly."""

    viewers: int
    views: int
    watching_now: int
    peak: Peak | None
    likes: int
    comments: int
    cart_adds: int
    orders: dict[str, int]
    money: list[Amounts]


class ReportedRate(Struct, frozen=True, gc=False):
    """A rate over the whole session, never divided."""

    name: str
    num: int
    den: int
    currency: str | None


class Step(Struct, kw_only=True):
    """What counted in one step of effective time, usually a minute. `watching`: people at its end."""

    start_ms: int
    views: int = 0
    watching: int = 0
    comments: int = 0
    likes: int = 0
    cart_adds: int = 0
    orders_placed: int = 0
    orders_paid: int = 0
    money: list[Amounts] = []


class Curve(Struct, frozen=True, kw_only=True):
    """The same figures in shorter steps."""

    step_ms: int
    steps: list[Step]


class Ledger(Struct, frozen=True, kw_only=True):
    """The stock of one SKU of one sale at the end. It belongs to the room and so spans sessions."""

    status: str
    offered: int | None
    restocked: int
    available: int | None
    held: int
    sold: int
    released: int
    oversold: int
    over_limit: int
    ends_at_ms: int | None
    extended: bool
    gone: int = 0
    corrections: list[SaleCorrection] = []
    former: FormerRounds | None = None


class Product(Struct, kw_only=True):
    """One SKU, in one sale or outside any sale. Units are counted by the status of their order in this session.

    `sku_id` null: all SKUs beyond the bound together.
    """

    sku_id: str | None
    sale_id: str | None
    ledger: Ledger | None = None
    orders_paid: int = 0
    units_placed: int = 0
    units_paid: int = 0
    units_cancelled: int = 0
    units_refunded: int = 0
    units_net: int = 0
    cart_adds: int = 0
    money: list[Amounts] = []


class SourceCount(Struct, frozen=True, gc=False):
    """Visits that named a source; null: visits without one. `other`: all sources beyond the bound together."""

    source: str | None
    views: int
    clicks: int
    other: bool = False


class SaidClaim(Struct, frozen=True, kw_only=True):
    """A claim about one product (or the room), over all documents that made it.

    `values`: first, last, least, most. `spans`: the number of stretches of time; the first of them are in `intervals`.
    """

    claim: str
    rule: str
    sale_id: str | None
    sku_id: str | None
    unit: str
    documents: int
    first_at_ms: int
    last_until_ms: int
    said_ms: int
    spans: int
    intervals: list[tuple[int, int]]
    first: Any
    last: Any
    least: Any
    most: Any
    evidence: list[Evidence]


class WithheldClaim(Struct, frozen=True, kw_only=True):
    """A withheld claim and its reason: in how many documents, for how long."""

    claim: str
    reason: str
    sale_id: str | None
    sku_id: str | None
    documents: int
    first_at_ms: int
    last_until_ms: int
    withheld_ms: int
    spans: int


class Correction(Struct, frozen=True, kw_only=True):
    """A host's word that changed what had been said of a sale. `said`: the event's own fields."""

    kind: str
    at_ms: int
    topic: str
    partition: int
    offset: int
    said: dict[str, Any]


class TopicAccount(Struct, kw_only=True):
    """`received = applied + duplicate + dead_lettered` for one topic's records of the session."""

    topic: str
    received: int = 0
    applied: int = 0
    duplicate: int = 0
    dead_lettered: int = 0
    retimed: int = 0


class Quality(Struct, frozen=True, kw_only=True):
    """What became of the session's records: `dead_letters` by reason, the other figures also by topic."""

    received: int
    applied: int
    duplicate: int
    dead_lettered: int
    retimed: int
    forgettable: int
    dead_letters: dict[str, int]
    topics: list[TopicAccount]


class TopicRange(Struct, frozen=True, kw_only=True):
    """The session's records in one topic partition: the first offset, the one after the last, and their SHA-256."""

    topic: str
    partition: int
    first_offset: int
    next_offset: int
    records: int
    sha256: str


class LogRange(Struct, frozen=True, kw_only=True):
    """The session's records. `sha256`: over the lines of `topics`, as docs/report.md says."""

    sha256: str
    records: int
    topics: list[TopicRange]


class RulesTold(Struct, frozen=True, kw_only=True):
    """The rules of the recount. `source`: `journal` or `settings`. `where`: the record that holds the rules."""

    source: str
    where: str
    from_epoch: int
    version: str
    rules: dict[str, Any]


class Differing(Struct, frozen=True):
    """A figure whose recounted and published values differ."""

    name: str
    recounted: Any
    published: Any


class ClaimsChecked(Struct, frozen=True, kw_only=True):
    """The recount of every claim in these documents, said and withheld. `told`: the first wrong ones, in words.

    `not_recounted`: claims that the log does not decide. `why_not`: why none or not all were recounted; null: all were.
    """

    documents: int
    claims: int
    right: int
    wrong: int
    not_recounted: int
    told: list[str]
    why_not: str | None


class Check(Struct, frozen=True, kw_only=True):
    """The recount beside the session's last document. `problems`: sentences on why it proves less than it should."""

    figures: int
    epoch: int
    rev: int
    document_as_of_ms: int
    differences: list[Differing]
    problems: list[str]
    claims: ClaimsChecked

    @property
    def holds(self) -> bool:
        """Whether every figure and claim is right and no problem is in the way."""
        return not self.differences and not self.problems and not self.claims.wrong


class ShowBefore(Struct, frozen=True, kw_only=True):
    """The room's session before this one, recounted in the same way.

    `holds`: every figure equals that of its last document.
    """

    session: ReportedSession
    totals: ReportTotals
    holds: bool


class Report(Struct, kw_only=True):
    """The whole report of one session."""

    schema: str
    room_id: str
    session: ReportedSession
    totals: ReportTotals
    rates: list[ReportedRate]
    minutes: list[Step]
    curve: Curve | None
    products: list[Product]
    sources: list[SourceCount]
    claims: list[SaidClaim]
    withheld: list[WithheldClaim]
    corrections: list[Correction]
    corrections_left_out: int
    quality: Quality
    log: LogRange
    rules: list[RulesTold]
    check: Check
    documents: int
    documents_from: str
    snapup_version: str
    before: ShowBefore | None = None
