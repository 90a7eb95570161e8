"""TLS, passwords, and the smallest permissions: each process with a user of its own, everybody else shut out."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from typer.testing import CliRunner

from stream.cli import app
from stream.contract.sight import State
from stream.errors import SnapupError
from stream.local.ports import LOOPBACK
from stream.overlays.reader import OverlayReader
from stream.redis_address import AddressSettings, address_of
from stream.redis_clients import REDIS_ERRORS, RedisClient
from stream.verify.redis_documents import RedisDocuments
from stream.worker.overlay_store import OverlayStore
from tests.redis.conftest import PREFIX, Worker
from tests.redis.test_failover import NOT_TAKEN, all_rise, eventually
from tests.support.doc_tables import redis_users
from tests.support.redis_servers import (
    Certificates,
    ClusterSetup,
    RedisNode,
    SentinelSetup,
    named,
    running,
)
from tests.support.serve import serving

if TYPE_CHECKING:
    from pathlib import Path

    from stream.local.packages import Program

pytestmark = [pytest.mark.integration, pytest.mark.slow]

SECRET = "s3cret-Zz"  # noqa: S105 -- of nothing
ADMIN = {"username": "admin", "password": "admin"}
USERS = ("worker", "serve", "audit", "poller")


def users(*, cluster: bool = False, database: bool = False) -> dict[str, str]:
    """Lines of a redis.conf: our users as docs/operations.md has them, an administrator, and nobody else."""
    rules = redis_users(PREFIX)
    more = (" +cluster|slots +command +asking" if cluster else "") + (" +select" if database else "")
    found = {f"user {name}": f"on >{SECRET} {rules[name]}{more}" for name in USERS}
    return {**found, "user admin": "on >admin ~* &* +@all", "user default": "off"}


def url_of(user: str, node: RedisNode, db: int = 0) -> str:
    return f"redis://{user}:{SECRET}@{LOOPBACK}:{node.port}/{db}"


@pytest.fixture
def guarded(program: Program, tmp_path: Path) -> Any:
    """A server that knows nobody but our users."""
    if named(program) == "redis-6.2":  # it knows no permission of a subcommand: the command's own is the smallest
        assert "script|load" in redis_users(PREFIX)["worker"]
    with running(RedisNode(tmp_path / "guarded", program, users(), client=ADMIN)) as node:
        yield node


async def test_the_smallest_permissions_are_enough(guarded: RedisNode) -> None:
    async with (
        Worker(url_of("worker", guarded)) as worker,
        serving(url_of("serve", guarded)) as (_, client),
        await client.events("room-1") as events,
    ):
        await events.state("live")
        nudges = await events.snapshot()
        assert nudges.data["state"] == "live"
        assert (await (await client.get("/v1/rooms")).json())["rooms"]
        reader = OverlayReader(url_of("poller", guarded), PREFIX, "room-1", 2_000)
        async with asyncio.timeout(20):
            async for look in reader.looks():
                if look.sight.state(0) is State.LIVE:
                    break
        await reader.close()
        auditor = RedisClient(url_of("audit", guarded), timeout_ms=2_000)
        shown = RedisDocuments(auditor, PREFIX)
        assert (await shown.documents(["room-1"]))[0].positions is not None
        assert "room-1" in await shown.rooms()
        await auditor.aclose()
        # The version keys are looked at too, and a script that was forgotten is loaded again.
        assert await worker.store.known(["room-1"])
        guarded.do("SCRIPT", "FLUSH")
        direct = RedisClient(url_of("admin", guarded).replace(SECRET, "admin"), timeout_ms=2_000)
        await all_rise(direct, "documents after the scripts were forgotten")
        await direct.aclose()


@pytest.mark.parametrize("user", USERS)
async def test_no_permission_of_the_list_is_superfluous(guarded: RedisNode, user: str) -> None:
    """Without any one of them, something that the process does is refused."""
    rules = redis_users(PREFIX)[user].split()
    for permission in [word for word in rules if word.startswith("+")]:
        left = [word for word in rules if word != permission]
        guarded.do("ACL", "SETUSER", user, "reset", "on", f">{SECRET}", *left)
        guarded.do("SCRIPT", "FLUSH")
        assert await _refused(user, guarded), f"{user} does not need {permission}"


async def _refused(user: str, node: RedisNode) -> bool:
    """Whether one of the things that this process does is refused."""
    client = RedisClient(url_of(user, node), timeout_ms=2_000)
    store = OverlayStore(url_of(user, node), PREFIX, 2_000)
    shown = RedisDocuments(client, PREFIX)

    async def pages() -> None:
        _ = [page async for page in client.scan(f"{PREFIX}:v1:*", 100)]

    async def subscribed() -> None:
        async with client.subscription() as subscription:
            await subscription.subscribe(f"{PREFIX}:v1:x")
            await subscription.get_message(timeout=1)
            await subscription.unsubscribe(f"{PREFIX}:v1:x")
            await subscription.get_message(timeout=1)

    work: dict[str, list[Any]] = {
        "worker": [store.ping, store.try_to_write, lambda: store.known(["a"])],
        "serve": [
            lambda: client.ask("GET", f"{PREFIX}:v1:x"),
            pages,
            lambda: client.publish(f"{PREFIX}:v1:x", b""),
            subscribed,
        ],
        "audit": [lambda: shown.documents(["a"]), shown.rooms],
        "poller": [lambda: client.now_ms("x"), lambda: client.ask("GET", f"{PREFIX}:v1:x"), subscribed],
    }
    try:
        for each in work[user]:
            await each()
    except (*REDIS_ERRORS, SnapupError):
        return True
    finally:
        await client.aclose()
        await store.close()
    return False


@pytest.mark.parametrize("why", ["wrong password", "nobody", "no permission", "no channel"])
async def test_what_the_server_says_is_logged_in_its_own_words_and_without_the_password(
    guarded: RedisNode, why: str
) -> None:
    url = url_of("worker", guarded)
    said = {
        "wrong password": "WRONGPASS",
        "nobody": "Authentication required",
        "no permission": "NOPERM",
        "no channel": "channel",
    }[why]
    match why:
        case "wrong password":
            guarded.do("ACL", "SETUSER", "worker", "resetpass", ">another")
        case "nobody":
            url = guarded.url
        case "no permission":
            guarded.do("ACL", "SETUSER", "worker", "-evalsha")
        case _:
            guarded.do("ACL", "SETUSER", "worker", "resetchannels")
    with structlog.testing.capture_logs() as logs:
        async with (
            Worker(url) as worker,
            serving(url_of("serve", guarded).replace(SECRET, f"{SECRET}-wrong")) as (_, client),
            await client.events("room-1") as events,
        ):
            await eventually(lambda: worker.projection.answers is False, "the worker to notice")
            await events.state("redis_away")
            await asyncio.sleep(1.2)
    errors = [line["error"] for line in logs if line["event"] == NOT_TAKEN]
    assert len(errors) == 1, errors
    assert said in errors[0]
    assert any("WRONGPASS" in line.get("error", "") for line in logs if "readers are told" in line["event"])
    assert SECRET not in json.dumps(logs, default=repr)


async def test_a_password_that_is_replaced_in_its_file_is_taken_up(guarded: RedisNode, tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_text(f"{SECRET}\n")
    url = f"redis://worker@{LOOPBACK}:{guarded.port}/0"
    address = address_of(url, AddressSettings(password_file=str(path)))
    async with Worker(address) as worker:
        await eventually(lambda: worker.projection.answers, "the first document")
        guarded.do("ACL", "SETUSER", "worker", "resetpass", ">new-password")
        guarded.do("CLIENT", "KILL", "USER", "worker")
        await eventually(lambda: worker.projection.answers is False, "the old password to be refused")
        path.write_text("new-password\n")
        await eventually(lambda: worker.projection.answers, "the new password")


@pytest.mark.parametrize("words", [["watch", "room-1", "--once"], ["rooms"], ["doctor"], ["serve", "--port", "0"]])
def test_no_command_prints_a_password(guarded: RedisNode, words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    urls = [
        f"redis://worker:{SECRET}@{LOOPBACK}:port/0",
        f"redis://worker:{SECRET}/x@{LOOPBACK}:1/0",
        f"http://worker:{SECRET}@{LOOPBACK}",
    ]
    if words[0] != "serve":  # it would serve, and wait for Redis
        urls.append(url_of("worker", guarded).replace(SECRET, f"{SECRET}-wrong"))
    monkeypatch.setattr("stream.worker.logs.configure_logging", lambda *_: None)  # the tests look at logs themselves
    for url in urls[-1:] if words[0] == "doctor" else urls:
        monkeypatch.setenv("SNAPUP_REDIS_URL", url)
        result = CliRunner().invoke(app, words)
        assert result.exit_code != 0
        assert SECRET not in f"{result.output} {result.exception} {result.exception!r}"


# -- Sentinel and cluster with users -----------------------------------------------------------------------------------
async def test_sentinels_have_users_of_their_own(program: Program, tmp_path: Path) -> None:
    own = {"user default": "off", "user admin": "on >admin ~* &* +@all"}
    own["user asks"] = f"on >{SECRET} -@all +ping +sentinel|get-master-addr-by-name +auth +hello"
    if named(program) == "redis-6.2":
        own["user asks"] = f"on >{SECRET} -@all +ping +sentinel +auth"
    setup = SentinelSetup(tmp_path, program, sentinel_options=own, sentinel_client=ADMIN)
    # Sentinels talk to each other too.
    for each in setup.sentinels:
        each._options |= {"sentinel sentinel-user": "admin", "sentinel sentinel-pass": "admin"}
    async with setup:
        beside = AddressSettings(sentinel_username="asks", sentinel_password=SECRET)
        client = RedisClient(address_of(setup.url, beside), timeout_ms=2_000)
        await client.ask("SET", "a", "b")
        await client.aclose()
        stranger = RedisClient(address_of(setup.url), timeout_ms=2_000)
        with pytest.raises(REDIS_ERRORS) as caught:
            await stranger.ask("GET", "a")
        assert "Authentication required" in stranger.words(caught.value)
        await stranger.aclose()


async def test_a_cluster_needs_three_permissions_more(program: Program, tmp_path: Path) -> None:
    options = {**users(cluster=True), "masteruser": "admin", "masterauth": "admin"}
    cluster = ClusterSetup(tmp_path, program, options)
    for node in cluster.nodes:
        node._client = dict(ADMIN)
    async with cluster, Worker(cluster.url.replace("://", f"://worker:{SECRET}@")) as worker:
        await eventually(lambda: worker.projection.answers, "the first document")
        async with (
            serving(cluster.url.replace("://", f"://serve:{SECRET}@")) as (_, client),
            await client.events("room-1") as events,
        ):
            await events.state("live")
            assert (await (await client.get("/v1/rooms")).json())["rooms"]
            # While a slot moves, what has moved already is asked for behind this word.
            for user in USERS:
                with contextlib.closing(cluster.nodes[0].client(username=user, password=SECRET)) as direct:
                    assert direct.execute_command("ASKING") in {b"OK", True}


# -- TLS ---------------------------------------------------------------------------------------------------------------
@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    if not Certificates.possible():
        pytest.skip("openssl is MISSING: TLS to Redis was NOT tried.")
    return Certificates(tmp_path / "certificates")


@pytest.mark.parametrize("ask_client", [False, True])
async def test_tls_with_and_without_a_certificate_of_our_own(
    tls_program: Program, tmp_path: Path, certificates: Certificates, *, ask_client: bool
) -> None:
    options = certificates.of_server(ask_client=ask_client)
    with running(RedisNode(tmp_path / "tls", tls_program, options, client=certificates.of_client())) as node:
        ours = {"cert_file": str(certificates.client), "key_file": str(certificates.client.with_suffix(".key"))}
        beside = AddressSettings(ca_file=str(certificates.ca), **(ours if ask_client else {}))
        async with Worker(address_of(f"rediss://localhost:{node.port}/0", beside)) as worker:
            await eventually(lambda: worker.projection.answers, "the first document")
            address = address_of(f"rediss://localhost:{node.port}/0", beside)
            reader = OverlayReader(address, PREFIX, "room-1", 2_000)
            await eventually(lambda: _is_live(reader), "the overlay over TLS")
            await reader.close()


async def _is_live(reader: OverlayReader) -> bool:
    return (await reader.look()).sight.state(0) is State.LIVE


@pytest.mark.parametrize("why", ["unknown authority", "another name", "no certificate of ours", "no TLS"])
async def test_a_certificate_that_does_not_hold_is_said(
    tls_program: Program, tmp_path: Path, certificates: Certificates, why: str
) -> None:
    options = certificates.of_server(ask_client=why == "no certificate of ours")
    ca = certificates.other_ca if why == "unknown authority" else certificates.ca
    host = LOOPBACK if why == "another name" else "localhost"
    said = {
        "unknown authority": "CERTIFICATE_VERIFY_FAILED",
        "another name": "IP address mismatch, certificate is not valid for '127.0.0.1'",
        "no certificate of ours": "certificate",
        "no TLS": "",
    }[why]
    with running(RedisNode(tmp_path / "tls", tls_program, options, client=certificates.of_client())) as node:
        address = address_of(f"rediss://{host}:{node.port}/0", AddressSettings(ca_file=str(ca)))
        if why == "no TLS":
            address = address_of(f"redis://{host}:{node.port}/0")
        with structlog.testing.capture_logs() as logs:
            async with Worker(address) as worker:
                await eventually(lambda: worker.projection.answers is False, "the worker to notice")
                await eventually(lambda: [line for line in logs if line["event"] == NOT_TAKEN], "a line in the log")
    errors = [line["error"] for line in logs if line["event"] == NOT_TAKEN]
    assert any(said.lower() in error.lower() for error in errors), errors


async def test_a_cluster_over_tls(tls_program: Program, tmp_path: Path, certificates: Certificates) -> None:
    options = {**certificates.of_server(ask_client=False), "tls-cluster": "yes"}
    cluster = ClusterSetup(tmp_path / "cluster", tls_program, options)
    for node in cluster.nodes:
        node._client = certificates.of_client()
    async with cluster:
        # The nodes tell their addresses, not their names.
        url = cluster.url.replace("redis+", "rediss+") + "?ssl_check_hostname=false"
        async with Worker(address_of(url, AddressSettings(ca_file=str(certificates.ca)))) as worker:
            await eventually(lambda: worker.projection.answers, "the first document")
