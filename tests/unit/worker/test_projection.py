"""Documents reach Redis in order of version; a Redis that is away or wiped costs freshness and nothing else."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

import pytest
import structlog
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ReadOnlyError, RedisError, ResponseError

from stream.contract.history import decode_head
from stream.core.partition import PartitionFold
from stream.core.rules import Rules
from stream.redis_words import words_of
from stream.worker import projection as projection_module
from stream.worker.overlay_store import Answer
from stream.worker.ownership import Phase
from stream.worker.projection import Projection
from tests.unit.worker.helpers import LIKES, NOW_MS, TOPICS, like, live_owner, make_config, until

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stream.core.histories import Charted
    from stream.core.publishing import Published
    from stream.worker.metrics import Metrics
    from stream.worker.partition_owner import Owner


class StoreTwin:
    """Redis as the script sees it: one version per room, compared and set."""

    def __init__(self) -> None:
        self.versions: dict[str, tuple[int, int]] = {}
        self.batches: list[list[str]] = []
        self.away = False
        self.odd_rooms: set[str] = set()
        self.evicted: set[str] = set()
        self.refuses: RedisError | None = None  # said of every write
        self.of_the_other_half: RedisError | None = None  # said of rooms with an odd number
        self.renewed = self.refreshed = self.tried = 0
        self.histories: dict[str, Charted] = {}

    async def ping(self) -> None:
        if self.away:
            raise RedisConnectionError("refused")

    async def write(self, epoch: int, documents: Sequence[Published]) -> list[Answer | Exception]:
        await self.ping()
        self.batches.append([each.room_id for each in documents])
        if self.refuses is not None:
            return [self.refuses] * len(documents)
        return [self._write(epoch, each) for each in documents]

    def _write(self, epoch: int, each: Published) -> Answer | Exception:
        if each.room_id in self.odd_rooms:
            return ResponseError("WRONGTYPE")
        if self.of_the_other_half is not None and int(each.room_id[-1]) % 2:
            return self.of_the_other_half
        held = self.versions.get(each.room_id)
        if held is not None and held[0] > epoch:
            return Answer.STALE_EPOCH
        if held is not None and held >= (epoch, each.rev):
            return Answer.NOT_NEWER
        self.versions[each.room_id] = (epoch, each.rev)
        return Answer.WRITTEN if held else Answer.WRITTEN_NEW

    async def write_histories(self, epoch: int, histories: Sequence[Charted]) -> list[Answer | Exception]:
        await self.ping()
        assert len(histories) <= 2
        answers: list[Answer | Exception] = []
        for each in histories:
            if each.room_id in self.odd_rooms:
                answers.append(ResponseError("WRONGTYPE"))
            elif self.versions.get(each.room_id, (0, 0))[0] > epoch:
                answers.append(Answer.STALE_EPOCH)
            else:
                self.histories[each.room_id] = each
                answers.append(Answer.WRITTEN)
        return answers

    async def try_to_write(self) -> None:
        self.tried += 1
        await self.ping()
        if self.refuses is not None:
            raise self.refuses

    async def renew(self) -> None:
        self.renewed += 1

    async def refresh(self) -> None:
        self.refreshed += 1

    async def shown(self, room_ids: Sequence[str]) -> list[bool]:
        await self.ping()
        return [room_id in self.versions and room_id not in self.evicted for room_id in room_ids]

    async def configuration(self) -> dict[str, str]:
        return {}

    def words(self, error: BaseException) -> str:
        return words_of(error)

    async def known(self, room_ids: Sequence[str]) -> bool:
        await self.ping()
        return all(room_id in self.versions for room_id in room_ids)


class OwnersTwin:
    def __init__(self, *owners: Owner) -> None:
        self.owners = list(owners)

    def all(self) -> list[Owner]:
        return self.owners

    def live(self) -> list[Owner]:
        return [owner for owner in self.owners if owner.phase is Phase.LIVE]


class Scene:
    def __init__(self, metrics: Metrics, rooms: int = 3, rules: Rules | None = None) -> None:
        self.owner = live_owner(
            config=make_config(make_fold=lambda partition: PartitionFold(partition, rules or Rules(), TOPICS))
        )
        self.store = StoreTwin()
        self.metrics = metrics
        self.now_ms = NOW_MS
        self.projection = Projection(
            cast("Any", self.store),
            cast("Any", OwnersTwin(self.owner)),
            metrics,
            interval_ms=1,
            batch_rooms=2,
            wall_clock=True,
            now_ms=lambda: self.now_ms,
        )
        self.projection.answers = True
        self.fold(*(like(offset, room=f"room-{offset}") for offset in range(rooms)))

    def fold(self, *records: Any) -> None:
        self.owner.fold.fold(LIKES, records)
        self.owner.fold.advance(self.now_ms, "tick")

    async def round(self) -> None:
        await self.projection.collect(self.owner)
        await self.projection._write_all()

    def count(self, result: str) -> float:
        return self.metrics.registry.get_sample_value("stream_redis_writes_total", {"result": result}) or 0.0

    def reprojections(self) -> float:
        return self.metrics.registry.get_sample_value("stream_reprojections_total") or 0.0


@pytest.fixture
def scene(metrics: Metrics, monkeypatch: pytest.MonkeyPatch) -> Scene:
    monkeypatch.setattr(projection_module, "AWAY_RETRY_S", 0.0)
    return Scene(metrics)


async def test_documents_are_written_in_bounded_pipelines(scene: Scene) -> None:
    await scene.round()
    assert [len(batch) for batch in scene.store.batches] == [2, 1]
    assert sorted(scene.store.versions) == ["room-0", "room-1", "room-2"]
    assert scene.count("accepted") == 3
    assert scene.owner.outbox == {}


async def test_only_what_changed_is_written_again(scene: Scene) -> None:
    await scene.round()
    scene.now_ms += 1_000
    scene.fold(like(3, room="room-1"))
    scene.store.batches.clear()
    await scene.round()
    assert scene.store.batches == [["room-1"]]


async def test_a_write_of_an_owner_that_was_succeeded_is_refused_and_counted(scene: Scene) -> None:
    scene.store.versions["room-1"] = (2, 1)
    await scene.round()
    assert scene.store.versions["room-1"] == (2, 1)
    assert scene.count("refused") == 1
    assert scene.count("accepted") == 2


async def test_a_wiped_redis_is_whole_again_after_the_next_write(scene: Scene) -> None:
    await scene.round()
    scene.store.versions.clear()
    scene.now_ms += 1_000
    scene.fold(like(3, room="room-1"))
    await scene.round()
    assert scene.reprojections() == 1
    await scene.round()
    assert sorted(scene.store.versions) == ["room-0", "room-1", "room-2"]


async def test_a_wipe_is_noticed_once(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projection_module, "ANEW_EVERY_S", 0.0)
    await scene.round()
    scene.store.versions.clear()
    for offset in range(3, 6):
        scene.now_ms += 1_000
        scene.fold(like(offset, room="room-1"))
        await scene.round()
    assert scene.reprojections() == 1


async def test_a_wiped_redis_is_noticed_in_silence_too(scene: Scene) -> None:
    await scene.round()
    scene.store.versions.clear()
    scene.projection._probed_at = 0.0
    await scene.projection._probe()
    await scene.round()
    assert sorted(scene.store.versions) == ["room-0", "room-1", "room-2"]


@pytest.mark.parametrize("number", range(20))
async def test_a_wipe_is_noticed_though_only_new_rooms_are_written_afterwards(scene: Scene, number: int) -> None:
    await scene.round()
    scene.store.versions.clear()
    scene.fold(like(3, room=f"new-{number}"))
    await scene.round()
    scene.projection._sample.clear()  # of many rooms few are looked for again
    scene.projection._probed_at = 0.0
    await scene.projection._probe()
    await scene.round()
    assert sorted(scene.store.versions) == [f"new-{number}", "room-0", "room-1", "room-2"]


async def test_rooms_whose_versions_have_run_out_are_no_wipe(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    await scene.round()
    scene.store.versions.clear()
    monkeypatch.setattr(projection_module, "VERSION_STAYS_S", 0.0)
    scene.projection._probed_at = 0.0
    await scene.projection._probe()
    assert scene.reprojections() == 0


async def test_new_rooms_are_no_wipe(scene: Scene) -> None:
    await scene.round()
    scene.fold(like(3, room="room-new"))
    await scene.round()
    assert scene.reprojections() == 0


async def test_a_redis_that_evicts_keys_does_not_keep_us_busy_with_nothing_else(scene: Scene) -> None:
    await scene.round()
    for _ in range(3):
        scene.store.versions.clear()
        scene.now_ms += 1_000
        scene.fold(like(10 + scene.now_ms % 1_000, room="room-1"))
        await scene.round()
    assert scene.reprojections() == 1


async def test_one_odd_key_stops_no_other_room(scene: Scene) -> None:
    scene.store.odd_rooms.add("room-1")
    await scene.round()
    assert sorted(scene.store.versions) == ["room-0", "room-2"]
    assert scene.count("failed") == 1


async def test_a_redis_that_refuses_everything_is_away(scene: Scene) -> None:
    scene.store.refuses = ReadOnlyError("You can't write against a read only replica.", status_code="READONLY")
    with pytest.raises(ReadOnlyError):
        await scene.round()


async def test_a_worker_whose_only_rooms_have_odd_keys_is_not_away(scene: Scene) -> None:
    scene.store.odd_rooms |= {"room-0", "room-1", "room-2"}
    await scene.round()
    assert scene.projection.answers is True
    assert scene.count("failed") == 3


async def test_redis_is_back_when_it_takes_a_write_and_not_when_it_answers(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a failover: the old master answers every PING, and takes nothing."""
    monkeypatch.setattr(projection_module, "PARTLY_RETRY_S", 0.0)
    read_only = ReadOnlyError("You can't write against a read only replica.", status_code="READONLY")
    with structlog.testing.capture_logs() as logs:
        writing = asyncio.create_task(scene.projection.run_write())
        await until(lambda: scene.store.tried == 1)  # it is there at first
        scene.store.refuses = read_only
        await scene.projection.collect(scene.owner)  # what the old master refuses
        await until(lambda: scene.store.renewed >= 3)
        assert scene.projection.answers is False
        scene.store.refuses = None
        await until(lambda: scene.projection.answers is True)
        await scene.projection.collect(scene.owner)
        await until(lambda: len(scene.store.versions) == 3)
        await scene.projection._mend()
    writing.cancel()
    events = [line["event"] for line in logs]
    assert events.count("Redis does not take documents; folding goes on, overlays will go stale") == 1
    assert events.count("Redis takes documents") == 1
    assert [event for event in events if "a part of Redis" in event] == []  # all of it was away, and is back
    assert logs[0]["error"] == "READONLY You can't write against a read only replica."


