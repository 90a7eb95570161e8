"""Every claim of every scenario and of recorded days, published or withheld, recomputed by code without the core.

    python -m bench.claims                # over a million claims; some quarter of an hour on two cores
    python -m bench.claims --seconds      # a small one
    python -m bench.claims --recordings DIR  # recordings (NDJSON) of a folder too
    python -m bench.claims --write       # its table into docs/signals.md too, if all are right

Each show is replayed in this process, documents are made at a fine pace, and each claim is compared whole with what
`stream/verify` works out from the records: see `stream/verify/claim_check.py`. Exit code 1 when one is wrong.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from stream.commands.claims_view import tally_lines
from stream.commands.replay_claims import check_recording
from stream.contract.recording import RecordedRecord
from stream.replay.recording import recorded, survey
from stream.settings import load_settings
from stream.shows import build_show
from stream.sources.accounts import Accounts
from stream.sources.intake import SendOrder, records_of
from stream.sources.local_time import DateOrder, time_zone
from stream.sources.rows import RowReader
from stream.sources.taobao import taobao_events
from stream.sources.uci import uci_events
from stream.verify.claim_check import NOT_RECOUNTED, RIGHT, WRONG, Tally

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

T0_MS = 1_507_636_800_000
SETTLE_MS = 120_000
# Recorded days, in a checkout beside this one.
TOP = Path(__file__).resolve().parents[1]
DATA = TOP.parent / "shared" / "data"
DOCUMENT = TOP / "docs" / "signals.md"


class Case(NamedTuple):
    """One replay: a scenario with its seed and scale, or a file; and log time between two looks."""

    name: str
    seed: int = 0
    scale: float = 1.0
    every_ms: int = 250
    path: Path | None = None

    def records(self) -> Iterable[RecordedRecord]:
        """The records in the order of folding."""
        if self.path is None:
            show = build_show(self.name, self.seed, None, self.scale)
            return (
                RecordedRecord(topic=sent.topic, timestamp=T0_MS + sent.send_ms, value=sent.value, key=sent.key)
                for sent in show.deliveries(T0_MS)
            )
        if self.path.suffix == ".csv":
            return _imported(self.path)
        return recorded(self.path, in_order=survey(self.path).sorted, offered={})


def _imported(path: Path) -> Iterator[RecordedRecord]:
    rows = RowReader(path, Accounts(), "utf-8")
    try:
        if path.name.startswith("taobao"):
            events = taobao_events(rows, path.stem, Accounts(), None)
        else:
            events = uci_events(rows, path.stem, Accounts(), None, time_zone("Europe/London"), DateOrder.ISO)
        yield from records_of(events, path.stem, SendOrder.TIME)
    finally:
        rows.close()


def cases(*, small: bool) -> list[Case]:
    """The replays: scenarios with their seeds, recorded days."""
    if small:
        return [Case("brushing", 1, 0.1, 1_000), Case("jd-midnight", 1, 0.002, 1_000)]
    found = [Case("snap-up", seed, every_ms=100) for seed in range(1, 4)]
    found += [Case("tadu-2019", seed, every_ms=250) for seed in range(1, 4)]
    found += [Case("encore", seed, every_ms=100) for seed in range(1, 4)]
    found += [Case("brushing", seed, every_ms=100) for seed in range(1, 7)]
    found += [Case("viya-2017", seed, 0.005, 1_000) for seed in range(1, 3)]
    found += [Case("jd-midnight", seed, 0.02, 100) for seed in range(1, 11)]
    found += [Case("long-tail", seed, 0.01, 250) for seed in range(1, 5)]
    return found + [Case(path.stem, path=path, every_ms=1_000) for path in sorted(DATA.glob("*.csv"))]


def measured(case: Case) -> tuple[Case, Tally, float]:
    """One case, its tally, and the seconds that it took."""
    began = time.monotonic()
    settings = load_settings()
    tally = check_recording(case.records(), settings.rules(), settings.topic_prefix, case.every_ms, SETTLE_MS)
    return case, tally, time.monotonic() - began


def run(chosen: Sequence[Case], processes: int) -> Tally:
    """The tally of all cases; prints a line for each as it ends."""
    total = Tally()
    with ProcessPoolExecutor(processes) as pool:
        for case, tally, seconds in pool.map(measured, chosen):
            total.merge(tally)
            what = f"{case.name} seed {case.seed}" if case.path is None else case.path.name
            print(
                f"{what}: {tally.documents} documents, {tally.of()} claims, {tally.of(WRONG)} wrong, "
                f"{tally.of(NOT_RECOUNTED)} not recounted, {seconds:.0f} s",
                flush=True,
            )
    return total


def write(tables: Mapping[str, Sequence[str]]) -> None:
    """Put lines into docs/signals.md, each between its marks."""
    text = DOCUMENT.read_text("utf-8")
    for name, lines in tables.items():
        begin, end = f"<!-- bench: {name} -->\n", "<!-- end -->"
        before, _, rest = text.partition(begin)
        _, _, after = rest.partition(end)
        text = before + begin + "\n".join(lines) + "\n" + end + after
    DOCUMENT.write_text(text, "utf-8")


def commit() -> str:
    """The commit of this code, as far as git knows it."""
    asked = ["git", "-C", str(TOP), "describe", "--always", "--dirty"]
    return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip() or "unknown"


def main() -> int:
    """The exit code; runs the cases and prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", action="store_true", help="a small one, of some seconds")
    parser.add_argument("--recordings", type=Path, help="a folder of recordings, checked too")
    parser.add_argument("--write", action="store_true", help="write the table into docs/signals.md, if all are right")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    asked = parser.parse_args()
    chosen = cases(small=asked.seconds)
    if asked.recordings is not None:
        chosen += [Case(path.stem, path=path) for path in sorted(asked.recordings.glob("*.ndjson*"))]
    if not asked.seconds and not any(case.path for case in chosen):
        print(f"recorded days are MISSING: there is no {DATA}", flush=True)
    began = time.monotonic()
    total = run(chosen, asked.processes)
    took_s = time.monotonic() - began
    print(*tally_lines(total), sep="\n")
    print(f"{took_s:.0f} s")
    is_right = total.of(RIGHT) and not total.of(WRONG)
    if asked.write and is_right:
        head = (
            f"{took_s:.0f} s with {asked.processes} processes, CPython {platform.python_version()}, commit {commit()}:"
        )
        write({"claims": [head, "", *tally_lines(total)]})
    return 0 if is_right else 1


if __name__ == "__main__":
    sys.exit(main())
