"""Redis as people run it: one server, a pair behind one address, Sentinels, a cluster; real processes on loopback.

Every class here has a `url`, for our clients, and those that can have `fail_over`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Any, Self

import redis

from stream.local.ports import LOOPBACK, free_ports, is_free
from stream.local.process import ServerProcess, last_lines
from stream.local.redis import find_redis_server, redis_version
from stream.local.settings import LocalSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    from stream.local.packages import Program

DEADLINE_S = 60.0
LOOK_S = 0.05
CHUNK_BYTES = 256 * 1024
SERVICE = "shows"
BUS_PORTS_ABOVE = 10_000
SLOTS = 16_384
NODE_TIMEOUT_MS = 1_500


def until(condition: Callable[[], Any], what: str, deadline_s: float = DEADLINE_S) -> None:
    """Wait until Redis has done something."""
    deadline = time.monotonic() + deadline_s
    while True:
        with contextlib.suppress(redis.exceptions.RedisError, OSError):
            if condition():
                return
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(LOOK_S)


def machines_server() -> Program:
    """The redis-server of this machine."""
    return find_redis_server(LocalSettings())


class RedisNode:
    """One process of a redis-server.

    Args:
        folder: its own.
        program: the redis-server; None takes the machine's.
        options: of its configuration, on top of those for tests.
        sentinel: whether it is a Sentinel.
        client: how to reach it, besides host and port, where that takes a password or TLS.
    """

    def __init__(
        self,
        folder: Path,
        program: Program | None = None,
        options: Mapping[str, str] | None = None,
        *,
        sentinel: bool = False,
        client: Mapping[str, Any] | None = None,
        port: int | None = None,
    ) -> None:
        self.folder = folder
        self.program = program or machines_server()
        self.port = port or free_ports(1)[0]
        self._sentinel = sentinel
        self._client = dict(client or {})
        tls = "tls-cert-file" in (options or {})
        self._options = {
            "bind": LOOPBACK,
            "port": "0" if tls else str(self.port),
            "dir": str(folder),
            **({"tls-port": str(self.port)} if tls else {}),
            **({} if sentinel else {"save": "", "appendonly": "no", "repl-diskless-sync-delay": "0"}),
            **(options or {}),
        }
        self._process: ServerProcess | None = None

    @property
    def url(self) -> str:
        return f"redis://{LOOPBACK}:{self.port}/0"

    def client(self, **more: Any) -> Any:
        """A client that tries once; the caller closes it."""
        return redis.Redis(
            host=LOOPBACK, port=self.port, **{"socket_timeout": 5, "protocol": 2, **self._client, **more}
        )

    def do(self, *command: Any) -> Any:
        """The answer to one command."""
        with contextlib.closing(self.client()) as client:
            return client.execute_command(*command)

    def start(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        lines = [f"{name} {value}" if value else f'{name} ""' for name, value in self._options.items()]
        config = self.folder / "redis.conf"
        config.write_text("\n".join(lines) + "\n", "utf-8")
        self._launch(config)
        return self

    def _launch(self, config: Path) -> None:
        program = self.program
        argv = [str(program.path), str(config), *(["--sentinel"] if self._sentinel else [])]
        log = self.folder / "redis.log"
        self._process = process = ServerProcess("Redis", argv, log=log, cwd=self.folder, env=program.environment())
        try:
            until(lambda: process.exit_code is not None or self.do("PING"), f"{self.folder.name} to start")
            assert process.exit_code is None, " | ".join(last_lines(log, 5))
        except BaseException:
            process.kill()
            raise

    def restart(self) -> None:
        """Start again after a stop or kill, with the last configuration and what Sentinels or a cluster added to it."""
        self.kill()
        self._launch(self.folder / "redis.conf")

    def stop(self) -> None:
        if self._process is not None:
            self._process.stop(10)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()

    def pause(self) -> None:
        if self._process is not None:
            self._process.signal(signal.SIGSTOP)

    def resume(self) -> None:
        if self._process is not None:
            self._process.signal(signal.SIGCONT)

    def is_master(self) -> bool:
        return bool(self.do("INFO", "replication")["role"] == "master")

    def follows(self, port: int) -> bool:
        """Whether it is a replica of the server at that port, and has all of its data."""
        told = self.do("INFO", "replication")
        return bool(told["role"] == "slave" and int(told["master_port"]) == port and told["master_link_status"] == "up")


class SwitchedAddress:
    """One address that stands for any server: open connections stay with the old one.

    To a client, a virtual address, a service or a name with a short life look like this. `freeze` cuts the open
    connections off: nothing arrives, and no answer comes back.
    """

    def __init__(self, port: int) -> None:
        self._leads_to = port
        (self.port,) = free_ports(1)
        self.made = 0
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._flowing: set[asyncio.Event] = set()

    @property
    def url(self) -> str:
        return f"redis://{LOOPBACK}:{self.port}/0"

    def lead_to(self, port: int) -> None:
        """Lead new connections there from now on."""
        self._leads_to = port

    def freeze(self) -> None:
        """Cut off the connections that are open now."""
        for flow in self._flowing:
            flow.clear()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, LOOPBACK, self.port)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.made += 1
        try:
            behind_reader, behind_writer = await asyncio.open_connection(LOOPBACK, self._leads_to)
        except OSError:
            writer.close()
            return
        flow = asyncio.Event()
        flow.set()
        self._flowing.add(flow)
        for source, target in ((reader, behind_writer), (behind_reader, writer)):
            task = asyncio.create_task(self._forward(source, target, flow))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            task.add_done_callback(lambda _task, flow=flow: self._flowing.discard(flow))  # type: ignore[misc]

    async def _forward(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, flow: asyncio.Event) -> None:
        try:
            with contextlib.suppress(OSError):
                while chunk := await source.read(CHUNK_BYTES):
                    await flow.wait()
                    target.write(chunk)
                    await target.drain()
                await flow.wait()
        finally:
            target.close()


class FailoverPair:
    """A master and its replica behind one address."""

    def __init__(self, folder: Path, program: Program | None = None, options: Mapping[str, str] | None = None) -> None:
        self.master = RedisNode(folder / "a", program, options)
        self.replica = RedisNode(folder / "b", program, options)
        self.address = SwitchedAddress(self.master.port)

    @property
    def url(self) -> str:
        return self.address.url

    async def __aenter__(self) -> Self:
        try:
            await asyncio.to_thread(self.start)
            await self.address.__aenter__()
        except BaseException:
            self.stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.address.__aexit__(kind, error, traceback)
        await asyncio.to_thread(self.stop)

    def start(self) -> None:
        """Start both, the second following the first."""
        self.master.start()
        self.replica.start()
        self._follow()

    def stop(self) -> None:
        self.replica.stop()
        self.master.stop()

    def _follow(self) -> None:
        self.replica.do("REPLICAOF", LOOPBACK, self.master.port)
        until(lambda: self.replica.follows(self.master.port), "the replica to follow")

    def fail_over(self, *, isolated: bool = False) -> None:
        """Make the replica the master, and lead new connections to it; open ones still lead to the old master.

        Args:
            isolated: whether the old master follows a server out of its reach, so that it never hears of the new one.
        """
        old, new = self.master, self.replica
        new.do("REPLICAOF", "NO", "ONE")
        old.do("REPLICAOF", LOOPBACK, 1 if isolated else new.port)
        self.address.lead_to(new.port)
        self.master, self.replica = new, old
        if not isolated:
            until(lambda: old.follows(new.port), "the old master to follow")


class SentinelSetup:
    """A master, a replica, and three Sentinels that know them."""

    def __init__(
        self,
        folder: Path,
        program: Program | None = None,
        *,
        options: Mapping[str, str] | None = None,
        sentinel_options: Mapping[str, str] | None = None,
        sentinel_client: Mapping[str, Any] | None = None,
    ) -> None:
        self.master = RedisNode(folder / "a", program, options)
        self.replica = RedisNode(folder / "b", program, options)
        self.sentinels = [
            RedisNode(folder / f"s{number}", program, sentinel_options, sentinel=True, client=sentinel_client)
            for number in range(3)
        ]

    @property
    def url(self) -> str:
        hosts = ",".join(f"{LOOPBACK}:{each.port}" for each in self.sentinels)
        return f"redis+sentinel://{hosts}/{SERVICE}/0"

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self.start)
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self.stop)

    def start(self) -> None:
        """Start all five, and wait until they know each other."""
        try:
            self.master.start()
            self.replica.start()
            self.replica.do("REPLICAOF", LOOPBACK, self.master.port)
            until(lambda: self.replica.follows(self.master.port), "the replica to follow")
            for each in self.sentinels:
                each.start()
                each.do("SENTINEL", "MONITOR", SERVICE, LOOPBACK, self.master.port, 2)
                for name, value in (("down-after-milliseconds", 1_000), ("failover-timeout", 5_000)):
                    each.do("SENTINEL", "SET", SERVICE, name, value)
            for each in self.sentinels:
                until(lambda each=each: self._knows_all(each), "the Sentinels to know each other")  # type: ignore[misc]
        except BaseException:
            self.stop()
            raise

    def _knows_all(self, sentinel: RedisNode) -> bool:
        with contextlib.closing(sentinel.client()) as client:
            told = client.sentinel_master(SERVICE)
        return bool(told["num-other-sentinels"] == 2 and told["num-slaves"] == 1)

    def fail_over(self) -> None:
        """Kill the master; the Sentinels make the replica the new master."""
        old, new = self.master, self.replica
        old.kill()
        until(new.is_master, "the Sentinels to promote the replica")
        self.master, self.replica = new, old

    def stop(self) -> None:
        for each in (*self.sentinels, self.replica, self.master):
            each.stop()


class ClusterSetup:
    """Three masters with a third of the slots each, and a replica of the first one."""

    def __init__(self, folder: Path, program: Program | None = None, options: Mapping[str, str] | None = None) -> None:
        own = {
            "cluster-enabled": "yes",
            "cluster-node-timeout": str(NODE_TIMEOUT_MS),
            "cluster-config-file": "nodes.conf",
        }
        ports = _ports_with_a_bus(4)
        self.nodes = [
            RedisNode(folder / f"n{number}", program, {**own, **(options or {})}, port=port)
            for number, port in enumerate(ports)
        ]

    @property
    def url(self) -> str:
        return "redis+cluster://" + ",".join(f"{LOOPBACK}:{each.port}" for each in self.nodes[:3])

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self.start)
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self.stop)

    def start(self) -> None:
        """Start all four, and wait until every one calls the cluster whole."""
        try:
            for node in self.nodes:
                node.start()
            for number, node in enumerate(self.nodes[:3]):
                first, last = SLOTS * number // 3, SLOTS * (number + 1) // 3
                node.do("CLUSTER", "ADDSLOTS", *range(first, last))
                node.do("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            for node in self.nodes[1:]:
                node.do("CLUSTER", "MEET", LOOPBACK, self.nodes[0].port)
            until(lambda: all(self._knows(node) == 4 for node in self.nodes), "the nodes to meet")
            self.nodes[3].do("CLUSTER", "REPLICATE", self._id_of(self.nodes[0]))
            until(lambda: self.nodes[3].follows(self.nodes[0].port), "the replica to follow")
            until(lambda: all(self.is_whole(node) for node in self.nodes), "the cluster to be whole")
        except BaseException:
            self.stop()
            raise

    def _knows(self, node: RedisNode) -> int:
        return int(_fields(node.do("CLUSTER", "INFO"))["cluster_known_nodes"])

    def is_whole(self, node: RedisNode) -> bool:
        """Whether a node calls the cluster whole."""
        return bool(_fields(node.do("CLUSTER", "INFO"))["cluster_state"] == "ok")

    def _id_of(self, node: RedisNode) -> str:
        return _text(node.do("CLUSTER", "MYID"))

    def fail_over(self) -> None:
        """Kill the first master; the others make its replica the new one."""
        self.nodes[0].kill()
        until(self.nodes[3].is_master, "the cluster to promote the replica")
        until(lambda: all(self.is_whole(node) for node in self.nodes[1:]), "the cluster to be whole again")

    def move_slot(self, slot: int, source: RedisNode, target: RedisNode) -> None:
        """Give a slot and its keys to another master, as an administrator does."""
        target.do("CLUSTER", "SETSLOT", slot, "IMPORTING", self._id_of(source))
        source.do("CLUSTER", "SETSLOT", slot, "MIGRATING", self._id_of(target))
        while keys := source.do("CLUSTER", "GETKEYSINSLOT", slot, 100):
            for key in keys:
                source.do("MIGRATE", LOOPBACK, target.port, key, 0, 5_000)
        for node in (target, source, *self.nodes):
            if node.is_master():
                node.do("CLUSTER", "SETSLOT", slot, "NODE", self._id_of(target))

    def stop(self) -> None:
        for node in self.nodes:
            node.stop()


def _ports_with_a_bus(count: int) -> list[int]:
    """Free ports, whose cluster bus, ten thousand above, is free too."""
    found: list[int] = []
    while len(found) < count:
        found += [port for port in free_ports(count) if is_free(port + BUS_PORTS_ABOVE) and port not in found]
    return found[:count]


def _fields(told: Any) -> dict[str, str]:
    """The fields of Redis' lines `name:value`."""
    if isinstance(told, dict):
        return {_text(name): _text(value) for name, value in told.items()}
    return dict(line.split(":", 1) for line in _text(told).splitlines() if ":" in line)


