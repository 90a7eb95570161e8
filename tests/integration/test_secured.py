"""Every command of ours on a broker with TLS, SASL and access control lists that deny by default."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import NewTopic
from msgspec import structs

from stream import topics
from stream.commands.replay_kafka import replay_topics
from stream.contract.events import TOPIC_NAMES
from stream.contract.recording import RecordedRecord
from stream.errors import SnapupError
from stream.exits import Exit
from stream.ingest.intake import Accepted
from stream.ingest.metrics import Metrics
from stream.ingest.publisher import Publisher
from stream.local.redis import RedisServer
from stream.local.settings import LocalSettings
from stream.settings import load_settings
from stream.shows import build_show
from stream.shows.player import play_to_kafka
from stream.sources.kafka import check_topics, deliver
from stream.verify.audit import Where, audit
from stream.verify.following import following
from stream.verify.room_count import Assumptions
from stream.verify.verdict import PASSED
from stream.worker import checkpoint
from stream.worker.checkpoint import CheckpointWriter, Contents, Meta, OutputTopics
from stream.worker.open_transactions import OutputEnds, OutputPartitions
from stream.worker.permissions import naming_refusals
from stream.worker.preflight import check_kafka
from stream.worker.tasks import FatalError
from tests.integration.secured import PASSWORD, Grant, SecuredKafka, documented
from tests.integration.worker_process import START, WorkerProcess, send, shop_events

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from stream.kafka_clients import Brokers

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredKafka]:
    kafka = SecuredKafka(tmp_path_factory.mktemp("secured"), LocalSettings())
    kafka.server.start()
    yield kafka
    kafka.server.stop()


async def run(variables: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command of ours, to its end."""
    command = [sys.executable, "-c", START, *arguments]
    return await asyncio.to_thread(
        subprocess.run,
        command,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


async def test_each_door_opens_to_who_may_come_in_and_says_why_to_who_may_not(secured: SecuredKafka) -> None:
    await secured.apply_topics("doors")
    for user in ("worker", "CN=client"):
        await secured.grant(user, [Grant("Describe", "topic", "doors.*")])
    way, doors, folder = secured.environment, secured.doors, secured.folder
    scram, mutual = way("worker"), secured.by_certificate()
    bare = {name: value for name, value in mutual.items() if "KEY" not in name and "CERT" not in name}
    servers = "SNAPUP_BOOTSTRAP_SERVERS"
    opens = [
        scram,
        way("worker", mechanism="PLAIN"),
        way("worker", mechanism="SCRAM-SHA-256", protocol="SASL_PLAINTEXT"),
        mutual,
    ]
    refusals = {
        "does not let 'worker' in (SCRAM-SHA-512)": scram | {"SNAPUP_SASL_PASSWORD": "wrong-word"},
        "does not let 'worker' in (PLAIN)": way("worker", mechanism="PLAIN") | {"SNAPUP_SASL_PASSWORD": "wrong-word"},
        "shows a certificate that is not to be trusted": scram | {"SNAPUP_SSL_CAFILE": str(folder / "stranger.pem")},
        "listens, but does not speak TLS": scram | {servers: f"127.0.0.1:{doors['SASL_PLAINTEXT']}"},
        "it wants TLS or a user name": {servers: f"127.0.0.1:{doors['SASL_PLAINTEXT']}"},
        "it wants TLS or has no SASL there": way("worker", protocol="SASL_PLAINTEXT")
        | {servers: f"127.0.0.1:{doors['SASL_SSL']}"},
        "asks for a certificate of ours (mutual TLS)": bare,
        "cannot be used with its key": mutual | {"SNAPUP_SSL_KEY_PASSWORD": "wrong-word"},
        "Not permitted: User:nobody needs Describe on topic": way("nobody"),
    }
    names = [spec.name for spec in topics.declared("doors")]

    def entering(variables: dict[str, str]) -> Brokers:
        flags = {name.removeprefix("SNAPUP_").lower(): value for name, value in variables.items()}
        return load_settings(**flags).brokers()

    for each in opens:
        assert set((await topics.check(entering(each), names)).values()) == {2}
    for said, each in refusals.items():
        with pytest.raises(SnapupError) as refused:
            await topics.check(entering(each), names)
        assert said in refused.value.message
        assert PASSWORD not in refused.value.message
        assert "wrong-word" not in refused.value.message
    told = await run(scram | {"SNAPUP_SASL_PASSWORD": "wrong-word"}, "topics", "check", "--prefix", "doors")
    assert told.returncode == 1
    assert told.stderr.startswith("Kafka at ")
    assert told.stderr.count("\n") == 1, "one sentence, and no line of a library"
    examined = await run(scram, "doctor", "--json")
    (found,) = (each for each in json.loads(examined.stdout) if each["name"] == "configured Kafka")
    assert found["ok"]
    assert found["detail"].endswith("answers (SASL_SSL, SCRAM-SHA-512)")
    assert PASSWORD not in examined.stdout


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server = RedisServer(tmp_path_factory.mktemp("redis"), LocalSettings())
    server.start()
    yield server.url
    server.stop()


async def test_every_command_runs_with_the_permissions_that_are_documented_and_no_others(
    secured: SecuredKafka, redis_url: str, tmp_path: Path
) -> None:
    prefix, group = "least", "least-group"
    for user, process in (
        ("worker", "worker"),
        ("owner", "topics apply"),
        ("auditor", "audit"),
        ("replayer", "replay --from-kafka"),
        ("explainer", "explain"),
        ("reporter", "report"),
        ("recorder", "record"),
        ("importer", "import --to kafka"),
        ("simulator", "simulate"),
        ("resender", "dead-letters --resend"),
    ):
        await secured.grant(user, documented(process, prefix, group))
    common = {
        "SNAPUP_TOPIC_PREFIX": prefix,
        "SNAPUP_GROUP": group,
        "SNAPUP_REDIS_URL": redis_url,
        "SNAPUP_CLOCK": "log",
    }

    def way(user: str, mechanism: str = "SCRAM-SHA-512") -> dict[str, str]:
        return common | secured.environment(user, mechanism=mechanism)

    applied = await run(way("owner"), "topics", "apply", "--partitions", "2", "--timestamp-type", "CreateTime")
    assert applied.returncode == 0, applied.stderr
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    from_file: dict[str, Any] = way("worker") | {
        "SNAPUP_SASL_PASSWORD": "",
        "SNAPUP_METRICS_PORT": "0",
        "SNAPUP_LOG_LEVEL": "debug",
    }
    from_file["SNAPUP_SASL_PASSWORD_FILE"] = str(tmp_path / "password")
    del from_file["SNAPUP_SASL_PASSWORD"]
    with WorkerProcess(tmp_path / "worker.log", None, prefix, **from_file) as worker:
        (tmp_path / "day.csv").write_text(
            "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"
            + "".join(f"{n},SKU{n},THING,1,2011-07-28 09:{n % 60:02d}:00,1.25,17850.0,UK\n" for n in range(100, 150))
        )
        bring = "import", "uci", str(tmp_path / "day.csv"), "--room", "shop", "--to", "kafka"
        imported, played, _ready = await asyncio.gather(
            run(way("importer", "PLAIN"), *bring),
            run(way("simulator"), "simulate", "brushing", "--scale", "0.01", "--speed", "max", "--json"),
            worker.until_ready(2),
        )
        assert imported.returncode == 0, imported.stderr
        assert played.returncode == 0, played.stderr
        await worker.until_counted("stream_received_total", 50 + json.loads(played.stdout)["played"]["sent"])
        audited, replayed = await asyncio.gather(
            run(way("auditor"), "audit"), run(way("replayer"), "replay", "--from-kafka", "--all", "--check")
        )
        assert audited.returncode == 0, audited.stdout + audited.stderr
        bad = '{"topic":"likes","timestamp_ms":1795780000000,"key":"r","value":{}}\n'
        (tmp_path / "bad.ndjson").write_text(bad)
        imported = await run(way("importer"), "import", str(tmp_path / "bad.ndjson"), "--to", "kafka")
        assert imported.returncode == 0, imported.stderr
        await worker.until_counted("stream_dead_letters_total", 1)
        await run(way("auditor"), "audit")  # waits until the letter is committed
        resent = await run(way("resender"), "dead-letters", "--resend", "--even-so", "--yes")
        assert resent.returncode == 0, resent.stderr
        assert "1 sent again" in resent.stdout
        assert PASSED in audited.stdout
        assert replayed.returncode == 0, replayed.stdout + replayed.stderr
        explained, checked = await asyncio.gather(
            run(way("explainer"), "explain", "brushing", "--claim", "watching_now"),
            run(way("explainer"), "claims", "check", "--from-kafka"),
        )
        reported, recorded = await asyncio.gather(
            run(way("reporter"), "report", "shop", "--json"),
            run(way("recorder"), "record", "shop", "--to", str(tmp_path / "shop.ndjson"), "--json"),
        )
        assert recorded.returncode == 0, recorded.stderr
        assert json.loads(recorded.stdout)["records"] == 50
        assert reported.returncode == 0, reported.stdout + reported.stderr
        assert explained.returncode == 0, explained.stdout + explained.stderr
        assert checked.returncode == 0, checked.stdout + checked.stderr
        assert "documents as they were kept, 0 others" in checked.stderr
        assert worker.terminate() == 0
        for said in (worker.text(), imported.stderr, played.stderr, audited.stderr, replayed.stderr):
            assert PASSWORD not in said
            assert "SaslAuthenticate" not in said
        assert '"level": "debug"' in worker.text()


async def test_each_permission_that_a_worker_lacks_at_its_start_is_named_alone(secured: SecuredKafka) -> None:
    prefix, group = "lacking", "lacking-group"
    await secured.apply_topics(prefix)
    grants = documented("worker", prefix, group)
    await secured.grant("worker", grants)
    brokers = secured.brokers("worker")
    inputs = [f"{prefix}.{name}" for name in TOPIC_NAMES]

    async def start() -> int:
        outputs, id_prefix = OutputTopics.of(prefix), f"{group}-{prefix}"
        return await check_kafka(brokers, inputs, outputs, group=group, id_prefix=id_prefix, signal_max_bytes=1_000_000)

    assert await start() == 2
    for grant in grants:
        await secured.revoke("worker", [grant])
        with pytest.raises(SnapupError) as refused:
            await start()
        await secured.grant("worker", [grant])
        name = f"{group}-{prefix}-0" if grant.kind == "transactional id" else grant.name
        wanted = f"User:worker needs {grant.operation} on {grant.kind} {name}."
        assert refused.value.message == f"Not permitted: {wanted} Grant it, see docs/operations.md#permissions."


async def test_what_a_broken_broker_left_open_is_read_with_the_permissions_for_that_case(
    secured: SecuredKafka,
) -> None:
    prefix, group = "opened", "opened-group"
    await secured.apply_topics(prefix)
    await secured.grant("worker", documented("worker", prefix, group))
    brokers, outputs = secured.brokers("worker"), OutputTopics.of(prefix)
    ends = OutputEnds(brokers)
    grants = documented("worker: left open", prefix, group)
    assert sorted(grant.name for grant in grants) == sorted({*outputs.all()} - {outputs.checkpoints})
    # A transaction of somebody else, for ours end with their owner: what is looked at is the same.
    stranger = AIOKafkaProducer(bootstrap_servers=secured.server.bootstrap_servers, transactional_id="a-stranger")
    async with stranger:
        for grant in grants:
            async with stranger.transaction():
                await stranger.send_and_wait(grant.name, b"{}", key=b"k", partition=0)
                writer = CheckpointWriter(brokers, f"{group}-{prefix}-0", outputs, 0)
                await writer.fence()
                look = OutputPartitions(ends, outputs, 0)
                with (
                    pytest.raises(FatalError, match=f"needs Read on topic {grant.name}"),
                    naming_refusals(brokers, "Read"),
                ):
                    await look.end_open(writer, None)
                await secured.grant("worker", [grant])
                said = await look.end_open(writer, None)
                assert str(said).startswith(f"a transaction was left open ({grant.name} from ")
                await writer.stop()
                await secured.revoke("worker", [grant])
    await ends.stop()


async def test_each_permission_that_a_reader_or_a_producer_lacks_is_named(  # noqa: C901 — five processes
    secured: SecuredKafka, redis_url: str
) -> None:
    prefix = "lacking-too"
    await topics.apply(
        secured.server.bootstrap_servers, topics.declared(prefix, partitions=1, timestamp_type="CreateTime")
    )
    sending = AIOKafkaProducer(bootstrap_servers=secured.server.bootstrap_servers)
    async with sending:
        for name in (*TOPIC_NAMES, "checkpoints", "signals", "dead-letters", "journal", "claims"):
            await sending.send_and_wait(f"{prefix}.{name}", b"{}", key=b"k", partition=0)

    async def audit_it() -> None:
        await audit(
            Where(bootstrap_servers=secured.brokers("auditor"), redis_url=redis_url, prefix=prefix), Assumptions()
        )

    async def replay_it() -> None:
        brokers = secured.brokers("replayer")
        await replay_topics(brokers, prefix, room=None, check=True, emit=lambda _: None, progress=lambda *_: None)

    async def check_claims() -> None:
        async with following(secured.brokers("explainer"), prefix) as logs:
            await logs.partition_of("k")
            async with aclosing(logs.documents(0)) as documents:
                async for _ in documents:
                    pass

    async def import_it() -> None:
        brokers = secured.brokers("importer")
        await check_topics(brokers, prefix)
        await deliver(
            [RecordedRecord(topic=name, timestamp=1, value=b"", key=b"k") for name in TOPIC_NAMES], brokers, prefix
        )

    async def simulate_it() -> None:
        show = build_show("brushing", 1, None, 0.01)
        await play_to_kafka(show, secured.brokers("simulator"), prefix, t0_ms=1_700_000_000_000, speed=None)

    async def ingest_it() -> None:
        publisher = Publisher(secured.brokers("gateway"), [f"{prefix}.{name}" for name in TOPIC_NAMES], 20, Metrics())
        await publisher._make()
        try:
            if publisher.problem is not None:
                raise SnapupError(publisher.problem)
            await publisher.publish([Accepted(index, b"k", b"") for index in range(len(TOPIC_NAMES))], lambda: None)
        finally:
            await publisher.close()

    await secured.grant("gateway", documented("ingest", prefix, ""))
    await ingest_it()

    async def list_it() -> None:
        await topics.compare(
            secured.brokers("owner"), topics.declared(prefix, partitions=1, timestamp_type="CreateTime")
        )

    for process, user, do, skipped in (
        ("audit", "auditor", audit_it, ("journal",)),
        ("replay --from-kafka", "replayer", replay_it, ("signals", "claims")),
        ("claims check --from-kafka", "explainer", check_claims, ("claims",)),
        ("import --to kafka", "importer", import_it, ()),
        ("simulate", "simulator", simulate_it, ("interactions",)),
        ("ingest", "gateway", ingest_it, ()),
        ("topics list", "owner", list_it, ()),
    ):
        grants = documented(process, prefix, "")
        await secured.grant(user, grants)
        for grant in grants:
            if skipped and grant.name.endswith(skipped):
                continue
            await secured.revoke(user, [grant])
            with pytest.raises(SnapupError) as refused:
                await do()
            await secured.grant(user, [grant])
            assert f"Not permitted: User:{user} needs {grant.operation} on topic" in refused.value.message, (
                process,
                grant,
            )
            if not grant.name.endswith("*"):
                assert grant.name in refused.value.message, process


@pytest.mark.parametrize(
    "lost", ["Read on group lost-group", "Write on topic lost.signals", "Read on topic lost.likes"]
)
async def test_a_worker_that_loses_a_permission_while_it_runs_ends_with_its_name(
    secured: SecuredKafka, redis_url: str, tmp_path: Path, lost: str
) -> None:
    prefix, group = "lost", "lost-group"
    await secured.apply_topics(prefix)
    grants = documented("worker", prefix, group)
    await secured.grant("worker", grants)
    variables: dict[str, Any] = secured.environment("worker") | {"SNAPUP_REDIS_URL": redis_url, "SNAPUP_GROUP": group}
    with WorkerProcess(tmp_path / "worker.log", None, prefix, SNAPUP_METRICS_PORT="0", **variables) as worker:
        await worker.until_ready(2)
        await secured.revoke("worker", [grant for grant in grants if str(grant) == lost])
        await send(secured.server, prefix, shop_events(40, 1))
        assert await worker.exit_code() == Exit.KAFKA_REFUSES
        assert f"Not permitted: User:worker needs {lost}." in worker.lines()[-1]["event"]
    await secured.grant("worker", [grant for grant in grants if str(grant) == lost])


async def test_a_quota_makes_checkpoints_slow_and_loses_no_partition(
    secured: SecuredKafka, redis_url: str, tmp_path: Path
) -> None:
    prefix, group = "quota", "quota-group"
    await secured.apply_topics(prefix)
    await secured.grant("limited", documented("worker", prefix, group))
    variables: dict[str, Any] = secured.environment("limited") | {"SNAPUP_REDIS_URL": redis_url, "SNAPUP_GROUP": group}
    with WorkerProcess(tmp_path / "worker.log", None, prefix, SNAPUP_METRICS_PORT="0", **variables) as worker:
        await worker.until_ready(2)
        # A checkpoint of these rooms has some hundred kilobytes: at 40 kB/s each of its steps takes longer than a
        # step may take that nobody holds back.
        await secured.quota("limited", "producer_byte_rate", 40_000)
        await send(secured.server, prefix, shop_events(3_000, 1, rooms=1_000))
        await worker.until_counted("stream_received_total", 3_060)
        await worker.until_counted("stream_kafka_throttled_seconds_total", 10)
        await worker.until_counted("stream_checkpoint_seconds_count", 1)
        assert await worker.counted("stream_lost_total") == 0, worker.text()
        await secured.quota("limited", "producer_byte_rate", None)
        await secured.quota("limited", "consumer_byte_rate", 40_000)
        await send(secured.server, prefix, shop_events(500, 2, rooms=1_000))
        await worker.until_counted("stream_received_total", 3_060 + 510)
        assert await worker.counted("stream_lost_total") == 0, worker.text()
        await secured.quota("limited", "consumer_byte_rate", None)


async def test_a_topic_that_is_first_written_while_a_quota_holds_the_connection_back_loses_nothing(
    secured: SecuredKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "REQUEST_TIMEOUT_MS", 1_000)
    prefix, group = "first-written", "first-written-group"
    await secured.apply_topics(prefix)
    await secured.grant("limited", documented("worker", prefix, group))
    outputs = OutputTopics.of(prefix)
    outputs = structs.replace(outputs, signals=f"{prefix}.signals-of-later")
    writer = CheckpointWriter(secured.brokers("limited"), f"{group}-{prefix}-0", outputs, 0)
    meta = Meta(version=1, epoch=1, seq=1, owner="test", claim=True, positions={}, clock_ms=0, partitions=1)
    await writer.fence()
    async with secured.admin() as admin:
        await admin.create_topics([NewTopic(outputs.signals, 1, 1)])
    await secured.grant("limited", [Grant("Write", "topic", outputs.signals)])
    await secured.quota("limited", "producer_byte_rate", 40_000)
    await writer.write(Contents(meta, [(f"r|{n}".encode(), bytes(300)) for n in range(1_000)]))
    assert writer.throttle.left_s() > 2 * checkpoint.REQUEST_TIMEOUT_MS / 1_000
    await writer.write(Contents(meta, signals=[("room", b"{}")]))
    await writer.stop()
    await secured.quota("limited", "producer_byte_rate", None)
