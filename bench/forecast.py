"""How often the forecast of the sell-out holds, counted where it is used: over the documents of shows.

    python -m bench.forecast [--seeds 20] [--only KIND,…] [--write-docs]
    python -m bench.forecast --fit

Each show, or simulated sale (`bench/selling.py`), is folded as a worker folds it, under both editions of signals, and
leaves a document every second of its own time: a forecast holds for a second, so there is nothing new between. Records
that touch no stock are left out. Of each document with a forecast the truth is the first later one in which `available`
is 0, or that there is none. Not counted are documents whose sale is restocked before it is sold out (nobody said so
before), and those whose interval ends after the show: both are told apart. Beside it what the same code gives without
precedents, and a plain rate: available ÷ the velocity, with the counting error of both.

`--write-docs` puts the table into docs/signals.md. `--fit` sets the constants anew (`bench/forecast_fit.py`), from
seeds that no table counts, prints them, and exits with 1 when those of the core are others.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
from collections import Counter
from itertools import groupby
from math import sqrt
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from unittest import mock

import msgspec

from bench import forecast_fit, measuring
from bench.selling import (
    BURST_SEEDS,
    BURSTS_KEPT_ASIDE,
    CONSTANTS_FROM,
    HOLD_S,
    KEPT_ASIDE,
    OPENS_MS,
    PRECEDENTS_FROM,
    sale_of,
)
from stream.contract.overlay import EtaSellout, SaleStatus, Velocity
from stream.contract.recording import RecordedRecord
from stream.core import sale as core_sale
from stream.core.forecast import Forecast, forecast
from stream.replay.recording import Replay
from stream.settings import load_settings
from stream.shows import build_show

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from bench.selling import Sale
    from stream.core.forecast import Silence
    from stream.core.publishing import Published

PAGE = Path(__file__).parents[1] / "docs" / "signals.md"
BEGIN, END = "<!-- bench forecast -->\n", "<!-- end of bench forecast -->"
EVERY_MS = 1_000
SETTLE_MS = 2_000
T0_MS = 1_795_780_000_000
LAST_MS = 15_000
Z_90 = 1.645
# Scenarios with stock, and the share of each that is played.
SHOWS = {"snap-up": 1.0, "brushing": 1.0, "jd-midnight": 0.02, "viya-2017": 0.005, "long-tail": 0.002}
# An evening of 5 h 40 with forty sales counts for four shows: a quarter of the seeds.
LONG = "viya-2017"


class _Sale(msgspec.Struct):
    """What is read of a sale in a document."""

    sale_id: str
    status: SaleStatus
    available: int | None
    restocked: int
    velocity: Velocity
    eta_sellout_ms: EtaSellout | None


class _Document(msgspec.Struct):
    as_of_ms: int
    sales: list[_Sale]


_decode = msgspec.json.Decoder(_Document).decode


class Look(NamedTuple):
    """One sale in one document; intervals in ms, None where nothing is said."""

    as_of_ms: int
    available: int
    restocked: int
    units: int
    eta: tuple[int, int] | None


class Verdict(NamedTuple):
    """Of one document with a forecast: whether the truth was inside, before or after; and the wait, if it came."""

    verdict: str
    width: float | None
    is_last: bool
    is_restocked: bool
    sells_out: bool


# -- records -----------------------------------------------------------------------------------------------------------
def records_of_show(name: str, seed: int) -> Iterator[RecordedRecord]:
    """Those of a scenario that touch stock."""
    for each in build_show(name, seed, None, SHOWS[name]).deliveries(T0_MS):
        if each.topic in {"orders", "sales"}:
            yield RecordedRecord(topic=each.topic, timestamp=T0_MS + each.send_ms, value=each.value, key=each.key)


def records_of_sale(kind: str, seed: int) -> list[RecordedRecord]:
    """Return those of one sale of a kind, in the order in which they arrive."""
    return records_of(sale_of(kind, seed))


def records_of(sale: Sale) -> list[RecordedRecord]:
    """Those of a simulated sale, in the order in which they arrive."""
    opened = {"type": "sale_opened", "sku_id": "k", "offered": sale.offered, "starts_at_ms": T0_MS + OPENS_MS}
    found = [_record("sales", "opened", 0, opened | {"sale_id": "s"})]
    for number, move in enumerate(sale.moves):
        if move.what == "restocked":
            restock = {"type": "sale_restocked", "sale_id": "s", "sku_id": "k", "quantity": move.units}
            found.append(_record("sales", f"r{number}", move.at_ms, restock))
            continue
        line = {"sku_id": "k", "quantity": move.units, "amount_minor": move.units * 9_900, "sale_id": "s"}
        order: dict[str, object] = {
            "type": "order",
            "order_id": f"o{move.order}",
            "user_id": f"u{move.order}",
            "status": move.what,
        }
        order |= {"lines": [line], "currency": "CNY"}
        found.append(_record("orders", f"e{number}", move.at_ms, order, move.late_ms))
    return sorted(found, key=lambda record: record.timestamp)


def _record(topic: str, event_id: str, at_ms: int, fields: Mapping[str, object], late_ms: int = 0) -> RecordedRecord:
    event = {"event_id": event_id, "room_id": "r", "event_time_ms": T0_MS + at_ms, **fields}
    return RecordedRecord(topic=topic, timestamp=T0_MS + at_ms + late_ms, value=msgspec.json.encode(event), key=b"r")


# -- documents ---------------------------------------------------------------------------------------------------------
def looks_of(records: Iterable[RecordedRecord], edition: int) -> dict[tuple[str, str], list[Look]]:
    """By room and sale: the open sale in each document, in order."""
    rules = msgspec.structs.replace(load_settings().rules(), signals_edition=edition, hold_ms=HOLD_S * 1_000)
    found: dict[tuple[str, str], list[Look]] = {}

    def see(published: Published) -> None:
        document = _decode(published.document)
        for sale in document.sales:
            if sale.status == "open" and sale.available is not None:
                eta = sale.eta_sellout_ms
                look = Look(
                    document.as_of_ms,
                    sale.available,
                    sale.restocked,
                    sale.velocity.units,
                    None if eta is None else (eta.low, eta.high),
                )
                found.setdefault((published.room_id, sale.sale_id), []).append(look)

    Replay(rules, "live", EVERY_MS, see).run(records, SETTLE_MS)
    return found


class Memoryless:
    """Each forecast is made once more without the sale's own past: the bounds of the regression alone."""

    def __init__(self) -> None:
        self._found: dict[tuple[int, int, int], tuple[int, int]] = {}

    def __call__(
        self, available: int, taken: Sequence[int], returned: Sequence[int], made_ms: int, past: Sequence[int]
    ) -> Forecast | Silence:
        """The forecast as it is."""
        found, alone = (forecast(available, taken, returned, made_ms, each) for each in (past, ()))
        if isinstance(found, Forecast) and isinstance(alone, Forecast):
            self._found[made_ms, found.low_ms, found.high_ms] = alone.low_ms, alone.high_ms
        return found

    def beside(self, look: Look) -> tuple[int, int] | None:
        """What would have been said in a document in place of its interval."""
        if look.eta is None:
            return None
        gone_ms = look.as_of_ms % EVERY_MS
        low_ms, high_ms = look.eta[0] + gone_ms, look.eta[1] + gone_ms
        low_ms, high_ms = self._found.get((look.as_of_ms - gone_ms, low_ms, high_ms), (low_ms, high_ms))
        return max(0, low_ms - gone_ms), high_ms - gone_ms