def _text(told: Any) -> str:
    return told.decode() if isinstance(told, bytes) else str(told)


# -- TLS ---------------------------------------------------------------------------------------------------------------
class Certificates:
    """An authority of our own, a certificate for a server and one for a client, and an authority unknown to all."""

    def __init__(self, folder: Path, host: str = "localhost") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.ca = self._authority("ca")
        self.other_ca = self._authority("other-ca")
        self.server = self._signed("server", f"subjectAltName=DNS:{host}")
        self.client = self._signed("client", "subjectAltName=DNS:client")

    @staticmethod
    def possible() -> bool:
        """Whether this machine can make certificates."""
        return shutil.which("openssl") is not None

    def of_server(self, *, ask_client: bool) -> dict[str, str]:
        """Options of a server that speaks TLS only."""
        return {
            "tls-cert-file": str(self.server),
            "tls-key-file": str(self.server.with_suffix(".key")),
            "tls-ca-cert-file": str(self.ca),
            "tls-auth-clients": "yes" if ask_client else "no",
            "tls-replication": "yes",
        }

    def of_client(self) -> dict[str, Any]:
        """Arguments of a redis-py client that may do everything."""
        return {
            "ssl": True,
            "ssl_ca_certs": str(self.ca),
            "ssl_certfile": str(self.client),
            "ssl_keyfile": str(self.client.with_suffix(".key")),
            "ssl_check_hostname": False,
        }

    def _authority(self, name: str) -> Path:
        path = self._folder / f"{name}.pem"
        key = str(path.with_suffix(".key"))
        self._openssl("req", "-x509", "-subj", f"/CN={name}", "-days", "2", "-out", str(path), *_new_key(key))
        return path

    def _signed(self, name: str, extension: str) -> Path:
        path, request = self._folder / f"{name}.pem", str(self._folder / f"{name}.csr")
        self._openssl("req", "-subj", f"/CN={name}", "-out", request, *_new_key(str(path.with_suffix(".key"))))
        extensions = self._folder / f"{name}.ext"
        extensions.write_text(extension)
        by = ["-CA", str(self.ca), "-CAkey", str(self.ca.with_suffix(".key")), "-CAcreateserial"]
        more = ["-days", "2", "-extfile", str(extensions), "-out", str(path)]
        self._openssl("x509", "-req", "-in", request, *by, *more)
        return path

    def _openssl(self, *words: str) -> None:
        command = ["openssl", *words]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, cwd=self._folder, env={**os.environ}
        )
        assert done.returncode == 0, done.stderr


def _new_key(path: str) -> Sequence[str]:
    return ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", path)


def speaks_tls(program: Program, folder: Path) -> bool:
    """Whether a redis-server was built with TLS."""
    log = folder / "tls.log"
    done = subprocess.run(
        [str(program.path), "--port", "0", "--tls-port", "1", "--save", ""],
        capture_output=True,
        text=True,
        check=False,
        env=program.environment(),
        timeout=30,
    )
    log.write_text(done.stdout + done.stderr)
    return "No tls-cert-file" in done.stdout + done.stderr or "Failed to configure TLS" in done.stdout + done.stderr


@contextlib.contextmanager
def running(node: RedisNode) -> Iterator[RedisNode]:
    """A started server, stopped afterwards."""
    node.start()
    try:
        yield node
    finally:
        node.stop()


def named(program: Program) -> str:
    """The server's name: `redis-7.0` or `valkey-8.1`."""
    major, minor = redis_version(program)
    said = subprocess.run(
        [str(program.path), "--version"], capture_output=True, text=True, check=False, env=program.environment()
    )
    return f"{'valkey' if 'alkey' in said.stdout else 'redis'}-{major}.{minor}"
