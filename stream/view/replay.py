"""The result of a replay: the books of the records, and every room in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.table import Table
from rich.text import Text

from stream.contract.events import TOPIC_NAMES
from stream.view.levels import level_text
from stream.view.sale_view import utc_time
from stream.view.strings import EN
from stream.view.terminal import count_text
from stream.view.words import clean, duration, grouped, money

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from stream.contract.overlay import Overlay
    from stream.core.publishing import Refused
    from stream.replay.recording import Books

MAX_ROOMS = 20


def books_view(books: Books, refused: Sequence[Refused]) -> RenderableType:
    """Records by topic, `received = applied + duplicate + dead-lettered`, and the first refused records."""
    parts: list[RenderableType] = [_records(books)]
    if books.first_ms >= 0:
        length = duration(books.last_ms - books.first_ms)
        parts.append(Text(f"{utc_time(books.first_ms)} to {utc_time(books.last_ms)} UTC of the log: {length}"))
    parts.append(
        Text(
            f"{grouped(books.retimed)} retimed, {grouped(books.holds_expired)} holds expired, "
            f"{grouped(books.rooms_ended)} sessions ended, {grouped(books.documents)} documents"
        )
    )
    if books.dead_letters:
        reasons = ", ".join(f"{grouped(count)} {reason}" for reason, count in sorted(books.dead_letters.items()))
        parts.append(Text(f"Dead letters: {reasons}", style="yellow"))
        parts += [
            Text(clean(f"  {TOPIC_NAMES[each.topic_index]}, offset {each.offset}: {each.letter.detail}", 160))
            for each in refused
        ]
    return Group(*parts)


def _records(books: Books) -> Table:
    table = Table(box=None, pad_edge=False, header_style="#94a3b8")
    table.add_column("topic")
    for name in ("records", "applied", "duplicate", "dead-lettered"):
        table.add_column(name, justify="right")
    columns = (books.received, books.applied, books.duplicate, books.dead_lettered)
    for index, topic in enumerate(TOPIC_NAMES):
        table.add_row(topic, *(grouped(column[index]) for column in columns))
    table.add_row("all", *(grouped(sum(column)) for column in columns), style="bold")
    return table


def rooms_view(overlays: Sequence[Overlay]) -> RenderableType:
    """One line for each session, those with most orders first."""
    table = Table(box=None, pad_edge=False, header_style="#94a3b8")
    table.add_column("room", overflow="fold")
    for name in ("viewers", "likes", "comments", "cart-adds", "placed", "paid", "net"):
        table.add_column(name, justify="right")
    table.add_column("urgency", no_wrap=True)
    told = any(overlay.session is not None for overlay in overlays)
    if told:
        table.add_column("session", overflow="fold")
    busiest = sorted(
        overlays,
        key=lambda overlay: (-overlay.totals.orders.placed, -overlay.totals.views, overlay.room_id, overlay.rev),
    )
    for overlay in busiest[:MAX_ROOMS]:
        totals = overlay.totals
        table.add_row(
            Text(clean(overlay.room_id, 64)),
            count_text(totals.viewers, EN),
            grouped(totals.likes),
            grouped(totals.comments),
            grouped(totals.cart_adds),
            grouped(totals.orders.placed),
            grouped(totals.orders.paid),
            Text("\n".join(money(purse.gmv_net_minor, purse.currency) for purse in totals.money)),
            level_text(overlay.urgency.level, EN) if overlay.sales else Text(),
            *([Text(clean(_session(overlay), 80))] if told else []),
        )
    if len(overlays) <= MAX_ROOMS:
        return table
    return Group(table, Text(f"and {grouped(len(overlays) - MAX_ROOMS)} more rooms"))


def _session(overlay: Overlay) -> str:
    """The show's id and what ended the session."""
    session = overlay.session
    if session is None:
        return ""
    ended = "" if session.ended_by is None else f"ended by {session.ended_by}"
    return " ".join(part for part in (session.show_id, ended) if part)