def plain(look: Look) -> tuple[int, int] | None:
    """What the velocity alone gives."""
    if look.units < 1 or not look.available:
        return None
    wait_ms = 10_000 * look.available / look.units
    error = Z_90 * sqrt(1 / look.available + 1 / look.units)
    return int(wait_ms * max(0.0, 1 - error)), int(wait_ms * (1 + error))


def judged(looks: Sequence[Look], said: Sequence[tuple[int, int] | None]) -> Iterator[Verdict]:
    """Each look at which something is left and somebody has bought, beside what was said then."""
    zeros = [0] * len(looks)  # of each the first later one with nothing left
    at = len(looks)
    for place in range(len(looks) - 1, -1, -1):
        at = place if not looks[place].available else at
        zeros[place] = at
    begun = False
    for place, (look, interval) in enumerate(zip(looks, said, strict=True)):
        begun = begun or look.units > 0
        if not look.available or not begun:
            continue
        at = zeros[place]
        truth = looks[at] if at < len(looks) else None
        last = truth or looks[-1]
        wait_ms = None if truth is None else truth.as_of_ms - look.as_of_ms
        is_last, is_restocked = wait_ms is not None and wait_ms <= LAST_MS, look.restocked > 0
        sells_out = truth is not None and last.restocked == look.restocked
        if interval is None:
            # Silence counts as withheld while units go: when nobody buys any more there is nothing to forecast.
            yield Verdict("withheld" if look.units > 0 else "idle", None, is_last, is_restocked, sells_out)
        elif last.restocked > look.restocked:
            yield Verdict("overtaken", None, is_last, is_restocked, sells_out)
        elif wait_ms is None:
            undecided = look.as_of_ms + interval[1] > last.as_of_ms
            yield Verdict("undecided" if undecided else "early", None, is_last, is_restocked, sells_out)
        else:
            verdict = "late" if wait_ms < interval[0] else "early" if wait_ms > interval[1] else "inside"
            width = (interval[1] - interval[0]) / max(wait_ms, 1)
            yield Verdict(verdict, width, is_last, is_restocked, sells_out)


