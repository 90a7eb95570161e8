"""One session's report, recounted from the log alone: `add` takes the room's records in log order, then `report`.

Records from before the session are needed too: a refund may be for an order placed then.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from stream.contract.events import TOPIC_NAMES, Order, SaleOpened
from stream.contract.report import (
    REPORT_SCHEMA,
    Amounts,
    Check,
    ClaimsChecked,
    Curve,
    Differing,
    Peak,
    Quality,
    Report,
    ReportedRate,
    ReportedSession,
    ReportTotals,
    ShowBefore,
    TopicAccount,
)
from stream.errors import SnapupError
from stream.verify.claim_check import NOT_RECOUNTED, RIGHT, WRONG
from stream.verify.compare import Figure, compare
from stream.verify.range_hash import RangeHash
from stream.verify.recount import Recount
from stream.verify.redis_documents import UnreadableError, read_document
from stream.verify.tally import COUNTED, MINUTE_MS, Tally, by_minute

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stream.contract.overlay import Overlay
    from stream.contract.report import RulesTold, Step
    from stream.verify.figures import RoomFigures
    from stream.verify.order_facts import OrderFacts
    from stream.verify.recount import Heard
    from stream.verify.room_sessions import RoomSessions, ToldSession
    from stream.verify.rulebook import Rulebook

# The recount settles after this many records.
SETTLE_RECORDS = 5_000
# A session shorter than this has a curve of shorter steps beside the minutes.
SHORT_MS = 15 * MINUTE_MS
SHORT_STEP_MS = 5_000


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A session, and what is known of it besides its records.

    Attributes:
        room_id: the room of the session.
        prefix: the prefix of the topics.
        partition: the room's partition.
        sessions: the sessions of the room.
        place: the place of the session among them.
        ends: by logical topic, the offset after its last record; the log may go on, but the count ends here.
        rulebook: the settings under which each record was folded.
        rules: the same, for the report.
        problems: sentences on why the report proves less than it should.
        why_no_claims: why the session's claims were not recounted, or not all of them.
        ahead_of_clock: records that were refused for their time: see `Recount`.
        begins: by logical topic, the present beginning of its log.
        compares: whether the session before is counted too, if the log still has all of it.
    """

    room_id: str
    prefix: str
    partition: int
    sessions: RoomSessions
    place: int
    ends: Mapping[str, int]
    rulebook: Rulebook
    rules: Sequence[RulesTold]
    problems: Sequence[str] = ()
    why_no_claims: str | None = None
    ahead_of_clock: frozenset[tuple[str, int, int]] = frozenset()
    begins: Mapping[str, int] = field(default_factory=dict)
    compares: bool = True


