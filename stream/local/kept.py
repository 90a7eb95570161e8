"""The stack that `snapup stack up` keeps: noted in a state file, ended only by `snapup stack down`.

The state file holds each server's process number and start time, so that `down` ends exactly what `up` started, also
when other programs have the numbers since. The file stays after `down`: the next `up` takes its ports again where they
are free.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from stream import topics
from stream.errors import SnapupError
from stream.local import kafka, redis
from stream.local.ports import LOOPBACK, is_free
from stream.local.process import ProcessId, stop_by_id
from stream.local.settings import make_folder
from stream.local.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stream.local.settings import LocalSettings
    from stream.topics import TimestampType

STATE_VERSION = 1


class KeptServer(msgspec.Struct, frozen=True):
    """One server of the kept stack; the process is its keeper, which leads its group."""

    port: int
    process: ProcessId
    log: str


class KeptStack(msgspec.Struct, frozen=True):
    """The contents of the state file."""

    version: int
    started_at_ms: int
    folder: str
    kafka: KeptServer
    redis: KeptServer

    def environment(self) -> dict[str, str]:
        """The variables that make every command of ours use this stack."""
        return {
            "SNAPUP_BOOTSTRAP_SERVERS": f"{LOOPBACK}:{self.kafka.port}",
            "SNAPUP_REDIS_URL": f"redis://{LOOPBACK}:{self.redis.port}/0",
        }

    def running(self) -> list[str]:
        """Names of the servers whose process lives."""
        return [name for name, server in (("Kafka", self.kafka), ("Redis", self.redis)) if server.process.lives()]


class Health(msgspec.Struct, frozen=True):
    """One server now: whether its process lives, and whether it answers."""

    name: str
    port: int
    pid: int
    lives: bool
    answers: bool
    log: str

    @property
    def healthy(self) -> bool:
        """Whether the process lives and answers."""
        return self.lives and self.answers


def data_dir(settings: LocalSettings) -> Path:
    """The folder of the kept stack's files unless another is given."""
    return settings.state_dir / "stack"


def read_state(settings: LocalSettings) -> KeptStack | None:
    """The stack last kept, running or not; None when there never was one.

    Raises:
        SnapupError: the file is damaged, or of another version.
    """
    path = _state_file(settings)
    try:
        kept = msgspec.json.decode(path.read_bytes(), type=KeptStack)
    except FileNotFoundError:
        return None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SnapupError(
            f"{path} is damaged ({error}): delete it, and end its servers by hand if any still run."
        ) from None
    if kept.version != STATE_VERSION:
        raise SnapupError(f"{path} was written by another version of snapup: end that stack with it first.")
    return kept


def up(
    settings: LocalSettings,
    *,
    kafka_port: int | None = None,
    redis_port: int | None = None,
    folder: Path | None = None,
    prefix: str = topics.DEFAULT_PREFIX,
    partitions: int | None = None,
    timestamp_type: TimestampType | None = None,
) -> KeptStack:
    """A stack that stays, started with its topics.

    Raises:
        SnapupError: one is up already, or it cannot be started; nothing of it runs then.
    """
    with _alone(settings):
        before = read_state(settings)
        if before is not None and (running := before.running()):
            raise SnapupError(
                f"A local stack is up already ({' and '.join(running)} in {before.folder}): use it "
                "(`snapup stack env`), or end it with `snapup stack down`."
            )
        home = (folder or data_dir(settings)).resolve()
        if before is not None and before.folder == str(home):
            kafka_port = kafka_port or _again(before.kafka.port)
            redis_port = redis_port or _again(before.redis.port)
        stack = Stack(home, settings, kafka_port=kafka_port, redis_port=redis_port)
        stack.start()
        try:
            stack.apply_topics(prefix, partitions=partitions, timestamp_type=timestamp_type)
            kept = _noted(stack)
            _write_state(settings, kept)
        except BaseException:
            stack.stop()
            raise
        # Only now: killed before this, we take the servers with us.
        stack.release()
        return kept


def down(settings: LocalSettings, *, wipe: bool = False) -> list[str]:
    """Names of the servers that still ran; ends the kept stack.

    Args:
        settings: the folder of the state file.
        wipe: also delete the stack's data.
    """
    with _alone(settings):
        kept = read_state(settings)
        if kept is None:
            return []
        ended = [
            name
            for name, server in (("Kafka", kept.kafka), ("Redis", kept.redis))
            if stop_by_id(server.process, settings.server_stop_timeout_s)
        ]
        if wipe:
            _wipe(Path(kept.folder))
        return ended


def health(kept: KeptStack) -> list[Health]:
    """The health of both servers, asked now."""
    return [
        Health(
            name=name,
            port=server.port,
            pid=server.process.pid,
            lives=server.process.lives(),
            answers=answers,
            log=server.log,
        )
        for name, server, answers in (
            ("Kafka", kept.kafka, kafka.answers(f"{LOOPBACK}:{kept.kafka.port}")),
            ("Redis", kept.redis, redis.answers(LOOPBACK, kept.redis.port)),
        )
    ]


def _again(port: int) -> int | None:
    return port if is_free(port) else None


def _noted(stack: Stack) -> KeptStack:
    def server(of: kafka.KafkaServer | redis.RedisServer) -> KeptServer:
        if of.process is None:
            raise AssertionError("a stack that has started has its processes")
        return KeptServer(of.port, of.process.id, str(of.log))

    return KeptStack(
        version=STATE_VERSION,
        started_at_ms=time.time_ns() // 1_000_000,
        folder=str(stack.folder),
        kafka=server(stack.kafka),
        redis=server(stack.redis),
    )


def _wipe(folder: Path) -> None:
    """Delete only what a stack makes in its folder: the folder may be the user's own."""
    for name in ("kafka", "redis"):
        shutil.rmtree(folder / name, ignore_errors=True)


def _state_file(settings: LocalSettings) -> Path:
    return settings.state_dir / "stack.json"


def _write_state(settings: LocalSettings, kept: KeptStack) -> None:
    """Write the file whole or not at all."""
    path = _state_file(settings)
    beside = path.with_suffix(".new")
    beside.write_bytes(msgspec.json.format(msgspec.json.encode(kept), indent=2) + b"\n")
    beside.replace(path)


@contextmanager
def _alone(settings: LocalSettings) -> Iterator[None]:
    """One `up` or `down` at a time; a second one raises instead of waiting."""
    make_folder(settings.state_dir, "SNAPUP_STATE_DIR")
    with os.fdopen(os.open(settings.state_dir / "stack.lock", os.O_RDWR | os.O_CREAT, 0o600), "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SnapupError("Another `snapup stack` command is at work: wait for it.") from None
        yield