class Counted(msgspec.Struct):
    """What became of the documents of a family under one way to forecast."""

    verdicts: Counter[str] = msgspec.field(default_factory=Counter)
    last: Counter[str] = msgspec.field(default_factory=Counter)
    restocked: Counter[str] = msgspec.field(default_factory=Counter)
    sold_out: Counter[str] = msgspec.field(default_factory=Counter)
    widths: list[float] = []

    def add(self, verdict: Verdict) -> None:
        """One document more."""
        self.verdicts[verdict.verdict] += 1
        self.last[verdict.verdict] += verdict.is_last
        self.restocked[verdict.verdict] += verdict.is_restocked
        self.sold_out[verdict.verdict] += verdict.sells_out
        if verdict.width is not None:
            self.widths.append(verdict.width)

    def join(self, other: Counted) -> None:
        """The documents of another show of the family."""
        self.verdicts += other.verdicts
        self.last += other.last
        self.restocked += other.restocked
        self.sold_out += other.sold_out
        self.widths += other.widths


class Task(NamedTuple):
    """One show: which part of the table it belongs to, its kind and its seed."""

    part: str
    kind: str
    seed: int


def count(task: Task) -> dict[str, Counted]:
    """All ways to forecast, over the documents of one show."""
    source = records_of_show if task.kind in SHOWS else records_of_sale
    records = list(source(task.kind, task.seed))
    with mock.patch.object(core_sale, "forecast", memoryless := Memoryless()):
        now = looks_of(records, 2)
    before = looks_of(records, 1)
    found = {way: Counted() for way in ("now", "alone", "before", "before, same", "plain", "plain, same")}
    for key, looks in now.items():
        older = {look.as_of_ms: look.eta for look in before.get(key, ())}
        eta_1 = [older.get(look.as_of_ms) for look in looks]
        rates = [plain(look) for look in looks]
        alone = [memoryless.beside(look) for look in looks]
        for way, said in (("now", [look.eta for look in looks]), ("alone", alone), ("before", eta_1), ("plain", rates)):
            for verdict in judged(looks, said):
                found[way].add(verdict)
        for way, said in (("before, same", eta_1), ("plain, same", rates)):
            same = [each if look.eta else None for look, each in zip(looks, said, strict=True)]
            for verdict in judged(looks, same):
                found[way].add(verdict)
    return found


# -- the table ---------------------------------------------------------------------------------------------------------
HEAD = (
    *("kind", "documents", "inside", "early : late", "width ÷ wait", "last 15 s", "after a restock", "speaks"),
    *("overtaken, undecided", "without its past: inside", "edition 1: inside", "width ÷ wait", "plain rate: inside"),
)
SAID = ("inside", "early", "late")


def _share(found: Counter[str]) -> str:
    said = sum(found[each] for each in SAID)
    return f"{100 * found['inside'] / said:.0f} %" if said else "–"


