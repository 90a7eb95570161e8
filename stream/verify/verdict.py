"""What an audit found, and the words for it: a difference names room, figure, topic, partition and offsets."""

from __future__ import annotations

from typing import NamedTuple

from msgspec import Struct, field

from stream.contract.events import TOPIC_NAMES
from stream.verify.compare import Figure, MechanicFigure
from stream.verify.recount import Accounts
from stream.verify.rulebook import RulesUsed

PASSED = "ALL-ACCEPTED-COUNTED-ONCE"

# The topics behind a figure, by the beginning of its name. All other figures come from orders and sales.
_SOURCES = (
    (("viewers", "views", "sources", "watching_now", "claim watching_now"), ("visits",)),
    (("likes",), ("likes",)),
    (("comments",), ("comments",)),
    (("cart_adds",), ("cart-adds",)),
    (("watch_to_buy_uv", "orders_per_viewer", "gpm_views"), ("visits", "orders")),
    (("click_to_buy_uv",), ("visits", "orders")),
    (("cart_to_order_uv", "claim in_carts"), ("cart-adds", "orders")),
    (("engaged_uv_rate",), ("visits", "likes", "comments", "cart-adds")),
    (("product",), ("visits", "cart-adds", "orders")),
    (("document",), TOPIC_NAMES),
)


class Span(NamedTuple):
    """A range of one topic partition: the records in `[first_offset, next_offset)`."""

    topic: str
    partition: int
    first_offset: int
    next_offset: int

    def __str__(self) -> str:
        """The range as text for a difference."""
        return f"{self.topic}/{self.partition}@{self.first_offset}..{self.next_offset}"


class RoomVerdict(Struct, kw_only=True):
    """One room, compared twice: its newest document of `live.signals` at the cut, and its document in Redis.

    Attributes:
        room_id: the id of the room.
        partition: the partition of its records.
        saved_as_of_ms: the moment of the document in `live.signals`; None: it was not compared.
        saved: the figures of that document.
        as_of_ms: the moment of the document in Redis; None: it was not compared.
        figures: the figures of that document.
        left_out: the number of items that the lists of the document in `live.signals`, too large for the topic, lack.
        words_beyond: words of a host about terms of sales that newer ones have displaced.
        skipped: why there was nothing to compare.
        redis_skipped: why the document in Redis was not compared.
        spans: per logical topic, the records of this room's partition counted since the last audit that agreed.
    """

    room_id: str
    partition: int = -1
    saved_as_of_ms: int | None = None
    saved: list[Figure] = field(default_factory=list)
    as_of_ms: int | None = None
    figures: list[Figure] = field(default_factory=list)
    left_out: dict[str, int] = field(default_factory=dict)
    words_beyond: int = 0
    skipped: str | None = None
    redis_skipped: str | None = None
    spans: list[Span] = field(default_factory=list)

    @property
    def differences(self) -> list[Figure]:
        """Figures that do not agree."""
        return [figure for figure in (*self.saved, *self.figures) if not figure.agrees]

    def told(self) -> list[str]:
        """Each difference as a sentence: the figure, where it was published, and the place of its inputs in the log."""
        sources = (("live.signals", self.saved_as_of_ms, self.saved), ("Redis", self.as_of_ms, self.figures))
        return [
            f"{self.room_id}: {figure.name}: recounted {figure.recounted}, in {source} {figure.published}"
            f"{'' if as_of_ms is None else f' as of {as_of_ms}'}"
            f"; from {', '.join(map(str, self._from(figure))) or 'no record'}"
            for source, as_of_ms, figures in sources
            for figure in figures
            if not figure.agrees
        ]

    def _from(self, figure: Figure) -> list[Span]:
        if isinstance(figure, MechanicFigure):
            names = figure.topics
        else:
            names = next((topics for begins, topics in _SOURCES if figure.name.startswith(begins)), ("orders", "sales"))
        return [span for span in self.spans if span.topic.rpartition(".")[2] in names]


class PartitionCut(Struct, frozen=True, kw_only=True):
    """The checkpoint up to whose positions a partition was counted."""

    partition: int
    epoch: int
    seq: int
    clock_ms: int
    positions: dict[str, int]


class Verdict(Struct, kw_only=True):
    """All findings of an audit. `problems`: those that belong to no room.

    `rules`: the settings of the count with their sources; `rules_unread`: why the journal did not give them.
    """

    cut: list[PartitionCut]
    rooms: list[RoomVerdict]
    problems: list[str]
    accounts: Accounts
    records_cut: dict[str, int]
    checkpoints: int
    documents: int
    dead_letters: int
    waited_s: float
    rules: list[RulesUsed] = field(default_factory=list)
    rules_unread: str = ""

    @property
    def differences(self) -> int:
        """The number of figures and facts that are wrong."""
        return len(self.problems) + sum(len(room.differences) for room in self.rooms)

    @property
    def line(self) -> str:
        """The verdict in one line."""
        return PASSED if not self.differences else f"DIFFERENCES: {self.differences}"

    def told(self) -> list[str]:
        """Every difference as a sentence."""
        return [*self.problems, *(text for room in self.rooms for text in room.told())]
