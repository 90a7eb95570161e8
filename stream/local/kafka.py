"""A real Apache Kafka broker (KRaft) on loopback, from verified jars: alone, or one node of a cluster.

Owns one broker's folder, configuration and process. The data outlive a stop, a kill and a restart; the folder belongs
to the caller. Replicated settings are 1 while the node is alone; see `cluster.py` for several.
"""

from __future__ import annotations

import asyncio
import base64
import shutil
import signal
import subprocess
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from stream.errors import SnapupError
from stream.kafka_clients import client_options
from stream.local.jars import ensure_jars
from stream.local.java import find_java
from stream.local.ports import LOOPBACK, free_ports, is_free, require_free
from stream.local.process import LOOK_S, ServerProcess, last_lines, log_size, wait_until
from stream.topics import kafka_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from stream.kafka_clients import KafkaAt
    from stream.local.settings import LocalSettings

FORMAT_TIMEOUT_S = 60.0
PROBE_TIMEOUT_MS = 2_000
# With ports of our own choosing, another program may take one between our look and the broker's bind.
START_ATTEMPTS = 3
_TELLING = ("ERROR", "FATAL", "Exception", "Error:", "OutOfMemory")
_PORT_TAKEN = ("Address already in use", "Address in use")
_DISK_FULL = "No space left on device"
_DISK_FULL_BYTES = 1024**2

# Small, quick and quiet: one user, one machine.
_PROPERTIES: Mapping[str, str] = {
    "process.roles": "broker,controller",
    "inter.broker.listener.name": "PLAINTEXT",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
    "auto.create.topics.enable": "false",
    "num.network.threads": "2",
    "num.io.threads": "4",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    # Kafka's own floor is 6 s; fault tests need a dead member noticed sooner.
    "group.min.session.timeout.ms": "1000",
    # After a kill the node waits until its former self has timed out; 9 s by default. Not less than this: on a busy
    # machine a merely slow broker would be fenced.
    "broker.session.timeout.ms": "4000",
    "broker.heartbeat.interval.ms": "1000",
    # The default reserves 128 MiB of a heap that is bounded to 1 GiB.
    "log.cleaner.dedupe.buffer.size": "33554432",
}


class Node(NamedTuple):
    """A place in a cluster whose members are known beforehand. `voters`: node id → its controller's port."""

    node_id: int
    cluster_id: str
    voters: Mapping[int, int]


