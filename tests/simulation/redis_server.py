"""Redis, as the worker uses it: strings and hashes that run out, two scripts, pipelines; and its moods.

Scripts are not interpreted: each is known by its digest and carried out by a function below, and the contract
suite compares that one with the real server's interpreter.
"""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING, Any, Self

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, OutOfMemoryError, RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from stream.worker.overlay_store import HISTORY_SCRIPT_SHA, SCRIPT
from tests.simulation.loop import WORLD_CONTEXT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random

LATENCY_MIN_S, LATENCY_MAX_S = 0.0002, 0.003


class RedisServer:
    """The data and the mood of one server.

    Attributes:
        refuses_until_s: connections are refused.
        slow_until_s: each way takes up to `slow_most_s` more; what is late is carried out all the same.
        full_until_s: writes are refused, reads answered.
        when_written: told of every document that was accepted: key, (epoch, rev), document, positions.
    """

    def __init__(self, random: Random, now_s: Callable[[], float]) -> None:
        self._random = random
        self.now_s = now_s
        self.strings: dict[str, tuple[bytes, float]] = {}
        self.hashes: dict[str, tuple[dict[bytes, bytes], float]] = {}
        self.scripts: set[str] = set()
        self.refuses_until_s = self.slow_until_s = self.full_until_s = -1.0
        self.slow_most_s = 0.0
        self.wipes = 0
        self.when_written: list[Callable[[str, tuple[int, int], bytes, str], None]] = []

    def latency_s(self) -> float:
        """One way."""
        latency_s = LATENCY_MIN_S + self._random.random() ** 3 * (LATENCY_MAX_S - LATENCY_MIN_S)
        if self.now_s() < self.slow_until_s:
            latency_s += self._random.random() * self.slow_most_s
        return latency_s

    def flush_all(self) -> None:
        """FLUSHALL."""
        self.strings.clear()
        self.hashes.clear()
        self.wipes += 1

    def carry_out(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        """One answer each; errors are answers."""
        answers: list[Any] = []
        for name, *args in commands:
            try:
                answers.append(getattr(self, f"_{name}")(*args))
            except RedisError as error:
                answers.append(error)
        return answers

    def _ping(self) -> bool:
        return True

    def _config_get(self, name: str) -> dict[str, str]:
        return {name: {"maxmemory": "0", "maxmemory-policy": "noeviction"}[name]}

    def _script_load(self, script: bytes) -> str:
        sha = hashlib.sha1(script, usedforsecurity=False).hexdigest()
        self.scripts.add(sha)
        return sha

    def _script_flush(self) -> bool:
        self.scripts.clear()
        return True

    def _flushall(self) -> bool:
        self.flush_all()
        return True

    def _get(self, key: str) -> bytes | None:
        held = self.strings.get(key)
        return held[0] if held is not None and held[1] > self.now_s() else None

    def _delete(self, key: str) -> int:
        return int(self.strings.pop(key, None) is not None)

    def _hgetall(self, key: str) -> dict[bytes, bytes]:
        held = self.hashes.get(key)
        return dict(held[0]) if held is not None and held[1] > self.now_s() else {}

    def _exists(self, key: str) -> int:
        return int(bool(self._get(key) is not None or self._hgetall(key)))

    def _pttl(self, key: str) -> int:
        held = self.strings.get(key) or self.hashes.get(key)
        return -2 if held is None or held[1] <= self.now_s() else round((held[1] - self.now_s()) * 1000)

    def _evalsha(self, sha: str, keys: int, key: str, version_key: str, *args: Any) -> int:
        if sha not in self.scripts:
            raise NoScriptError("No matching script.")
        if self.now_s() < self.full_until_s:
            raise OutOfMemoryError("command not allowed when used memory > 'maxmemory'.")
        if sha == HISTORY_SCRIPT_SHA:
            closed, (epoch, ttl_ms, *values) = args[: keys - 2], args[keys - 2 :]
            return self.keep_history((key, *closed), version_key, epoch, ttl_ms, values)
        epoch, rev, document, ttl_ms, version_ttl_ms, _channel, positions = args
        return self.publish(key, version_key, (epoch, rev), document, ttl_ms, version_ttl_ms, positions)

    def keep_history(
        self, keys: tuple[str, ...], version_key: str, epoch: int, ttl_ms: int, values: Sequence[bytes]
    ) -> int:
        """What the script of histories does."""
        held = self._hgetall(version_key)
        if held and int(held[b"e"]) > epoch:
            return 0
        kept = zip(keys, values, strict=False)
        self.strings |= {key: (value, self.now_s() + ttl_ms / 1000) for key, value in kept}
        for key in keys[len(values) :]:
            self.strings.pop(key, None)
        return 1

    def publish(
        self,
        key: str,
        version_key: str,
        version: tuple[int, int],
        document: bytes,
        ttl_ms: int,
        version_ttl_ms: int,
        positions: str,
    ) -> int:
        """What the script does."""
        epoch, rev = version
        held = self._hgetall(version_key)
        if held and not self.is_newer((epoch, rev), (int(held[b"e"]), int(held[b"r"]))):
            return 0 if int(held[b"e"]) > epoch else 3
        now_s = self.now_s()
        self.strings[key] = (document, now_s + ttl_ms / 1000)
        self.hashes[version_key] = (
            {b"e": b"%d" % epoch, b"r": b"%d" % rev, b"p": positions.encode()},
            now_s + version_ttl_ms / 1000,
        )
        for told in self.when_written if "{room:" in key else ():  # the worker's trials are no documents
            told(key, (epoch, rev), document, positions)
        return 1 if held else 2

    def is_newer(self, version: tuple[int, int], held: tuple[int, int]) -> bool:
        """The comparison of the script."""
        return version > held


SCRIPT_SHA = hashlib.sha1(SCRIPT, usedforsecurity=False).hexdigest()


class RedisTwin:
    """Stands for redis.asyncio.Redis. `socket_timeout`: seconds to wait for an answer."""

    def __init__(self, server: RedisServer, *, socket_timeout: float, **_more: Any) -> None:
        self._server = server
        self._timeout_s = socket_timeout

    async def send(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        """One round trip.

        Raises:
            RedisConnectionError: connections are refused.
            RedisTimeoutError: no answer in time; the commands may have been carried out, or may be later.
        """
        loop = asyncio.get_running_loop()
        server = self._server
        answers: asyncio.Future[list[Any]] = loop.create_future()
        refused = loop.time() < server.refuses_until_s
        loop.call_later(server.latency_s(), _arrive, loop, server, commands, answers, refused, context=WORLD_CONTEXT)
        timeout = loop.call_later(self._timeout_s, _fail, answers, RedisTimeoutError("Timeout reading from socket"))
        try:
            return await answers
        finally:
            timeout.cancel()

    async def _one(self, *command: Any) -> Any:
        (answer,) = await self.send([command])
        if isinstance(answer, RedisError):
            raise answer
        return answer

    async def ping(self) -> Any:
        """PING."""
        return await self._one("ping")

    async def script_load(self, script: bytes) -> Any:
        """SCRIPT LOAD."""
        return await self._one("script_load", script)

    async def script_flush(self) -> Any:
        """SCRIPT FLUSH."""
        return await self._one("script_flush")

    async def flushall(self) -> Any:
        """FLUSHALL."""
        return await self._one("flushall")

    async def get(self, key: str) -> Any:
        """GET."""
        return await self._one("get", key)

    async def hgetall(self, key: str) -> Any:
        """HGETALL."""
        return await self._one("hgetall", key)

    async def pttl(self, key: str) -> Any:
        """PTTL."""
        return await self._one("pttl", key)

    async def delete(self, key: str) -> Any:
        """DEL."""
        return await self._one("delete", key)

    async def config_get(self, name: str) -> Any:
        """CONFIG GET."""
        return await self._one("config_get", name)

    async def aclose(self) -> None:
        """Close."""

    def pipeline(self, *, transaction: bool) -> Pipeline:
        """Commands that travel together."""
        assert not transaction
        return Pipeline(self)


class Pipeline:
    """Stands for redis-py's pipeline without a transaction."""

    def __init__(self, redis: RedisTwin) -> None:
        self._redis = redis
        self._commands: list[tuple[Any, ...]] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._commands = []

    def execute_command(self, name: str, *args: Any) -> None:
        """Any of the server's."""
        self._commands.append((name.lower(), *args))

    async def execute(self, raise_on_error: bool = True) -> list[Any]:  # noqa: FBT001, FBT002 — redis-py's
        """Send all."""
        answers = await self._redis.send(self._commands)
        if raise_on_error:
            for answer in answers:
                if isinstance(answer, RedisError):
                    raise answer
        return answers


def _arrive(
    loop: asyncio.AbstractEventLoop,
    server: RedisServer,
    commands: Sequence[tuple[Any, ...]],
    answers: asyncio.Future[list[Any]],
    refused: bool,  # noqa: FBT001
) -> None:
    if refused or server.now_s() < server.refuses_until_s:
        loop.call_later(
            server.latency_s(), _fail, answers, RedisConnectionError("Connection refused"), context=WORLD_CONTEXT
        )
        return
    result = server.carry_out(commands)
    loop.call_later(server.latency_s(), _succeed, answers, result, context=WORLD_CONTEXT)


def _succeed(answers: asyncio.Future[list[Any]], result: list[Any]) -> None:
    if not answers.done():
        answers.set_result(result)


def _fail(answers: asyncio.Future[list[Any]], error: Exception) -> None:
    if not answers.done():
        answers.set_exception(error)
