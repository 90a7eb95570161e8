"""The JSON that documents show of one ledger, kept until an event or the clock changes it.

In a room with fifty sales one or two change between two documents. The others differ only in a few places, the gaps:
the moment, the revision, the offsets that prove a claim, a countdown, a forecast that moves with every millisecond. A
template is the JSON with gaps, and a list of encoded values fills them. `sale.py` decides which figures are shown and
`claims.py` which claims are made; this file decides how long both hold. The bytes are those of `snapshot.overlay_of`,
which keeps nothing: `tests/property/test_documents.py` compares them.
"""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from stream.contract.events import TOPIC_NAMES
from stream.core.claims import SOURCES, SOURCES_2, ClaimBook
from stream.core.ledger import BOUGHT_BUCKET_MS
from stream.core.sale import eta_at, level_now, read_sale, sale_of
from stream.core.time import BUCKET_MS, NEVER_MS
from stream.core.urgency import rank_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stream.contract.overlay import Claim, Evidence, Urgency
    from stream.core.counters import Reason
    from stream.core.ledger import Ledger
    from stream.core.room import Room
    from stream.core.rules import Rules

# What goes into the gaps: places in a list of encoded values, most of them the same for all ledgers of a document.
VERSION, AS_OF, VALID_UNTIL = 0, 1, 2
ENDS_IN, ETA, ETA_BOUNDS = 3, 4, 5
# Claims of the same source topics have the same evidence.
SOURCE_TOPICS = tuple(dict.fromkeys([*SOURCES.values(), *SOURCES_2.values()]))
EVIDENCE, EVIDENCE_2 = (
    {kind: ETA_BOUNDS + 1 + SOURCE_TOPICS.index(topics) for kind, topics in sources.items()}
    for sources in (SOURCES, SOURCES_2)
)
VALUES = ETA_BOUNDS + 1 + len(SOURCE_TOPICS)
_VALUE = {"ends_in": ENDS_IN, "eta_sellout": ETA_BOUNDS}

# In JSON a NUL is always escaped, so this byte can be nothing but a gap.
_NUL = b"\0"
_GAP = msgspec.Raw(_NUL)
_NO_EVIDENCE: list[Evidence | None] = [None] * len(TOPIC_NAMES)
encode = msgspec.json.Encoder().encode


class JsonTemplate:
    """A piece of JSON with gaps. `gaps` says which value each gap takes, in order."""

    __slots__ = ("_pick", "_template")

    def __init__(self, json: bytes, gaps: Sequence[int]) -> None:
        self._template, self._pick = json, None
        if gaps:
            self._template = json.replace(b"%", b"%%").replace(_NUL, b"%b")
            self._pick = itemgetter(*gaps)

    def filled(self, values: Sequence[bytes]) -> bytes:
        """Returns the JSON with these values in its gaps."""
        return self._template if self._pick is None else self._template % self._pick(values)


class SaleTemplates(NamedTuple):
    """The templates of one ledger: its sale, its claims, what is withheld of it, and the reasons."""

    sale: JsonTemplate
    claims: JsonTemplate
    withheld: bytes
    reasons: list[Reason]

    def add_to(self, sales: list[Any], book: ClaimBook, values: list[bytes]) -> None:
        """Add the filled JSON to the lists of a document, in place of the values that it encodes."""
        sales.append(msgspec.Raw(self.sale.filled(values)))
        claims: list[Any] = book.claims
        held_back: list[Any] = book.withheld
        if said := self.claims.filled(values):
            claims.append(msgspec.Raw(said))
        if self.withheld:
            held_back.append(msgspec.Raw(self.withheld))
        book.reasons += self.reasons


def gap_values(book: ClaimBook) -> list[bytes]:
    """Returns the values for the gaps of one document, as far as they are the same for all of its ledgers."""
    values = [b""] * VALUES
    values[VERSION], values[AS_OF] = book.version.encode(), b"%d" % book.as_of_ms
    # Each topic once, though several claims rest on it.
    of_topic = {topic: encode(evidence) for topic, evidence in enumerate(book.evidence) if evidence is not None}
    for place, topics in enumerate(SOURCE_TOPICS, VALUES - len(SOURCE_TOPICS)):
        values[place] = b"[%b]" % b",".join([of_topic[topic] for topic in topics if topic in of_topic])
    return values


