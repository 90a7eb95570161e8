"""The local stack: one Kafka, one Redis, and the topics; for demo, tests and bench.

`with local_stack() as stack:` (or `async with`) starts the servers in a temporary folder. It leaves nothing running,
however the block or the process ends: the servers end with this process (see `keeper.py`). `snapup stack up` keeps the
servers instead: see `kept.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Self

import msgspec

from stream import topics
from stream.errors import SnapupError, explain_os_error
from stream.local.kafka import KafkaServer
from stream.local.process import ProcessId
from stream.local.redis import RedisServer
from stream.local.settings import load_local_settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from stream.local.settings import LocalSettings
    from stream.topics import TimestampType, TopicReport

# A temporary folder's name begins with this, and the folder holds an `_OWNER` file that names its process.
_PREFIX = "snapup-"
_OWNER = "owner.json"


class Stack:
    """A Kafka and a Redis that belong together; both answer once the stack has started.

    Args:
        folder: their files; None makes a temporary folder, removed when the stack stops.
        settings: where things are kept, how big they may become, deadlines; None reads the environment.
        kafka_port: None chooses a free port.
        redis_port: None chooses a free port.
        kafka_properties: further broker properties.
    """

    def __init__(
        self,
        folder: Path | None = None,
        settings: LocalSettings | None = None,
        *,
        kafka_port: int | None = None,
        redis_port: int | None = None,
        kafka_properties: Mapping[str, str] | None = None,
    ) -> None:
        self.settings = settings or load_local_settings()
        self._temporary = folder is None
        self.folder = _temporary_folder() if folder is None else folder.absolute()
        self.kafka = KafkaServer(self.folder / "kafka", self.settings, port=kafka_port, properties=kafka_properties)
        self.redis = RedisServer(self.folder / "redis", self.settings, port=redis_port)

    @property
    def bootstrap_servers(self) -> str:
        """Address of Kafka: host:port."""
        return self.kafka.bootstrap_servers

    @property
    def redis_url(self) -> str:
        """Address of Redis, database 0."""
        return self.redis.url

    def environment(self) -> dict[str, str]:
        """The variables that make every command of ours use this stack."""
        return {"SNAPUP_BOOTSTRAP_SERVERS": self.bootstrap_servers, "SNAPUP_REDIS_URL": self.redis_url}

    def start(self) -> Self:
        """Start both servers; when one fails, neither runs afterwards.

        Raises:
            SnapupError: something is missing, in use, full, or too slow; see the servers.
        """
        try:
            self.redis.start()  # the quicker server: what is missing shows at once
            self.kafka.start()
        except OSError as error:
            self.stop()
            raise explain_os_error(error) or error from error
        except BaseException:  # Ctrl-C too
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Stop both servers; removes a temporary folder."""
        try:
            self.redis.stop()
            if self._temporary and self.kafka.process is not None:
                self.kafka.kill()  # its data will not be read again: no need to close them in order
            self.kafka.stop()
        finally:
            if self._temporary:
                shutil.rmtree(self.folder, ignore_errors=True)

    def release(self) -> None:
        """From now on the servers do not end with this process; the caller has noted their ids."""
        for server in (self.kafka, self.redis):
            if server.process is not None:
                server.process.release()

    def apply_topics(
        self,
        prefix: str = topics.DEFAULT_PREFIX,
        *,
        partitions: int | None = None,
        timestamp_type: TimestampType | None = None,
    ) -> list[TopicReport]:
        """Create the declared topics; as `stream.topics.apply`, also from inside a running event loop."""
        specs = topics.declared(prefix, partitions=partitions, timestamp_type=timestamp_type)
        try:
            with ThreadPoolExecutor(1, thread_name_prefix="topics") as pool:
                return pool.submit(asyncio.run, topics.apply(self.bootstrap_servers, specs)).result()
        except SnapupError:
            # A broker that ended meanwhile (a full disk) knows better why than its client does.
            self.kafka.raise_if_ended(within_s=2.0)
            raise

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        return await asyncio.to_thread(self.start)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.stop)


def _temporary_folder() -> Path:
    """A new folder that notes its owner; folders that a killed owner left behind are removed now."""
    for note in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*/{_OWNER}"):
        with contextlib.suppress(OSError, msgspec.DecodeError):  # another user's, or just being written or removed
            if not msgspec.json.decode(note.read_bytes(), type=ProcessId).lives():
                shutil.rmtree(note.parent, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    (folder / _OWNER).write_bytes(msgspec.json.encode(ProcessId.of(os.getpid())))
    return folder


class _StackWithTopics(Stack):
    """As `Stack`, with the declared topics in place once it has started."""

    def start(self) -> Self:
        """Start both servers and create the topics; when one fails, none runs afterwards."""
        super().start()
        try:
            self.apply_topics()
        except BaseException:
            self.stop()
            raise
        return self


def local_stack(
    data_dir: Path | None = None,
    *,
    with_topics: bool = True,
    settings: LocalSettings | None = None,
    kafka_properties: Mapping[str, str] | None = None,
) -> Stack:
    """A stack for a `with` or `async with` block, tied to this process.

    Args:
        data_dir: folder of its files, which stay; None makes a temporary folder that goes with the block.
        with_topics: whether to create the declared topics under the default prefix.
        settings: None reads the environment.
        kafka_properties: further broker properties.
    """
    kind = _StackWithTopics if with_topics else Stack
    return kind(data_dir, settings, kafka_properties=kafka_properties)
