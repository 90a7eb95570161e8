"""Every claim of a document, published or withheld, against the log: right, wrong, or not recounted.

A checker follows one partition: records in the order of their folding, the clock as it moved. For a document it works
out which claims must be there (`claim_rules`) and compares each whole: rule, value, unit, window, inputs, validity,
evidence, id; of a withheld claim the reason. A missing claim is wrong, and so is a superfluous one.
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec import Struct, field

from stream.contract.overlay import FIRST_SIGNALS, Claim, Evidence, FormerRounds, Overlay
from stream.errors import SnapupError
from stream.verify.claim_facts import RoomSeen
from stream.verify.claim_parts import ClaimSettings, Condition, Figures
from stream.verify.claim_rules import EDITIONS, ROOM_RULES, RULES, SaleNow
from stream.verify.figures import SaleKey
from stream.verify.recount import Recount
from stream.verify.recounted import NO_MECHANICS
from stream.verify.rulebook import Rulebook

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from stream.contract.decode import Record
    from stream.contract.overlay import Withheld
    from stream.verify.recount import Heard
    from stream.verify.recounted import Mechanics
    from stream.verify.room_count import Assumptions

SAID = "said"
RIGHT, WRONG, NOT_RECOUNTED = "right", "wrong", "not recounted"
# Bound on wrong claims told in words. All are counted.
TOLD_MAX = 50
NO_FORMER = FormerRounds(0, 0, 0, 0, 0)
# Number of documents after which the sums are compared with the recount, which works from all facts.
SUMS_EVERY = 500

# Why a claim is not recounted; of visits see `visits_seen`.
BEYOND_BOUND = "the room had more sales than SNAPUP_SALES_PER_ROOM_MAX, so some records touched none"
DISPLACED = "orders of the room were forgotten before their time (SNAPUP_REMEMBER_ORDERS_MAX)"
FORGOTTEN = "the room was forgotten with all it knew (SNAPUP_ROOMS_MAX, SNAPUP_REMEMBER_SALES_MS)"
SKETCHED = "so many people that a sketch counts them (SNAPUP_DISTINCT_EXACT_MAX)"

Subject = tuple[str | None, str | None]


class Expected(Struct):
    """What follows from the log for one claim.

    Attributes:
        rule: the rule's name.
        conditions: the rule's conditions, up to the first that does not hold.
        figures: what must be said; None: the claim must be withheld.
    """

    rule: str
    conditions: list[Condition]
    figures: Figures | None

    @property
    def reason(self) -> str | None:
        """The reason to withhold the claim; None: it must be said."""
        return None if self.figures is not None else self.conditions[-1].reason


class Judged(NamedTuple):
    """The verdict on one claim. `said`: `said`, or the reason of withholding.

    `why`: what is wrong with a wrong claim; the reason why a claim is not recounted.
    """

    kind: str
    subject: Subject
    said: str
    verdict: str
    why: str = ""


class Tally(Struct):
    """Counts of claims by verdict. `told`: the first wrong ones in words. `unknown`: those not recounted, by reason."""

    documents: int = 0
    counted: Counter[tuple[str, str, str]] = field(default_factory=Counter)  # (kind, said or reason, verdict)
    told: list[str] = field(default_factory=list)
    unknown: Counter[tuple[str, str]] = field(default_factory=Counter)  # (kind, why)

    def add(self, where: str, judged: Iterable[Judged]) -> None:
        """Count the claims of one document."""
        self.documents += 1
        for each in judged:
            self.counted[each.kind, each.said, each.verdict] += 1
            if each.verdict == NOT_RECOUNTED:
                self.unknown[each.kind, each.why] += 1
            if each.verdict == WRONG and len(self.told) < TOLD_MAX:
                subject = "/".join(part for part in each.subject if part is not None)
                self.told.append(f"{where}: {each.kind} {subject}".rstrip() + f": {each.why}")

    def merge(self, other: Tally) -> None:
        """Add another tally."""
        self.documents += other.documents
        self.counted.update(other.counted)
        self.told = (self.told + other.told)[:TOLD_MAX]
        self.unknown.update(other.unknown)

    def of(self, verdict: str | None = None, kind: str | None = None) -> int:
        """The number of claims of one verdict and kind, or of all."""
        return sum(
            count
            for (of_kind, _, of), count in self.counted.items()
            if verdict in (None, of) and kind in (None, of_kind)
        )


class ClaimChecker:
    """Checks the claims of one partition.

    Args:
        partition: the number of the partition.
        prefix: the prefix of the topics.
        assumptions: the assumptions of the recount; see `rules`.
        settings: the settings under which the claims were made.
        mechanics: the mechanics whose events are read too.
    """

    def __init__(
        self,
        partition: int,
        prefix: str,
        assumptions: Assumptions,
        settings: ClaimSettings,
        mechanics: Mechanics = NO_MECHANICS,
    ) -> None:
        self.clock_ms = -1
        self.positions: dict[str, int] = {}
        self.rooms: dict[str, RoomSeen] = {}
        self.partition = partition
        self.prefix = prefix
        self.heard: Callable[[Heard, str, int, int, int], None] | None = None  # see `RoomRecords.take`
        self._settings = settings
        self._rulebook = Rulebook(assumptions, mechanics)
        self._recount = Recount(rulebook=self._rulebook)
        self._recount.heard = self._hear
        self._place = ("", -1, -1)
        self._documents = 0
        self._met_ms: dict[str, int] = {}  # by room, the clock at its first record

    def rules(self, assumptions: Assumptions, settings: ClaimSettings) -> None:
        """Take the settings of another owner, which may differ."""
        self._rulebook.stated, self._settings = assumptions, settings
        for room in self.rooms.values():
            room.room.assume(assumptions)
            room.follow(settings, self.clock_ms)

    # -- the log -------------------------------------------------------------------------------------------------------
    def fold(self, topic: str, records: Sequence[Record], latest_ms: int | None = None) -> None:
        """Count a piece of one logical topic in the order of folding. Records later than `latest_ms` were refused."""
        if self.clock_ms < 0 and records:
            self.clock_ms = self._recount.clock_ms = records[0].timestamp
        for record in records:
            self._place = topic, record.offset, record.timestamp
            where = (topic, self.partition, -1)
            if latest_ms is not None and record.timestamp > latest_ms:
                self._recount.ahead_of_clock.add(where)
            self._recount.add(
                topic, record.value, record.key, record.timestamp, partition=self.partition, headers=record.headers
            )
            self._recount.ahead_of_clock.discard(where)
        self._recount.refusals.clear()
        if records:
            self.positions[topic] = records[-1].offset + 1

    def move(self, clock_ms: int) -> None:
        """Move the clock. It never goes back."""
        self.clock_ms = self._recount.clock_ms = max(self.clock_ms, clock_ms)

    def _hear(self, heard: Heard) -> None:
        room = self.rooms.get(heard.room.room_id)
        if room is None or room.room is not heard.room:
            room = self.rooms[heard.room.room_id] = RoomSeen(heard.room, self._settings)
            self._met_ms.setdefault(heard.room.room_id, self.clock_ms)
        room.advance(self.clock_ms)
        topic, offset, stored_at_ms = self._place
        room.hear(heard, topic, offset, self.clock_ms)
        if self.heard is not None:
            self.heard(heard, topic, self.partition, offset, stored_at_ms)

    # -- documents -----------------------------------------------------------------------------------------------------
    def check(self, overlay: Overlay) -> list[Judged]:
        """The verdict on each claim of a document that was made where the checker stands.

        Raises:
            SnapupError: the recount contradicts itself, or it does not know these rules.
        """
        published: dict[tuple[str, Subject], Claim | Withheld] = {}
        twice: list[Judged] = []
        there_is: list[Claim | Withheld] = [*overlay.claims, *overlay.withheld]
        for claim in there_is:
            name: tuple[str, Subject] = (claim.claim, (claim.sale_id, claim.sku_id))
            if name in published:
                twice.append(Judged(*name, _said(claim), WRONG, "it is there twice"))
            published[name] = claim
        expected = dict(self.expected(overlay))
        self._documents += 1
        if self._documents % SUMS_EVERY == 0:
            self._compare_sums(overlay)
        room = self.rooms.get(overlay.room_id)
        unknown = _not_recounted(overlay, "" if room is None else room.visits.unknown)
        # Workers that had forgotten the room knew less than the log tells.
        known_ms = overlay.known_since_ms
        forgotten = known_ms is not None and self._met_ms.get(overlay.room_id, -1) < known_ms
        judged = []
        for name in {*expected, *published}:
            there = published.get(name)
            if there is None and overlay.left_out:
                continue  # the document was shortened for its topic
            wrong = self._wrong(overlay, name, expected.get(name), there)
            said = _said(there) if there is not None else "missing"
            verdict = RIGHT if not wrong else WRONG
            if why := FORGOTTEN if forgotten else unknown(name):
                verdict, wrong = NOT_RECOUNTED, why
            judged.append(Judged(*name, said, verdict, wrong))
        return judged + twice

    def expected(self, overlay: Overlay) -> Iterator[tuple[tuple[str, Subject], Expected]]:
        """The claims that follow from the log at a document's moment, by kind and subject."""
        room, settings = self.rooms.get(overlay.room_id), self._settings
        if room is None or (overlay.session is not None and overlay.session.ended_at_ms is not None):
            return
        names = EDITIONS.get(settings.signals_edition)
        if names is None:
            raise SnapupError(
                f"The rules of claims of edition {settings.signals_edition} are not known here: take the Snapup that "
                "the workers run."
            )
        room.advance(overlay.as_of_ms)
        sales = [*self._sales(room, overlay)]
        for name in names:
            if (of_room := ROOM_RULES.get(name)) is not None:
                figures = partial(of_room.figures, room, settings)
                yield (of_room.kind, (None, None)), _decided(name, of_room.conditions(room, settings), figures)
                continue
            rule = RULES[name]
            for sale in sales:
                if rule.concerns(sale):
                    yield (rule.kind, sale.key), _decided(name, rule.conditions(sale), partial(rule.figures, sale))

    def _sales(self, room: RoomSeen, overlay: Overlay) -> Iterator[SaleNow]:
        """The sales that the document shows or should show. An ended sale has no claims."""
        shown = {SaleKey(sale.sale_id, sale.sku_id) for sale in overlay.sales}
        heard = set() if room.room.session is None else room.room.session.heard_of
        for key in sorted(shown | heard):
            terms = room.room.terms(key, overlay.as_of_ms)
            if terms.status != "ended":
                seen = room.seen(key)
                as_of_ms, session = overlay.as_of_ms, room.room.session
                former, misplaced = room.former(key, terms.round_from_ms), room.misplaced
                yield SaleNow(key, terms, seen, as_of_ms, self._settings, session, misplaced=misplaced, former=former)

    def _wrong(
        self, overlay: Overlay, name: tuple[str, Subject], expected: Expected | None, there: Claim | Withheld | None
    ) -> str:
        """What is wrong, in words; empty: nothing."""
        if expected is None:
            return "nothing of it follows from the log"
        recomputed = self.recomputed(overlay, expected)
        reason = None if recomputed == SAID else recomputed
        if there is None:
            return f"it is missing: {'it may be said' if reason is None else f'withheld as {reason}'}"
        if reason is not None or not isinstance(there, Claim) or expected.figures is None:
            told = "said" if isinstance(there, Claim) else there.reason
            return "" if told == reason else f"{told}, not {reason or 'said'}"
        kind, (sale_id, sku_id) = name
        subject = "" if sale_id is None else f"{sale_id}:{sku_id}:"
        must: dict[str, Any] = {
            "id": f"{kind}:{subject}{overlay.epoch}-{overlay.rev}",
            "rule": expected.rule,
            **expected.figures._asdict(),
            "as_of_ms": overlay.as_of_ms,
            "valid_until_ms": self._valid_until_ms(overlay, SaleKey(sale_id or "", sku_id or "")),
            "evidence": self._evidence(overlay.room_id, expected.rule),
        }
        return "; ".join(
            f"{each} {getattr(there, each)!r}, not {value!r}"
            for each, value in must.items()
            if getattr(there, each) != value
        )

    def recomputed(self, overlay: Overlay, expected: Expected | None) -> str:
        """`said`, the reason to withhold, or `nothing`."""
        if expected is None:
            return "nothing"
        if expected.figures is not None and overlay.clock.lag_ms > self.stale_lag_ms:
            return "stale"
        return expected.reason or SAID

    @property
    def stale_lag_ms(self) -> int:
        """The greatest lag at which a worker says anything."""
        return self._settings.stale_lag_ms

    def _valid_until_ms(self, overlay: Overlay, key: SaleKey) -> int:
        """The end of a claim's validity, never after the sale's end."""
        until_ms = overlay.as_of_ms + self._settings.claim_valid_ms
        ends_at_ms = self.rooms[overlay.room_id].room.terms(key, overlay.as_of_ms).ends_at_ms
        return until_ms if ends_at_ms is None else min(until_ms, ends_at_ms)

    def _evidence(self, room_id: str, rule: str) -> list[Evidence]:
        first = self.rooms[room_id].first_offsets
        topics = (RULES.get(rule) or ROOM_RULES[rule]).topics
        return [
            Evidence(f"{self.prefix}.{topic}", self.partition, first[topic], self.positions[topic])
            for topic in topics
            if topic in first
        ]

    def _compare_sums(self, overlay: Overlay) -> None:
        """The sums along the log, which are of all rounds of a sale, against the recount from all facts."""
        room = self.rooms.get(overlay.room_id)
        if room is None:
            return
        figures = room.room.figures(overlay.as_of_ms)
        sums: dict[str, tuple[int, int]] = {"watching_now": (room.open_sessions, figures.watching_now)}
        for key, sale in room.sales.items():
            if (counted := figures.sales.get(key)) is not None:
                where = "/".join(key)
                former = counted.former or NO_FORMER
                sums[f"{where} held"] = sale.held, counted.held + former.held
                sums[f"{where} sold"] = sale.sold, counted.sold + former.sold
                if self._settings.signals_edition <= FIRST_SIGNALS:  # later the recount itself is asked
                    sums[f"{where} carters_without_order"] = len(sale.waiting), counted.carters_without_order
        for name, (summed, counted_again) in sums.items():
            if summed != counted_again:
                raise SnapupError(
                    f"The recount contradicts itself: room {overlay.room_id} at {overlay.as_of_ms}, {name}: {summed} "
                    f"along the log, {counted_again} from all facts. This is a fault of ours."
                )