class SessionReport:
    """Counts the records of the room, and reports.

    Args:
        asked: the session to report.
    """

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        told = [*asked.sessions]
        self._told: ToldSession = told[asked.place]
        session = self._told.session
        self._key = asked.room_id.encode()
        self._first = {} if session is None else dict(zip(TOPIC_NAMES, session.first_offsets, strict=False))
        self._recount = Recount(rulebook=asked.rulebook)
        self._recount.heard = self._heard
        self._recount.ahead_of_clock = set(asked.ahead_of_clock)
        self._rules = asked.rulebook.of_epoch(asked.partition, self._told.epoch)
        is_short = self._told.as_of_ms - self._told.began_at_ms < SHORT_MS
        self._step_ms = SHORT_STEP_MS if is_short else MINUTE_MS
        self._tally = Tally(asked.prefix, self._rules.presence_timeout_ms, self._step_ms)
        self._hash = RangeHash()
        self._accounts = {name: TopicAccount(topic=name) for name in TOPIC_NAMES}
        self._dead_letters: Counter[str] = Counter()
        self._forgettable = 0
        self._within = False
        self._topic, self._offset = "", -1
        self._first_ms = -1
        self._seen = 0
        self._oldest_ms: int | None = None  # over SETTLE_RECORDS records, so that one time far ahead moves nothing
        self._before = _show_before(asked, told)
        for earlier in told[: asked.place + 1]:
            if earlier.session is not None:
                self._begins(earlier)

    def _begins(self, told: ToldSession) -> None:
        session = told.session
        if session is None:
            return
        first = dict(zip(TOPIC_NAMES, session.first_offsets, strict=False))
        end = None if session.ended_at_ms is None else dict(zip(TOPIC_NAMES, session.next_offsets, strict=False))
        self._recount.begins(self._asked.room_id, session.began_at_ms, first, end)

    def add(
        self,
        topic: str,
        offset: int,
        timestamp_ms: int,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes | None]] = (),
    ) -> None:
        """Take one record of the room's partition, in log order. Records of other rooms and later ones are skipped.

        Args:
            topic: logical name.
            offset: the offset in the room's partition of the topic.
            timestamp_ms: the record's time.
            key: the record's key.
            value: the record's value.
            headers: the record's headers.
        """
        if self._before is not None:
            self._before.add(topic, offset, timestamp_ms, key, value, headers)
        if key != self._key or offset >= self._asked.ends.get(topic, 0):
            return
        recount, partition = self._recount, self._asked.partition
        self._within, self._topic, self._offset = offset >= self._first.get(topic, 0), topic, offset
        accounts = recount.accounts
        before = accounts.applied, accounts.duplicate, accounts.retimed, accounts.forgettable
        recount.add(topic, value, key, timestamp_ms, partition=partition, offset=offset, headers=headers)
        if self._within:
            self._hash.add(topic, partition, offset, timestamp_ms, key, value, headers)
            if self._first_ms < 0 or timestamp_ms < self._first_ms:
                self._first_ms = timestamp_ms
            account = self._accounts[topic]
            account.received += 1
            account.applied += accounts.applied - before[0]
            account.duplicate += accounts.duplicate - before[1]
            account.retimed += accounts.retimed - before[2]
            account.dead_lettered += len(recount.refusals)
            self._dead_letters.update(refusal.reason for refusal in recount.refusals)
            self._forgettable += accounts.forgettable - before[3]
        recount.refusals.clear()
        self._settle(timestamp_ms)

    def _settle(self, timestamp_ms: int) -> None:
        self._seen += 1
        self._oldest_ms = timestamp_ms if self._oldest_ms is None else min(self._oldest_ms, timestamp_ms)
        if self._seen % SETTLE_RECORDS == 0:
            self._recount.settle(self._oldest_ms)
            self._oldest_ms = None

    def _heard(self, heard: Heard) -> None:
        event, tally = heard.event, self._tally
        if heard.counts_ms < 0:
            return  # the record counted before, or never does
        if not self._within:
            if isinstance(event, SaleOpened):
                tally.opened_before(event)
        elif isinstance(event, Order):
            self._heard_of_order(event, heard.room.order(event.order_id), heard.counts_ms)
        else:
            rules = self._asked.rulebook.at(self._asked.partition, self._topic, self._offset)
            tally.add(event, heard.counts_ms, rules, (self._asked.partition, self._offset))

    def _heard_of_order(self, event: Order, order: OrderFacts, counts_ms: int) -> None:
        tally, before = self._tally, order.statuses - {event.status} if order.is_new_status else order.statuses
        if order.lines_before:
            tally.edit_order(order.lines_before, order.lines, before, counts_ms, order.currency)
        if order.is_new_status:
            untold = before if order.told_late else set()
            left = None if order.parts is None else order.net(order.parts)
            tally.add_order(event, order.lines, before, counts_ms, order.currency, untold, left)
        elif order.told_late:
            tally.add_units(order.lines, order.statuses)
        if order.is_new_part and order.parts is not None and order.parts_before is not None and order.is_sold():
            was, now = order.net(order.parts_before), order.net(order.parts)
            tally.add_part(was, now, counts_ms, order.currency)

    # -- the report ----------------------------------------------------------------------------------------------------
    def report(self, *, documents_from: str, version: str) -> Report:
        """The recount beside the session's last document.

        Args:
            documents_from: the source of the documents: `signals` or `replay`.
            version: the version of Snapup.

        Raises:
            SnapupError: the last document cannot be read.
        """
        asked, told = self._asked, self._told
        overlay, figures = self._counted()
        silent = self._recount.was_silent_too_long(asked.room_id, None, told.session)
        compared = compare(figures, overlay, None, asked.rulebook.mechanics)
        steps = self._tally.steps(told.as_of_ms, figures.watching_now)
        minutes = by_minute(steps)
        compared += _sums(figures, minutes)
        told.said.end()
        accounts = [account for account in self._accounts.values() if account.received]
        silences = ["the room was silent for so long in between that its session may have begun anew"] if silent else []
        return Report(
            schema=REPORT_SCHEMA,
            room_id=asked.room_id,
            session=self._session(),
            totals=_totals(figures, steps, self._step_ms),
            rates=[
                ReportedRate(key.name, rate.num, rate.den, key.currency)
                for key, rate in sorted(figures.rates.items(), key=lambda each: (each[0].name, each[0].currency or ""))
                if key.window_ms is None
            ],
            minutes=minutes,
            curve=None if self._step_ms == MINUTE_MS else Curve(step_ms=self._step_ms, steps=steps),
            products=self._tally.products(figures.sales),
            sources=self._tally.sources(),
            claims=told.said.claims(),
            withheld=told.said.withheld(),
            corrections=sorted(self._tally.corrections, key=lambda each: (each.at_ms, each.offset)),
            corrections_left_out=self._tally.corrections_left_out,
            quality=Quality(
                received=sum(each.received for each in accounts),
                applied=sum(each.applied for each in accounts),
                duplicate=sum(each.duplicate for each in accounts),
                dead_lettered=sum(each.dead_lettered for each in accounts),
                retimed=sum(each.retimed for each in accounts),
                forgettable=self._forgettable,
                dead_letters=dict(sorted(self._dead_letters.items())),
                topics=accounts,
            ),
            log=self._hash.log_range(),
            rules=[*asked.rules],
            check=Check(
                figures=len(compared),
                epoch=told.epoch,
                rev=overlay.rev,
                document_as_of_ms=told.as_of_ms,
                differences=[
                    Differing(figure.name, figure.recounted, figure.published)
                    for figure in compared
                    if not figure.agrees
                ],
                problems=[*asked.problems, *silences],
                claims=_checked(told, asked.why_no_claims),
            ),
            documents=told.said.documents,
            documents_from=documents_from,
            snapup_version=version,
            before=None if self._before is None else self._before.as_before(),
        )

    def as_before(self) -> ShowBefore:
        """The figures that a later session's report compares with.

        Raises:
            SnapupError: the last document cannot be read.
        """
        overlay, figures = self._counted()
        steps = self._tally.steps(self._told.as_of_ms, figures.watching_now)
        compared = compare(figures, overlay, None, self._asked.rulebook.mechanics)
        holds = all(figure.agrees for figure in compared)
        return ShowBefore(session=self._session(), totals=_totals(figures, steps, self._step_ms), holds=holds)

    def _counted(self) -> tuple[Overlay, RoomFigures]:
        """The last document, and its figures recounted from the log."""
        asked, told = self._asked, self._told
        try:
            overlay = read_document(asked.room_id, told.last, asked.rulebook.mechanics.sections)
        except UnreadableError as error:
            raise SnapupError(f"The session's last document cannot be read: {error}.") from None
        return overlay, self._recount.room(asked.room_id, told.as_of_ms, self._rules, told.session)

    def _session(self) -> ReportedSession:
        session = self._told.session
        return ReportedSession(
            show_id=None if session is None else session.show_id,
            began_at_ms=self._first_ms if session is None else session.began_at_ms,
            ended_at_ms=None if session is None else session.ended_at_ms,
            ended_by=None if session is None else session.ended_by,
            as_of_ms=self._told.as_of_ms,
        )