class SaleJson:
    """One ledger as documents show it until an event or the clock changes it. Its templates are made on first use.

    Attributes:
        sale: as of the moment when this was made.
        rank: what its level leads the room by.
        version: of the ledger that this was made of.
    """

    __slots__ = (
        "_basis",
        "_bought",
        "_carts_ms",
        "_made_ms",
        "_misplaced",
        "_moving",
        "_pace",
        "_templates",
        "_until_ms",
        "_urgency",
        "rank",
        "sale",
        "version",
    )

    def __init__(self, room: Room, ledger: Ledger, now_ms: int) -> None:
        self.version = ledger.version
        reading = read_sale(room, ledger, now_ms)
        urgency = level_now(room, ledger, reading, now_ms)
        self.rank = rank_of((ledger.sale_id, ledger.sku_id), urgency)
        self.sale = sale_of(ledger, reading, urgency.published())
        self._made_ms, self._until_ms = now_ms, -1
        # Time alone empties these, and that is no event. `taken` goes back further; `recent` has what came back too.
        paced = ledger.recent or (room.rules.second_signals and ledger.taken)
        self._moving = bool(paced), bool(ledger.bought)
        self._pace, self._urgency = reading.pace, urgency
        self._basis = reading.basis()
        self._bought = ledger.bought_recently(now_ms, room.rules.bought_window_ms)
        # Found now: carts that are looked at later have forgotten who counted here.
        self._carts_ms = -1 if ledger.carts is None else ledger.carts.next_ms()
        self._templates: list[SaleTemplates | None] = [None, None]  # fresh, stale
        self._misplaced = room.misplaced

    def lead(self) -> Urgency:
        """Of the room that this sale leads."""
        return self._urgency.published(self.sale.sale_id)

    def say(self, book: ClaimBook) -> None:
        """What is claimed of it, or withheld."""
        book.sale(self.sale, *self._bought, misplaced=self._misplaced, basis=self._basis)

    def fill(self, room: Room, ledger: Ledger, now_ms: int, values: list[bytes]) -> bool:
        """Put into `values` what goes into its own gaps. False: it does not hold any more."""
        if now_ms >= self.until_ms(room, ledger):
            return False
        rules = room.rules
        eta = None if self._pace is None else eta_at(self._pace, now_ms)
        if (eta is None) != (self.sale.eta_sellout_ms is None):
            return False
        if eta is not None:
            values[ETA], values[ETA_BOUNDS] = encode(eta), b"[%d,%d]" % (eta.low, eta.high)
        valid_until_ms, ends_at_ms = now_ms + rules.claim_valid_ms, self.sale.ends_at_ms
        if ends_at_ms is not None:
            valid_until_ms = min(valid_until_ms, ends_at_ms)
            values[ENDS_IN] = b"%d" % (ends_at_ms - now_ms)
        values[VALID_UNTIL] = b"%d" % valid_until_ms
        return True

    def until_ms(self, room: Room, ledger: Ledger) -> int:
        """The first moment at which time alone may change it. Not found before it is asked for: most never are."""
        if self._until_ms < 0:
            self._until_ms = self._find_until_ms(room, ledger)
        return self._until_ms

    def _find_until_ms(self, room: Room, ledger: Ledger) -> int:
        rules, opened, terms = room.rules, ledger.opened, room.terms_for(ledger)
        now_ms, ends_at_ms = self._made_ms, self.sale.ends_at_ms
        if self._urgency is not room.urgencies.get((ledger.sale_id, ledger.sku_id)):
            return now_ms + 1  # a level that nobody remembers: the next whole second finds it
        moments_ms = [ledger.restock_planned[1], self._carts_ms]
        recent, bought = self._moving
        if recent:  # what was bought leaves the window with its second, and enters it: see `pace_at`
            second_ms = now_ms // BUCKET_MS * BUCKET_MS
            moments_ms += second_ms + BUCKET_MS - 1, second_ms + BUCKET_MS
        if bought:
            leaves = (now_ms - rules.bought_window_ms) // BOUGHT_BUCKET_MS + 1
            moments_ms.append(leaves * BOUGHT_BUCKET_MS + rules.bought_window_ms)
        if opened is not None:
            moments_ms.append(opened.starts_at_ms)
        if terms is not None:
            moments_ms.append(terms.closed_at_ms)
        if (told := room.told_of(ledger)) is not None:
            moments_ms.append(told.closed_at_ms)
        if ends_at_ms is not None:
            moments_ms += ends_at_ms, ends_at_ms - rules.ends_in_max_ms
        return min([moment_ms for moment_ms in moments_ms if moment_ms > now_ms], default=NEVER_MS)

    def templates(self, rules: Rules, now_ms: int, *, stale: bool) -> SaleTemplates:
        """Returns the templates. While they hold, `now_ms` does not matter."""
        found = self._templates[stale]
        if found is None:
            book = ClaimBook(rules, _NO_EVIDENCE, "", now_ms, stale=stale)
            self.say(book)
            found = SaleTemplates(
                self._sale_with_gap(), _with_gaps(book.claims, rules), encode(book.withheld)[1:-1], book.reasons
            )
            self._templates[stale] = found
        return found

    def _sale_with_gap(self) -> JsonTemplate:
        if self.sale.eta_sellout_ms is None:
            return JsonTemplate(encode(self.sale), ())
        shape: Any = msgspec.structs.replace(self.sale, eta_sellout_ms=_GAP)
        return JsonTemplate(encode(shape), (ETA,))


def _with_gaps(claims: list[Claim], rules: Rules) -> JsonTemplate:
    """Claims without what is different in each document."""
    gaps: list[int] = []
    evidence = EVIDENCE_2 if rules.second_signals else EVIDENCE
    shapes: list[Any] = [*claims]
    for claim in shapes:
        claim.id = msgspec.Raw(b'%b\0"' % encode(claim.id)[:-1])
        gaps.append(VERSION)
        if claim.claim in _VALUE:
            claim.value = _GAP
            gaps.append(_VALUE[claim.claim])
        claim.as_of_ms = claim.valid_until_ms = claim.evidence = _GAP
        gaps += AS_OF, VALID_UNTIL, evidence[claim.claim]
    return JsonTemplate(encode(shapes)[1:-1], gaps)
