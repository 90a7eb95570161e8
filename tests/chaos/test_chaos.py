"""Two minutes of chaos, and the parts of it that could deceive."""

from __future__ import annotations

import asyncio
import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from stream.verify.verdict import PASSED
from tests.chaos import faults
from tests.chaos import fleet as fleet_module
from tests.chaos.__main__ import keep_logs
from tests.chaos.fleet import Fleet, MissedError
from tests.chaos.plan import PLANS, plan
from tests.chaos.proxy import SlowProxy
from tests.chaos.redis_keys import Held, not_back
from tests.chaos.report import Outcome, rows
from tests.chaos.timeline import Change, Gap, WorkerLog, gaps
from tests.chaos.traffic import POISON, Shop, rooms_of
from tests.chaos.verifier import journal_problems

if TYPE_CHECKING:
    from stream.local.stack import Stack
    from tests.conftest import ApplyTopics

TOP = Path(__file__).parents[2]
# No fault begins after this; with the start, the last recovery and the recount the whole takes twice as long.
MINUTES = 1.5
# Some six times what a run takes on an idle machine; below the deadline of a test, so that the run's output is shown.
DEADLINE_S = 500.0
END_S = 60.0


@pytest.mark.integration
@pytest.mark.slow
def test_two_minutes_of_chaos_end_exact(tmp_path: Path) -> None:
    said = tmp_path / "said.txt"
    command = [sys.executable, "-u", "-m", "tests.chaos", "--plan", "short", "--minutes", MINUTES, "--out", tmp_path]
    with (
        said.open("wb") as out,
        subprocess.Popen(list(map(str, command)), cwd=TOP, stdout=out, stderr=subprocess.STDOUT) as chaos,
    ):
        try:
            chaos.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            chaos.send_signal(signal.SIGUSR1)  # says where each thread is
            chaos.send_signal(signal.SIGINT)  # says what it waited for, and ends its servers and workers
            try:
                chaos.wait(END_S)
            finally:
                chaos.kill()
    told = said.read_text("utf-8", "replace")
    assert chaos.returncode == 0, told[-8_000:]
    assert told.splitlines()[-1] == PASSED
    report = msgspec.json.decode((tmp_path / "chaos-short.json").read_bytes())
    assert report["acknowledged_in_journal"] == report["shop"]["acknowledged"] > 1_000
    assert report["rooms_compared"] > 12
    assert report["mechanic_figures"] > 100
    assert all(fault["hit"] for fault in report["faults"])
    assert report["faults"]


def test_a_plan_is_its_seed_and_the_long_one_is_what_was_promised() -> None:
    for name in PLANS:
        schedules = [plan(name, random.Random(5), 1) for _ in range(2)]
        kinds = [[(step.kind, step.pause_s, step.overlaps) for step in steps] for steps in schedules]
        assert kinds[0] == kinds[1]
    kinds_of = [step.kind for step in plan("long", random.Random(5), 3)]
    assert sum(kind.startswith("kill -9") for kind in kinds_of) >= 60
    assert kinds_of.count("SIGSTOP beyond the session") >= 20
    assert kinds_of.count("Redis wiped") == 10
    assert kinds_of[0] == "rolling upgrade"
    assert {"Redis fails over", "hanging transaction", "poison storm"} <= set(kinds_of)
    assert {"Kafka away for 120 s", "Redis away for 300 s", "leader moved", "broker killed"} <= set(kinds_of)


def test_a_partition_stands_still_when_nobody_folds_it() -> None:
    def change(at_s: float, worker: str, partitions: tuple[int, ...] | None, *, begins: bool) -> Change:
        return Change(at_s, worker, begins, partitions)

    found = gaps(
        [
            change(1, "a", (0,), begins=True),
            change(2, "b", (1,), begins=True),
            change(5, "a", None, begins=False),
            change(5.5, "b", (1,), begins=False),
            change(6, "b", (1,), begins=True),
            change(7, "b", (0,), begins=True),
            change(8, "a", (0,), begins=True),  # both for a while: no gap
            change(9, "b", None, begins=False),
        ],
        2,
    )
    assert found == {0: [Gap(5, 7)], 1: [Gap(5.5, 6), Gap(9, None)]}