def _width(widths: Sequence[float]) -> str:
    return f"{statistics.median(widths):.2f}" if widths else "–"


def row(kind: str, ways: dict[str, Counted]) -> tuple[str, ...]:
    """One family."""
    now, found = ways["now"], ways["now"].verdicts
    said = sum(found[each] for each in SAID)
    after = sum(now.restocked[each] for each in SAID)
    spoken = sum(now.sold_out[each] for each in SAID)
    whole = spoken + now.sold_out["withheld"]
    return (
        kind,
        f"{said:,}",
        _share(found),
        f"{found['early']} : {found['late']}",
        _width(now.widths),
        _share(now.last),
        f"{_share(now.restocked)} of {after:,}" if after else "–",
        f"{100 * spoken / whole:.0f} %" if whole else "–",
        f"{found['overtaken']}, {found['undecided']}",
        _share(ways["alone"].verdicts),
        _share(ways["before"].verdicts),
        _width(ways["before, same"].widths),
        _share(ways["plain"].verdicts),
    )


def tasks_of(seeds: int, only: Sequence[str]) -> list[Task]:
    """All shows; the long ones first, so that the processes end together."""
    tasks = [
        Task("scenarios", name, seed)
        for name in SHOWS
        for seed in range(1, 1 + (max(1, seeds // 4) if name == LONG else seeds))
    ]
    for kinds, part, first in (
        (CONSTANTS_FROM, "kinds that the constants were set on, other seeds", 0),
        (KEPT_ASIDE, "kinds kept aside", 0),
        (PRECEDENTS_FROM, "bursts and lulls that precedents were set on, other seeds", BURST_SEEDS),
        (BURSTS_KEPT_ASIDE, "bursts and lulls kept aside", BURST_SEEDS),
    ):
        tasks += [Task(part, kind.__name__, first + seed) for kind in kinds for seed in range(seeds)]
    return [task for task in tasks if not only or task.kind in only]


def table(found: dict[tuple[str, str], dict[str, Counted]]) -> str:
    """In Markdown: a part after the other, each with its sum."""
    lines = ["| " + " | ".join(HEAD) + " |", "|---" + "|---:" * (len(HEAD) - 1) + "|"]
    for part, keys in groupby(found, key=lambda key: key[0]):
        total = {way: Counted() for way in next(iter(found.values()))}
        lines.append(f"| *{part}* |" + " |" * (len(HEAD) - 1))
        for key in keys:
            lines.append("| " + " | ".join(row(key[1], found[key])) + " |")
            for way, counted in found[key].items():
                total[way].join(counted)
        lines.append("| " + " | ".join(f"**{cell}**" for cell in row("together", total)) + " |")
    return "\n".join(lines)


def main() -> None:
    """Count, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--only", default="")
    parser.add_argument("--processes", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--write-docs", action="store_true")
    parser.add_argument("--fit", action="store_true", help="set the constants anew, and compare")
    flags = parser.parse_args()
    if flags.fit:
        raise SystemExit(forecast_fit.main())
    tasks = tasks_of(flags.seeds, [name for name in flags.only.split(",") if name])
    found: dict[tuple[str, str], dict[str, Counted]] = {}
    with multiprocessing.Pool(flags.processes) as pool:
        for task, counted in zip(tasks, pool.imap(count, tasks), strict=True):
            ways = found.setdefault((task.part, task.kind), {way: Counted() for way in counted})
            for way, each in counted.items():
                ways[way].join(each)
            print(f"  {task.part}: {task.kind} {task.seed}", flush=True)
    text = table(found)
    print(text)
    measuring.write_report("forecast", {"seeds": flags.seeds, "table": text})
    if flags.write_docs:
        page = PAGE.read_text("utf-8")
        before, _, rest = page.partition(BEGIN)
        _, _, after = rest.partition(END)
        said = f"`python -m bench.forecast --seeds {flags.seeds}`, documents of {len(tasks)} shows and sales:"
        PAGE.write_text(f"{before}{BEGIN}{said}\n\n{text}\n{END}{after}", "utf-8")


if __name__ == "__main__":
    main()
