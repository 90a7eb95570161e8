"""Explanations for a terminal: the claim, the conditions of its rule, the records, and what would change it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from stream.commands.moments import moment_words
from stream.verify.claim_check import NOT_RECOUNTED, RIGHT, WRONG
from stream.verify.kept_explained import GONE

if TYPE_CHECKING:
    from rich.console import Console

    from stream.verify.explain import Explanation, Records

_VERDICTS = {RIGHT: "[green]as the log has it[/]", WRONG: "[red]NOT what follows from the log[/]"}


def show_explanations(explanations: list[Explanation], out: Console, *, full: bool) -> None:
    """Print one block for each explanation, and a line that says whether all hold."""
    first = explanations[0]
    out.print(
        f"[bold]{escape(first.room_id)}[/] as of {moment_words(first.as_of_ms)} ({first.as_of_ms}), document "
        f"{first.epoch}-{first.rev}",
        soft_wrap=True,
    )
    for each in explanations:
        out.print()
        _show(each, out, full=full)
    out.print()
    if all(each.verdict == NOT_RECOUNTED and each.takes == GONE for each in explanations):
        out.print(
            f"EXPLAIN-KEPT: {len(explanations)} claims as they were kept; nothing could be recomputed", markup=False
        )
        return
    out.print(_verdict(explanations), markup=False)


def _verdict(explanations: list[Explanation]) -> str:
    """The last line. A claim that was not recounted neither holds nor differs."""
    count = Counter(each.verdict for each in explanations)
    if count[WRONG]:
        return f"EXPLAIN-DIFFERS: {count[WRONG]} of {len(explanations)} claims are not what follows from the log"
    if not count[RIGHT]:
        return f"EXPLAIN-UNCHECKED: {len(explanations)} claims, none of which could be recounted"
    also = f", {count[NOT_RECOUNTED]} not recounted" if count[NOT_RECOUNTED] else ""
    return f"EXPLAIN-HOLDS: {count[RIGHT]} claims recomputed from the log{also}"


def _show(each: Explanation, out: Console, *, full: bool) -> None:
    subject = "" if each.sale_id is None else f" of sale {each.sale_id}, SKU {each.sku_id}"
    out.print(f"[bold]{each.claim}[/]{escape(subject)}: {escape(_state(each))}", soft_wrap=True)
    table = Table.grid(padding=(0, 2, 0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("rule", escape(f"{each.rule or '–'}  {each.rule_in_words}"))
    shown = each.conditions if full else each.conditions[-1:]
    for asked in shown:
        table.add_row(
            "asked" if asked is shown[0] else "", f"{'yes' if asked.holds else 'no'}: {escape(asked.in_words)}"
        )
    if each.inputs:
        table.add_row("inputs", escape(", ".join(f"{name} {value}" for name, value in each.inputs.items())))
    if each.valid_until_ms is not None:
        table.add_row("said until", moment_words(each.valid_until_ms))
    if each.takes != GONE:
        table.add_row("it", escape(each.takes))
    if each.verdict == NOT_RECOUNTED:
        table.add_row("recomputed", escape(f"not, for {each.why}"))
    else:
        table.add_row("recomputed", f"{escape(_recomputed(each))}: {_VERDICTS[each.verdict]}")
        if each.why:
            table.add_row("differs", escape(each.why))
    for records in each.records:
        table.add_row("records", escape(_where(records)))
        for proof in records.last:
            counts = (
                "says nothing new" if proof.counts_at_ms is None else f"counts at {moment_words(proof.counts_at_ms)}"
            )
            table.add_row("", escape(f"@{proof.offset}  {counts}  {proof.who}  {proof.says}"))
    out.print(table)


def _state(each: Explanation) -> str:
    if each.value is not None:
        window = "" if each.window_ms is None else f" in {each.window_ms // 1_000} s"
        return f"said, {_value(each.value)} {each.unit}{window}"
    return "nothing is published" if each.published == "nothing" else f"withheld, {each.published}"


def _recomputed(each: Explanation) -> str:
    if each.recomputed == "said" and each.recomputed_value is not None:
        return _value(each.recomputed_value)
    return each.recomputed if each.recomputed == "nothing" else f"withheld, {each.recomputed}"


def _value(value: int | list[int]) -> str:
    return str(value) if isinstance(value, int) else " to ".join(map(str, value))


def _where(records: Records) -> str:
    if records.first_offset is None:
        return f"none of the room in {records.topic}/{records.partition}"
    if records.count is None:
        return f"{records.topic}/{records.partition} from {records.first_offset} up to {records.next_offset}, exclusive"
    more = records.count - len(records.last)
    last = f"; the last {len(records.last)}, --full lists all" if more else ""
    return (
        f"{records.topic}/{records.partition} from {records.first_offset} up to {records.next_offset}, exclusive: "
        f"{records.count} about it{last}"
    )