def test_a_log_is_read_as_it_grows_and_only_in_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "w.log"
    live = b'{"timestamp": "2026-01-02T03:04:05.500000Z", "event": "partition live", "partition": 3, "epoch": 2}\n'
    path.write_bytes(b"library noise\n" + live + live[:20])
    log = WorkerLog("w", path)
    log.read_on()
    assert [change[1:] for change in log.changes] == [("w", True, (3,))]
    with path.open("ab") as file:
        file.write(live[20:])
    log.read_on()
    assert log.said("partition live") == 2


def test_a_tenth_of_what_the_shop_sends_is_poison_and_a_tenth_of_its_clocks_are_off() -> None:
    rooms = rooms_of(12)
    assert len(set(rooms)) == 36
    shop = Shop(1, rooms)
    sent = list(shop.records(5_000))
    poison = [value for _, _, value in sent if value in POISON]
    assert 0.08 < len(poison) / len(sent) < 0.12
    good = [msgspec.json.decode(value) for _, _, value in sent if value not in POISON]
    newest_ms = max(event["event_time_ms"] for event in good) - 3_600_000
    off = [event for event in good if abs(event["event_time_ms"] - newest_ms) > 1_800_000]
    assert 0.08 < len(off) / len(good) < 0.12


def test_a_shop_that_may_say_all_sends_every_kind_of_word_and_one_that_may_not_none_that_is_new() -> None:
    rooms = rooms_of(2)
    kinds: dict[bool, Counter[str]] = {}
    for says_all in (False, True):
        shop = Shop(3, rooms, says_all=says_all)
        sent = [*shop.openings(), *(record for _ in range(4_000) for record in shop.records(2))]
        decoded = [(topic, msgspec.json.decode(value)) for topic, _, value in sent if value not in POISON]
        kinds[says_all] = Counter(event["type"] for _, event in decoded)
        assert {topic for topic, event in decoded if event["type"].startswith(("room_", "gift", "coupon"))} <= {
            "interactions"
        }
        assert any("restock" in event for _, event in decoded) is says_all
    new = {"cart_remove", "sale_restocked", "sale_extended", "sale_closed", "room_opened", "room_closed", "gift"}
    new |= {"coupon_offered", "coupon_taken", "coupon_used", "coupon_returned"}
    assert kinds[True].keys() - kinds[False].keys() == new
    assert kinds[False]["sale_opened"] == len(rooms) < kinds[True]["sale_opened"]
    assert min(kinds[True].values()) > 4


def test_after_a_loss_of_redis_all_must_come_back_that_a_screen_can_show() -> None:
    a, b = "live:v1:{room:a}:", "live:v1:{room:b}:"
    of_a = {f"{a}overlay", f"{a}version", f"{a}history", f"{a}history:1", f"{a}history:2", f"{a}history:3"}
    # Room b was shown an hour ago: nothing but its history is on any screen.
    of_b = {f"{b}version", f"{b}history", f"{b}history:1"}
    beside = {"live:v1:{worker:9f}:heartbeat", "live:v1:{trial:1:1}:overlay"}
    before = Held(frozenset(of_a | of_b | beside), frozenset({f"{a}history:2", f"{a}history:3", f"{b}history:1"}))
    # Meanwhile a show began in room a, and its history names the one before it only.
    named = frozenset({f"{a}history:3", f"{a}history:4", f"{b}history:1"})
    back = frozenset({*of_a, f"{b}history", f"{b}history:1"} - {f"{a}history:1", f"{a}history:2"})
    assert not_back(before, Held(back, named)) == []
    for lost in back:
        assert not_back(before, Held(back - {lost}, named)) == [lost]
    assert not_back(before, Held(frozenset(), frozenset())) == sorted(back - {f"{a}history:3", f"{b}history:1"})


STUBBORN = """
import signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print('{"timestamp": "2026-01-02T03:04:05Z", "event": "worker started", "metrics": ["http://127.0.0.1:1"]}', flush=True)
time.sleep(600)
"""