class KafkaServer:
    """One broker and its folder.

    Args:
        folder: its configuration, log and data; created when missing, never removed.
        settings: heap, Java, cache and deadlines.
        port: for clients; None chooses free ports (and keeps them while the folder lives).
        properties: further broker properties, laid over ours.
        node: its place in a cluster; None: the broker is alone.
        listeners: further listeners, name → port; `properties` says what they are.
        scram_users: users that exist from the first start, name → password, for SCRAM-SHA-256 and -512.
    """

    def __init__(
        self,
        folder: Path,
        settings: LocalSettings,
        *,
        port: int | None = None,
        properties: Mapping[str, str] | None = None,
        node: Node | None = None,
        listeners: Mapping[str, int] | None = None,
        scram_users: Mapping[str, str] | None = None,
    ) -> None:
        self.node_id = 1 if node is None else node.node_id
        self._node = node
        self.folder = folder
        self.process: ServerProcess | None = None
        self.port = 0
        self._settings = settings
        self._wanted_port = port
        self._controller_port = 0
        self._properties = dict(properties or {})
        self._listeners = dict(listeners or {})
        self._scram_users = dict(scram_users or {})
        self._out = folder / "kafka.out"
        self._said_before: dict[Path, int] = {}

    @property
    def bootstrap_servers(self) -> str:
        """Address for clients."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def log(self) -> Path:
        """The broker's own log; the Java machine's output is in `kafka.out` beside it."""
        return self.folder / "kafka.log"

    def start(self) -> None:
        """Start the broker and return when it answers.

        Raises:
            SnapupError: no Java, no jars, port in use, disk full, or no answer within the deadline; nothing runs then.
        """
        java = find_java(self._settings.java)
        jars = ensure_jars(self._settings.cache_dir)
        self.folder.mkdir(parents=True, exist_ok=True)
        for attempt in range(1, START_ATTEMPTS + 1):
            self._choose_ports()
            try:
                self._launch(java, jars)
            except _PortTakenError as error:
                if self._wanted_port is not None or attempt == START_ATTEMPTS:
                    raise SnapupError(f"Port {self.port} for Kafka is in use: choose another.") from error
                self.port = 0
            else:
                return

    def stop(self) -> None:
        """End the broker in order; kill it when that takes longer than the deadline."""
        if self.process is not None:
            self.process.stop(self._settings.server_stop_timeout_s)

    def kill(self) -> None:
        """SIGKILL: to clients, a crash of the machine."""
        if self.process is not None:
            self.process.kill()

    def pause(self) -> None:
        """SIGSTOP: the broker hangs, its connections stay open."""
        if self.process is not None:
            self.process.signal(signal.SIGSTOP)

    def resume(self) -> None:
        """End a pause."""
        if self.process is not None:
            self.process.signal(signal.SIGCONT)

    def restart(self) -> None:
        """Stop the broker if it runs, and start it again on the same ports with the same data."""
        self.stop()
        self.start()

    def _choose_ports(self) -> None:
        """Keep the ports that we have; a fixed client port must be free."""
        if self.port and is_free(self.port) and is_free(self._controller_port):
            return
        if self.port:
            raise SnapupError(f"Port {self.port} of the local Kafka was taken by another program: end that one.")
        client, controller = free_ports(2)
        # The other nodes know this one's controller by its port.
        self._controller_port = controller if self._node is None else self._node.voters[self._node.node_id]
        self.port = client if self._wanted_port is None else require_free(self._wanted_port, "Kafka")

    def _launch(self, java: str, jars: Path) -> None:
        configuration = self._configure()
        classpath = f"{jars}/*"
        logging = [
            f"-Dlog4j2.configurationFile={kafka_file('log4j2.properties').as_uri()}",
            f"-Dsnapup.log.dir={self.folder}",
        ]
        if not (self.folder / "data" / "meta.properties").exists():
            self._format([java, "-Xmx256m", "-XX:TieredStopAtLevel=1", *logging, "-cp", classpath], configuration)
        # What earlier starts logged must not be taken for this start's.
        self._said_before = {log: log_size(log) for log in (self._out, self.log)}
        self.process = ServerProcess(
            "Kafka",
            [
                java,
                f"-Xmx{self._settings.kafka_heap_mb}m",
                "-XX:+UseSerialGC",
                "-XX:MaxDirectMemorySize=256m",
                # A broker that cannot get memory must end, not stagger on.
                "-XX:+ExitOnOutOfMemoryError",
                *logging,
                "-cp",
                classpath,
                "kafka.Kafka",
                str(configuration),
            ],
            log=self._out,
            cwd=self.folder,
        )
        try:
            self._wait_until_it_answers(self.process)
        except BaseException:
            self.process.kill()
            raise

    def _configure(self) -> Path:
        ports = {"PLAINTEXT": self.port, "CONTROLLER": self._controller_port, **self._listeners}
        listeners = ",".join(f"{name}://{LOOPBACK}:{port}" for name, port in ports.items())
        properties = {
            **_PROPERTIES,
            **self._quorum(),
            "node.id": str(self.node_id),
            "listeners": listeners,
            "advertised.listeners": listeners,
            "log.dirs": str(self.folder / "data"),
            **self._properties,
        }
        path = self.folder / "server.properties"
        path.write_text("".join(f"{key}={value}\n" for key, value in properties.items()), "utf-8")
        return path

    def _quorum(self) -> dict[str, str]:
        if self._node is None:
            return {"controller.quorum.bootstrap.servers": f"{LOOPBACK}:{self._controller_port}"}
        voters = (f"{node_id}@{LOOPBACK}:{port}" for node_id, port in sorted(self._node.voters.items()))
        return {"controller.quorum.voters": ",".join(voters)}

    def _format(self, java: list[str], configuration: Path) -> None:
        command = [
            *java,
            "kafka.tools.StorageTool",
            "format",
            *(["--standalone"] if self._node is None else []),
            "-t",
            cluster_id() if self._node is None else self._node.cluster_id,
            "-c",
            str(configuration),
        ]
        for name, password in self._scram_users.items():
            for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512"):
                command += ["--add-scram", f"{mechanism}=[name={name},password={password}]"]
        try:
            done = subprocess.run(  # noqa: S603 -- the command is ours
                command, capture_output=True, text=True, timeout=FORMAT_TIMEOUT_S, check=False, cwd=self.folder
            )
        except subprocess.TimeoutExpired:
            raise SnapupError(
                f"Kafka's storage was not formatted within {FORMAT_TIMEOUT_S:.0f} s: is the disk slow?"
            ) from None
        if done.returncode:
            said = (done.stderr or done.stdout).strip().splitlines()
            self._raise_known("\n".join(said))
            raise SnapupError(f"Kafka's storage cannot be formatted: {said[-1] if said else done.returncode}")

    def _wait_until_it_answers(self, process: ServerProcess) -> None:
        deadline = time.monotonic() + self._settings.server_start_timeout_s
        while not answers(self.bootstrap_servers, None if self._node is None else self.node_id):
            if process.exit_code is not None:
                self.raise_if_ended()
            if time.monotonic() > deadline:
                raise SnapupError(
                    f"Kafka did not answer within {self._settings.server_start_timeout_s:.0f} s: see {self.log}; "
                    "on a slow machine, raise SNAPUP_SERVER_START_TIMEOUT_S."
                )
            time.sleep(LOOK_S)

    def raise_if_ended(self, within_s: float = 0.0) -> None:
        """Raise with the most telling lines of the two logs when the broker has ended, or ends within this time."""
        process = self.process
        if process is None or not wait_until(lambda: process.exit_code is not None, within_s):
            return
        logs = [(log, self._said_before.get(log, 0)) for log in (self._out, self.log)]
        self._raise_known("\n".join(line for log, since in logs for line in last_lines(log, 200, since=since)))
        if shutil.disk_usage(self.folder).free < _DISK_FULL_BYTES:  # too full for the broker to log it
            self._raise_known(_DISK_FULL)
        said = " | ".join(line for log, since in logs for line in last_lines(log, 3, wanted=_TELLING, since=since))
        raise SnapupError(f"Kafka ended with code {process.exit_code}: {said} (see {self.log})")

    def _raise_known(self, said: str) -> None:
        if any(words in said for words in _PORT_TAKEN):
            raise _PortTakenError(said)
        if _DISK_FULL in said:
            raise SnapupError(f"The disk is full: Kafka cannot write to {self.folder}. Free some space, or set TMPDIR.")


class _PortTakenError(Exception):
    """Another program listens on a port that we had chosen."""


def cluster_id() -> str:
    """16 random bytes in URL-safe base64 without padding, as Kafka's random-uuid gives; never begins with a dash."""
    while (text := base64.urlsafe_b64encode(uuid.uuid4().bytes).decode("ascii").rstrip("=")).startswith("-"):
        pass
    return text


