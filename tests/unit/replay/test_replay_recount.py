"""A replay against the independent recount of the same records, figure by figure: real files, and the busiest show."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from stream.core.rules import Rules
from stream.replay.recording import Replay, recorded
from stream.shows import build_show
from stream.shows.player import play_to_file
from stream.sources.accounts import Accounts
from stream.sources.intake import SendOrder, records_of
from stream.sources.local_time import DateOrder, time_zone
from stream.sources.rows import RowReader
from stream.sources.taobao import taobao_events
from stream.sources.uci import uci_events
from stream.verify.compare import compare
from stream.verify.recount import recount_records

if TYPE_CHECKING:
    from stream.contract.recording import RecordedRecord

SHARED_DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
TAOBAO = SHARED_DATA / "taobao-user-behavior-10k.csv"
UCI_DAYS = sorted(SHARED_DATA.glob("uci-online-retail-*.csv"))
needs_data = pytest.mark.skipif(not UCI_DAYS or not TAOBAO.exists(), reason=f"no recorded files in {SHARED_DATA}")


def assert_replay_equals_recount(records: list[RecordedRecord], settle_ms: int = 0) -> None:
    job = Replay(Rules(), "live", 60_000, lambda _: None)
    job.run(records, settle_ms)
    recount = recount_records(records)
    overlays = job.overlays()
    assert [overlay.room_id for overlay in overlays] == recount.room_ids()
    for overlay in overlays:
        figures = compare(recount.room(overlay.room_id, overlay.as_of_ms), overlay)
        assert figures
        assert [figure for figure in figures if not figure.agrees] == []
    books = job.books()
    assert sum(books.received) == len(records)
    assert books.received == [sum(row) for row in zip(books.applied, books.duplicate, books.dead_lettered, strict=True)]


@needs_data
@pytest.mark.parametrize("path", UCI_DAYS, ids=[path.stem[-10:] for path in UCI_DAYS])
def test_a_day_of_the_shop(path: Path) -> None:
    accounts = Accounts()
    events = uci_events(RowReader(path, accounts), "shop", accounts, None, time_zone("Europe/London"), DateOrder.ISO)
    assert_replay_equals_recount(list(records_of(events, "shop", SendOrder.TIME)))


@needs_data
def test_a_week_of_taobao() -> None:
    accounts = Accounts()
    events = taobao_events(RowReader(TAOBAO, accounts), "tb", accounts, None)
    assert_replay_equals_recount(list(records_of(events, "tb", SendOrder.TIME)))


@pytest.mark.slow
def test_a_flash_sale_while_some_holds_are_still_running(tmp_path: Path) -> None:
    path = tmp_path / "show.ndjson.gz"
    play_to_file(build_show("snap-up", 3, None), path, t0_ms=1_507_636_800_000, report=lambda _: None)
    assert_replay_equals_recount(list(recorded(path, in_order=True, offered={})), settle_ms=30_000)