def _decided(rule: str, conditions: Iterator[Condition], said: Callable[[], Figures]) -> Expected:
    asked = []
    for condition in conditions:
        asked.append(condition)
        if not condition.holds:
            return Expected(rule, asked, None)
    return Expected(rule, asked, said())


def _said(there: Claim | Withheld) -> str:
    return SAID if isinstance(there, Claim) else there.reason


def _not_recounted(overlay: Overlay, visits_unknown: str) -> Callable[[tuple[str, Subject]], str]:
    """A function: the reason why a claim rests on something that the log does not tell exactly; empty: there is none.

    Such are a sketched distinct count; any figure of a sale in a room with more sales than its bound, or with orders
    that were forgotten before their time; and how visits ended, in a session that began under workers that did not
    count that and may have forgotten what matters.
    """
    sketched = {(sale.sale_id, sale.sku_id) for sale in overlay.sales if sale.carters_without_order.method == "sketch"}

    def why(name: tuple[str, Subject]) -> str:
        kind, subject = name
        if overlay.sales_refused and subject[0] is not None:
            return BEYOND_BOUND
        if overlay.orders_displaced and subject[0] is not None:
            return DISPLACED
        if kind == "in_carts" and subject in sketched:
            return SKETCHED
        return visits_unknown if kind == "watching_now" else ""

    return why