def answers(bootstrap_servers: KafkaAt, node_id: int | None = None) -> bool:
    """Whether a broker answers a metadata request now, knows its controller, and has this node, or any, in its list."""
    # In a thread of its own, so that a running event loop may call it too.
    with ThreadPoolExecutor(1, thread_name_prefix="kafka-probe") as pool:
        return pool.submit(asyncio.run, _answers(bootstrap_servers, node_id)).result()


async def _answers(bootstrap_servers: KafkaAt, node_id: int | None) -> bool:
    if not await _accepts(str(bootstrap_servers)):  # else the client would log an error for each early look
        return False
    admin: Any = AIOKafkaAdminClient(**client_options(bootstrap_servers), request_timeout_ms=PROBE_TIMEOUT_MS)
    try:
        async with asyncio.timeout(PROBE_TIMEOUT_MS / 1000):
            await admin.start()
            cluster = await admin.describe_cluster()
    except (KafkaError, TimeoutError, OSError):
        return False
    finally:
        await admin.close()
    found = {each["node_id"] for each in cluster["brokers"]}
    return cluster["controller_id"] >= 0 and (bool(found) if node_id is None else node_id in found)


async def _accepts(bootstrap_servers: str) -> bool:
    host, _, port = bootstrap_servers.split(",", maxsplit=1)[0].rpartition(":")
    try:
        async with asyncio.timeout(PROBE_TIMEOUT_MS / 1000):
            _reader, writer = await asyncio.open_connection(host, int(port))
            writer.close()
            await writer.wait_closed()
    except (OSError, TimeoutError, ValueError):
        return False
    return True