async def test_an_outage_soon_after_another_is_followed_by_everything_anew_too(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.projection._project_all_anew("Redis was away")
    scene.owner.reproject = False
    scene.projection._project_all_anew("Redis was away")
    assert scene.reprojections() == 1
    monkeypatch.setattr(projection_module, "ANEW_EVERY_S", 0.0)
    await scene.projection._probe()
    assert scene.owner.reproject
    assert scene.reprojections() == 2


async def test_what_one_of_several_servers_refused_is_made_again(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projection_module, "PARTLY_RETRY_S", 0.0)
    scene.store.of_the_other_half = RedisConnectionError("Error 111 connecting to 10.0.0.2:6379.")
    await scene.round()
    await scene.projection._mend()
    assert sorted(scene.store.versions) == ["room-0", "room-2"]
    assert scene.store.refreshed == 1
    scene.store.of_the_other_half = None
    await scene.round()
    assert sorted(scene.store.versions) == ["room-0", "room-1", "room-2"]
    assert scene.projection.answers is True


async def test_what_the_guard_refuses_is_counted_by_reason(scene: Scene) -> None:
    scene.store.versions |= {"room-0": (1, 1_000), "room-1": (2, 1)}
    await scene.round()
    assert [
        scene.metrics.registry.get_sample_value("stream_redis_refused_total", {"reason": reason})
        for reason in ("not_newer", "stale_epoch")
    ] == [1.0, 1.0]


async def test_a_room_that_is_refused_again_and_again_is_measured(scene: Scene) -> None:
    def waited_s() -> float:
        scene.metrics.sync([scene.owner], 1)
        labels = {"partition": str(scene.owner.partition), "reason": "not_newer"}
        return scene.metrics.registry.get_sample_value("stream_redis_refused_seconds", labels) or 0.0

    scene.store.versions["room-0"] = (1, 3)
    await scene.round()
    assert waited_s() == 0.0
    scene.now_ms += 1_000
    scene.fold(like(3, room="room-0"))
    await scene.round()
    assert waited_s() > 0.0
    for offset in (4, 5):
        scene.now_ms += 1_000
        scene.fold(like(offset, room="room-0"))
        await scene.round()
    assert scene.store.versions["room-0"] > (1, 3)
    assert waited_s() == 0.0


async def test_a_document_that_goes_before_its_time_is_counted_and_made_again(scene: Scene) -> None:
    await scene.round()
    scene.store.evicted.add("room-1")
    scene.projection._sampled_at = 0.0
    with structlog.testing.capture_logs() as logs:
        await scene.projection._probe()
    assert scene.metrics.registry.get_sample_value("stream_redis_vanished_total") == 1.0
    assert [line["room_id"] for line in logs] == ["room-1"]
    scene.store.batches.clear()
    await scene.round()
    assert scene.store.batches == [["room-1"]]


async def test_a_document_that_ran_out_has_not_vanished(scene: Scene) -> None:
    await scene.round()
    scene.store.evicted |= {"room-0", "room-1", "room-2"}
    scene.projection._sample = [(owner, room, 0.0) for owner, room, _ in scene.projection._sample]
    scene.projection._sampled_at = 0.0
    await scene.projection._probe()
    assert scene.metrics.registry.get_sample_value("stream_redis_vanished_total") == 0.0


async def test_while_redis_is_away_nothing_is_queued_and_afterwards_the_newest_is_written(scene: Scene) -> None:
    scene.store.away = True
    writing = asyncio.create_task(scene.projection.run_write())
    scene.projection._work.set()
    await until(lambda: scene.projection.answers is False)
    for offset in range(3, 50):
        scene.now_ms += 1_000
        scene.fold(like(offset, room="room-1"))
        await scene.projection.collect(scene.owner)
        assert scene.owner.outbox == {}
    scene.store.away = False
    await until(lambda: scene.projection.answers is True)
    await scene.projection.collect(scene.owner)
    await until(lambda: len(scene.store.versions) == 3)
    writing.cancel()
    assert scene.store.versions["room-1"][1] == max(rev for _, rev in scene.store.versions.values())


async def test_with_the_logs_clock_documents_are_written_again_before_they_run_out(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(projection_module, "LOG_REFRESH_S", 0.0)
    scene.projection._wall_clock = False
    collecting = asyncio.create_task(scene.projection.run_collect())
    await until(lambda: len(scene.owner.outbox) == 3)
    first = scene.owner.outbox["room-0"].rev
    await until(lambda: scene.owner.outbox["room-0"].rev > first)
    collecting.cancel()


async def test_the_last_documents_are_written_at_the_end_but_not_to_a_redis_that_is_away(scene: Scene) -> None:
    await scene.projection.collect(scene.owner)
    await scene.projection.flush(1.0)
    assert len(scene.store.versions) == 3
    scene.projection.answers = False
    scene.store.away = True
    await scene.projection.flush(1.0)


async def test_a_redis_that_goes_away_during_the_last_writes_does_not_stop_the_stop(scene: Scene) -> None:
    await scene.projection.collect(scene.owner)
    scene.store.away = True
    await scene.projection.flush(1.0)
    assert scene.count("failed") == 2


# -- histories ---------------------------------------------------------------------------------------------------------
@pytest.fixture
def charted(metrics: Metrics, monkeypatch: pytest.MonkeyPatch) -> Scene:
    monkeypatch.setattr(projection_module, "AWAY_RETRY_S", 0.0)
    scene = Scene(metrics, rules=Rules(history_step_ms=10_000, remember_sales_ms=86_400_000))
    scene.now_ms += 11_000
    scene.fold()
    return scene


async def test_histories_are_written_beside_the_documents(charted: Scene) -> None:
    await charted.round()
    assert sorted(charted.store.histories) == ["room-0", "room-1", "room-2"]
    charted.store.histories.clear()
    charted.fold(like(3, room="room-1"))
    charted.now_ms += 11_000
    charted.fold()
    await charted.round()
    assert list(charted.store.histories) == ["room-1"]
    assert decode_head(charted.store.histories["room-1"].head).sessions[-1].orders == 0


async def test_histories_come_back_after_a_wipe_whole(charted: Scene) -> None:
    await charted.round()
    charted.store.histories.clear()
    charted.store.versions.clear()
    charted.projection._probed_at = 0.0
    await charted.projection._probe()
    await charted.round()
    assert sorted(charted.store.histories) == ["room-0", "room-1", "room-2"]
    assert all(each.closed for each in charted.store.histories.values())


async def test_a_history_that_redis_refuses_is_tried_again_in_a_while(charted: Scene) -> None:
    charted.store.odd_rooms = {"room-1"}
    await charted.round()
    await charted.round()
    assert sorted(charted.store.histories) == ["room-0", "room-2"]
    charted.store.odd_rooms = set()
    charted.projection._sampled_at = 0.0
    await charted.projection._probe()
    await charted.round()
    assert sorted(charted.store.histories) == ["room-0", "room-1", "room-2"]


async def test_an_owner_that_was_succeeded_writes_no_history(charted: Scene) -> None:
    charted.store.versions["room-1"] = (2, 1)
    await charted.round()
    assert sorted(charted.store.histories) == ["room-0", "room-2"]
