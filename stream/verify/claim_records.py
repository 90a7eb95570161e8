"""The records behind a claim: their places, when they were stored and count, who acted, and what they say."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from msgspec import Struct, field

from stream.contract.events import (
    CartAdd,
    CartRemove,
    Enter,
    Leave,
    Order,
    PersonEvent,
    RecordsMisplaced,
    SaleClosed,
    SaleExtended,
    SaleOpened,
    SaleRestocked,
)
from stream.verify.figures import SaleKey

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stream.contract.events import OrderLine, RoomEvent
    from stream.verify.recount import Heard

# Visits belong to the room, whatever the claim is about.
VISITS = "visits"


class Proof(Struct, frozen=True, kw_only=True):
    """One record. `counts_at_ms`: the time at which it counts; None: it says nothing new. `who`: empty for a host."""

    topic: str
    partition: int
    offset: int
    stored_at_ms: int
    counts_at_ms: int | None
    who: str
    says: str


class Proofs(Struct):
    """Records of one topic about one subject: their number and the last of them."""

    count: int = 0
    last: deque[Proof] = field(default_factory=deque)


class RoomRecords:
    """The records of one room, in order of the log. Keeps the last `keep` of each topic and subject; None: all."""

    def __init__(self, room_id: str, keep: int | None) -> None:
        self.room_id = room_id
        self._keep = keep
        self._found: dict[tuple[str, SaleKey | str | None], Proofs] = {}

    def take(self, heard: Heard, topic: str, partition: int, offset: int, stored_at_ms: int) -> None:
        """Take one valid record. Records of other rooms are skipped."""
        if heard.room.room_id != self.room_id:
            return
        event = heard.event
        proof = Proof(
            topic=topic,
            partition=partition,
            offset=offset,
            stored_at_ms=stored_at_ms,
            counts_at_ms=heard.counts_ms if heard.counts_ms >= 0 else None,
            who=event.user_id if isinstance(event, PersonEvent) else "",
            says=_says(event),
        )
        lines = heard.room.lines_of(event.order_id) if isinstance(event, Order) else ()
        for subject in _subjects(event, lines):
            proofs = self._found.get((topic, subject))
            if proofs is None:
                proofs = self._found[topic, subject] = Proofs(last=deque(maxlen=self._keep))
            proofs.count += 1
            proofs.last.append(proof)

    def of(self, topic: str, key: SaleKey | None) -> tuple[int, list[Proof]]:
        """The number of records of a topic about a subject, and the last ones, with those about the whole sale."""
        subjects: list[SaleKey | str | None] = [None]
        if key is not None and topic != VISITS:
            subjects = [key, key.sale_id, f"/{key.sku_id}"]
        found = [proofs for subject in subjects if (proofs := self._found.get((topic, subject))) is not None]
        last = sorted((proof for proofs in found for proof in proofs.last), key=lambda proof: proof.offset)
        return sum(proofs.count for proofs in found), last if self._keep is None else last[-self._keep :]


def _subjects(event: RoomEvent, lines: Sequence[OrderLine]) -> list[SaleKey | str | None]:  # noqa: PLR0911 — one for each kind
    """The subjects of an event: one SKU of a sale, a whole sale (its id), or one SKU in all sales (`/` and its id).

    [None]: the room; []: no subject of any claim. `lines`: of an order, as far as they are known: a record may leave
    them out, or take some away.
    """
    match event:
        case Order():
            named = (*event.lines, *lines)
            return [*{SaleKey(line.sale_id, line.sku_id) for line in named if line.sale_id is not None}]
        case CartAdd() | CartRemove() if event.sale_id is not None:
            return [SaleKey(event.sale_id, event.sku_id)]
        case CartRemove():
            return [f"/{event.sku_id}"]
        case SaleOpened() | SaleRestocked():
            return [SaleKey(event.sale_id, event.sku_id)]
        case SaleExtended() | SaleClosed():
            return [event.sale_id if event.sku_id is None else SaleKey(event.sale_id, event.sku_id)]
        case Enter() | Leave() | RecordsMisplaced():
            return [None]
        case _:
            return []


def _says(event: RoomEvent) -> str:  # noqa: PLR0911 — as above
    match event:
        case Order() if event.part_id is not None:
            units = sum(part_line.quantity for part_line in event.part_lines)
            return f"order {event.order_id} part {event.part_id} {event.status.value}, {units} units"
        case Order():
            units = sum(line.quantity for line in event.lines)
            return f"order {event.order_id} {event.status.value}, {units} units"
        case CartAdd():
            return f"cart_add, {event.quantity} units"
        case CartRemove():
            return f"cart_remove, {'all' if event.quantity is None else event.quantity} units"
        case SaleOpened():
            end = "" if event.ends_at_ms is None else f", to {event.ends_at_ms}"
            return f"sale_opened, {event.offered} offered from {event.starts_at_ms}{end}"
        case SaleRestocked():
            return f"sale_restocked, {event.quantity} more"
        case SaleExtended():
            return f"sale_extended to {event.ends_at_ms}"
        case _:
            return str(event.__struct_config__.tag)
