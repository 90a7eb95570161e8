"""A show beside the one before it in its room: each total of both, and the change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stream.view.words import duration, grouped, money, share

if TYPE_CHECKING:
    from stream.contract.report import Report, ReportedSession, ReportTotals, ShowBefore
    from stream.view.report_words import ReportWords


def compared_rows(made: Report, before: ShowBefore, words: ReportWords) -> list[list[str]]:
    """Rows of figure, this show, the show before, change. Money has rows for each currency of either show."""
    now, then = _figures(made.totals, words), _figures(before.totals, words)
    rows = [[name, grouped(count), grouped(then[name]), _change(count, then[name])] for name, count in now.items()]
    here, there = ({each.currency: each for each in totals.money} for totals in (made.totals, before.totals))
    for currency in sorted({*here, *there}):
        for name, field in ((words.paid, "paid_minor"), (words.net_short, "net_minor")):
            one = getattr(here[currency], field) if currency in here else 0
            other = getattr(there[currency], field) if currency in there else 0
            rows.append([f"{name} {currency}", money(one, currency), money(other, currency), _change(one, other)])
    lasted, had_lasted = _lasted_ms(made.session), _lasted_ms(before.session)
    return [*rows, [words.how_long, duration(lasted), duration(had_lasted), _change(lasted, had_lasted)]]


def _lasted_ms(session: ReportedSession) -> int:
    return session.as_of_ms - session.began_at_ms


def _figures(totals: ReportTotals, words: ReportWords) -> dict[str, int]:
    return {
        words.viewers: totals.viewers,
        words.views: totals.views,
        words.peak: 0 if totals.peak is None else totals.peak.watching,
        words.likes: totals.likes,
        words.comments: totals.comments,
        words.cart_adds: totals.cart_adds,
        words.orders_paid: totals.orders["paid"],
    }


def _change(now: int, before: int) -> str:
    """The change in per cent; `–` if the earlier figure is 0."""
    if not before:
        return "–"
    sign = "+" if now > before else "−" if now < before else ""
    return f"{sign}{share(abs(now - before), before)}"