async def test_a_member_that_would_not_end_is_missed_once_and_the_next_fault_finds_it_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleet_module, "COMMAND", [sys.executable, "-c", STUBBORN])
    monkeypatch.setattr(faults, "END_DEADLINE_S", 0.2)
    fleet = Fleet(tmp_path, {}, 1)
    arena: Any = SimpleNamespace(fleet=fleet, chance=random.Random(1))
    try:
        member = fleet.add("dynamic-1", static=False)
        assert member.process is not None
        before = member.process.pid
        with pytest.raises(MissedError, match=r"in vain for the end of dynamic-1"):
            await faults.terminate(arena, Outcome(kind="SIGTERM", at_s=0.0))
        assert (member.runs, member.wanted) == (True, True)
        assert member.process.pid != before
    finally:
        fleet.close()


def test_the_table_has_medians_and_maxima_and_leaves_out_what_was_not_measured() -> None:
    outcomes = [
        Outcome(kind="kill", at_s=1, takeover_s=[1.0, 3.0], others_s=[0.1, 0.5], whole_s=4.0, behind=[5, 6]),
        Outcome(kind="kill", at_s=2, takeover_s=[8.0], others_s=[0.2], whole_s=9.0, stale_s=2.0),
        Outcome(kind="away", at_s=3),
    ]
    assert rows(outcomes) == [
        ("away", "1", "–", "–", "0.0 / 0.0 s", "–", "0"),
        ("kill", "2", "3.0 / 8.0 s", "0.3 / 0.5 s", "6.5 / 9.0 s", "2.0 / 2.0 s", "11"),
    ]


def test_a_run_that_differs_keeps_what_was_said_and_the_segments(tmp_path: Path) -> None:
    folder, out = tmp_path / "run", tmp_path / "out"
    partition = folder / "kafka" / "broker-1" / "data" / "live.dead-letters-8"
    partition.mkdir(parents=True)
    (partition / "00000000000000000000.log").write_bytes(b"segment")
    (folder / "static-1-1.log").write_bytes(b"said")
    for _ in range(2):  # another run's are replaced
        keep_logs(folder, out)
    kept = out / "chaos-logs"
    assert (kept / "static-1-1.log").read_bytes() == b"said"
    assert (kept / "broker-1" / "data" / partition.name / "00000000000000000000.log").read_bytes() == b"segment"


async def test_the_proxy_forwards_and_can_be_slow() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(100):
            writer.write(chunk)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with SlowProxy(server.sockets[0].getsockname()[1]) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(b"one")
        assert await reader.readexactly(3) == b"one"
        proxy.delay_s = 30.0
        writer.write(b"two")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.readexactly(3), 0.5)
        assert proxy.delayed == 1
        # A failover: open connections stay, new ones go elsewhere.
        proxy.delay_s = 0.0
        other = await asyncio.start_server(echo, "127.0.0.1", 0)
        proxy.lead_to(other.sockets[0].getsockname()[1])
        new_reader, new_writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        new_writer.write(b"two")
        assert await new_reader.readexactly(3) == b"two"
        new_writer.close()
        await new_writer.wait_closed()
        other.close()
        await other.wait_closed()
        writer.close()
        await writer.wait_closed()
    server.close()
    await server.wait_closed()


@pytest.mark.integration
async def test_an_acknowledged_record_that_is_not_in_the_log_is_a_difference(
    stack: Stack, topic_prefix: str, apply_topics: ApplyTopics, tmp_path: Path
) -> None:
    await apply_topics(2)
    journal = tmp_path / "acknowledged.txt"
    journal.write_text("orders 1 7 12345\nlikes 0 0 1\n", "ascii")
    acknowledged, problems = await journal_problems(journal, stack.bootstrap_servers, topic_prefix)
    assert acknowledged == 2
    assert problems[0] == "2 records acknowledged, but not in the log"
    assert f"{topic_prefix}.orders/1@7: acknowledged, but not in the log" in problems