def _show_before(asked: Asked, told: Sequence[ToldSession]) -> SessionReport | None:
    """The report of the session before the one in question; None: there is none, or the log lacks part of it."""
    if not asked.compares or not asked.place:
        return None
    session = told[asked.place - 1].session
    if session is None or session.ended_at_ms is None:
        return None
    first = dict(zip(TOPIC_NAMES, session.first_offsets, strict=False))
    if any(begin > first.get(name, 0) for name, begin in asked.begins.items()):
        return None
    ends = dict(zip(TOPIC_NAMES, session.next_offsets, strict=False))
    return SessionReport(replace(asked, place=asked.place - 1, ends=ends, problems=(), compares=False))


def _checked(told: ToldSession, why_not: str | None) -> ClaimsChecked:
    tally = told.checked
    return ClaimsChecked(
        documents=tally.documents,
        claims=tally.of(),
        right=tally.of(RIGHT),
        wrong=tally.of(WRONG),
        not_recounted=tally.of(NOT_RECOUNTED),
        told=tally.told,
        why_not=why_not,
    )


def _totals(figures: RoomFigures, steps: Sequence[Step], step_ms: int) -> ReportTotals:
    fullest = max(steps, key=lambda step: step.watching, default=None)
    return ReportTotals(
        viewers=figures.viewers,
        views=figures.views,
        watching_now=figures.watching_now,
        peak=None if fullest is None or not fullest.watching else Peak(fullest.watching, fullest.start_ms + step_ms),
        likes=figures.likes,
        comments=figures.comments,
        cart_adds=figures.cart_adds,
        orders=figures.orders,
        money=[
            Amounts(currency, money.gmv_placed_minor, money.gmv_paid_minor, money.gmv_net_minor)
            for currency, money in sorted(figures.money.items())
        ],
    )


def _sums(figures: RoomFigures, minutes: Sequence[Step]) -> list[Figure]:
    """The sums of the minutes beside the totals, which are counted separately."""
    totals: dict[str, Any] = {name: getattr(figures, name) for name in ("views", "comments", "likes", "cart_adds")}
    totals |= {f"orders_{status}": figures.orders[status] for status in ("placed", "paid")}
    sums = {name: sum(getattr(minute, name) for minute in minutes) for name in COUNTED}
    for currency, money in figures.money.items():
        totals |= {
            f"placed.{currency}": money.gmv_placed_minor,
            f"paid.{currency}": money.gmv_paid_minor,
            f"net.{currency}": money.gmv_net_minor,
        }
    for amounts in (amounts for minute in minutes for amounts in minute.money):
        for name in ("placed", "paid", "net"):
            key = f"{name}.{amounts.currency}"
            sums[key] = sums.get(key, 0) + getattr(amounts, f"{name}_minor")
    return [Figure(f"minutes {name}", sums.get(name, 0), totals.get(name, 0)) for name in sorted({*totals, *sums})]
