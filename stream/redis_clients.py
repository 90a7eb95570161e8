"""Every connection to Redis: made here from one address, whether one server answers there, Sentinels or a cluster.

Nothing here tries again by itself: an error comes within the time-out, and the caller decides when to ask again.
`renew` lets all connections go, so that the next question goes to whatever the name, the Sentinels or the cluster say
by then: after a failover, open connections still lead to the old master. A call that waits on an old connection ends by
itself: redis-py fails in odd ways when a connection is closed under its user.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from typing import TYPE_CHECKING, Any, cast

from hiredis import pack_command
from redis.asyncio import Redis, RedisCluster
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.connection import ConnectionPool, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import MasterNotFoundError, Sentinel
from redis.backoff import NoBackoff
from redis.credentials import CredentialProvider
from redis.exceptions import (
    BusyLoadingError,
    ClusterDownError,
    MovedError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisClusterException,
    RedisError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from stream.redis_address import Mode, RedisAddress, address_of
from stream.redis_words import NO_SENTINEL, sentence_of, words_at

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from stream.redis_address import Login

# The errors of Redis and of the way to it: the network's, the server's, and a time-out.
REDIS_ERRORS = (RedisError, RedisClusterException, OSError, TimeoutError)
# These errors concern the server, not one key: any document that it keeps would meet the same.
_OF_THE_SERVER = (
    *(RedisConnectionError, RedisTimeoutError, OSError, TimeoutError, RedisClusterException, BusyLoadingError),
    *(ReadOnlyError, ClusterDownError, MovedError, TryAgainError, OutOfMemoryError),
)
_CODES_OF_THE_SERVER = ("NOREPLICAS", "MISCONF", "BUSY", "UNKILLABLE", "NOAUTH")
# In Redis 6.2 the error of a command within a script is a part of the script's error.
_WITHIN_A_SCRIPT = ("-READONLY", "-OOM", "-MISCONF", "-NOREPLICAS", "-MASTERDOWN")
_BAD_POLICIES = {
    "volatile-ttl": "drops first what has least time to live, and those are the overlays",
    "volatile-random": "drops any document when memory is short",
    "allkeys-random": "drops any document when memory is short",
    "noeviction": "refuses documents when memory is short",
}
ROLE_EVERY_S = 1.0
# A replica may be where the address is meant to lead. For this long after the change it may be a failover instead.
ROLE_CHANGE_S, ROLE_OF_A_REPLICA_EVERY_S = 60.0, 30.0
MASTER = b"master"

Command = tuple[Any, ...]


def is_of_the_server(error: BaseException) -> bool:
    """Whether an error means that the server takes nothing now, rather than that one key is odd."""
    if isinstance(error, _OF_THE_SERVER):
        return True
    text = str(error)
    return text.startswith(_CODES_OF_THE_SERVER) or any(code in text for code in _WITHIN_A_SCRIPT)


class RedisClient:
    """The connections of this process to one Redis.

    A call that fails raises one of `REDIS_ERRORS` within a bounded time. `generation` rises with each `renew`: a
    subscription made in an earlier generation must be made anew.

    Args:
        address: where, and as whom; may be a bare URL.
        timeout_ms: the bound on one round trip, and on connecting.
        max_connections: to one server; None leaves it open.
        make_redis: stands for `redis.asyncio.Redis` in a simulation; gets the time-outs only.

    Raises:
        SnapupError: the URL is none.
    """

    def __init__(
        self,
        address: RedisAddress | str,
        *,
        timeout_ms: int,
        max_connections: int | None = None,
        make_redis: Callable[..., Any] | None = None,
    ) -> None:
        self.address = address_of(address)
        self._timeout_s = timeout_ms / 1000
        self._sentinel: Sentinel | None = None
        self._max_connections = max_connections
        self._make_redis = make_redis
        self._redis: Any = self._make()
        self.generation = 0
        self._role: bytes | None = None
        self._role_changed_at = self._role_asked_at = float("-inf")

    # -- making --------------------------------------------------------------------------------------------------------

    def _common(self) -> dict[str, Any]:
        return {
            "socket_timeout": self._timeout_s,
            "socket_connect_timeout": self._timeout_s,
            "retry": Retry(NoBackoff(), 0),
        }

    def _make(self) -> Any:
        if self._make_redis is not None:
            return self._make_redis(**self._common())
        address = self.address
        # RESP 2 and no CLIENT SETINFO: so no permission is needed that a reader would not have anyhow.
        options = self._common() | {"protocol": 2, "driver_info": None} | _credentials(address.login)
        if self._max_connections is not None:
            options["max_connections"] = self._max_connections
        tls = self._tls()
        if address.mode is Mode.CLUSTER:
            return RedisCluster(
                startup_nodes=[ClusterNode(host, port) for host, port in address.hosts],
                # The documents of a missing node tell of it; the other nodes go on.
                require_full_coverage=False,
                ssl=address.tls is not None,
                **options,
                **tls,
            )
        options |= {"db": address.db, **tls}
        if address.mode is Mode.SENTINEL:
            if self._sentinel is None:
                at_sentinels = self._common() | {"protocol": 2, "driver_info": None, **tls}
                at_sentinels |= {"ssl": address.tls is not None, **_credentials(address.sentinel_login)}
                self._sentinel = Sentinels(list(address.hosts), sentinel_kwargs=at_sentinels, words=self.words)
            return self._sentinel.master_for(address.service, ssl=address.tls is not None, **options)
        if address.path:
            options |= {"connection_class": UnixDomainSocketConnection, "path": address.path}
        else:
            ((options["host"], options["port"]),) = address.hosts
            if address.tls is not None:
                options["connection_class"] = SSLConnection
        return Redis.from_pool(ConnectionPool(**options))

    def _tls(self) -> dict[str, Any]:
        tls = self.address.tls
        if tls is None:
            return {}
        return {
            "ssl_ca_certs": tls.ca_file or None,
            "ssl_certfile": tls.cert_file or None,
            "ssl_keyfile": tls.key_file or tls.cert_file or None,
            "ssl_cert_reqs": "required",
            "ssl_check_hostname": tls.check_hostname,
        }

    async def _ready(self) -> Any:
        """The client; in a cluster, one that knows which node has which keys."""
        if self.address.mode is Mode.CLUSTER:
            await self._redis.initialize()
        return self._redis

    # -- asking --------------------------------------------------------------------------------------------------------

    async def ping(self) -> None:
        """Ask whether Redis answers; in a cluster, whether every master does."""
        await (await self._ready()).ping()

    async def batch(self, commands: Sequence[Command]) -> list[Any]:
        """The answers to commands sent together, one each, in order, where an error is an answer.

        In a cluster, the second word of a command must be its key, of EVALSHA the first key of the script. Commands to
        different nodes travel at the same time, and a node that is gone fails its own commands only.

        Raises:
            RedisError or OSError: no answer at all.
        """
        if self.address.mode is Mode.CLUSTER:
            return await self._batch_in_cluster(commands)
        if self._make_redis is not None:
            async with self._redis.pipeline(transaction=False) as pipe:
                for command in commands:
                    pipe.execute_command(*command)
                return list(await pipe.execute(raise_on_error=False))
        return await self._batch_at_once(commands)

    async def _batch_at_once(self, commands: Sequence[Command]) -> list[Any]:
        """The same with one write, and one time-out for all answers: a pipeline of redis-py costs four times as much.

        What the pipeline does beside this is no use here: it tries again, decodes, and measures.
        """
        pool = self._redis.connection_pool
        connection = await pool.get_connection()
        try:
            await connection.send_packed_command(b"".join(map(pack_command, commands)), check_health=False)
            answers: list[Any] = []
            async with asyncio.timeout(self._timeout_s):
                for _ in commands:
                    try:
                        answers.append(await connection.read_response(timeout=math.inf))
                    except ResponseError as error:
                        answers.append(error)
        except TimeoutError:  # of asyncio: the connection is closed by then
            raise RedisTimeoutError(f"no answer within {self._timeout_s:g} s") from None
        finally:
            await pool.release(connection)
        return answers

    async def _batch_in_cluster(self, commands: Sequence[Command]) -> list[Any]:
        redis = await self._ready()
        answers: list[Any] = [None] * len(commands)
        of_node: dict[str, tuple[ClusterNode, list[int]]] = {}
        for number, command in enumerate(commands):
            try:
                node = redis.get_node_from_key(command[3] if command[0] == "EVALSHA" else command[1])
            except RedisClusterException as error:  # no node has this key's slot now
                answers[number] = error
                continue
            of_node.setdefault(node.name, (node, []))[1].append(number)
        if not of_node and commands:
            raise cast("RedisClusterException", answers[0])
        results = await asyncio.gather(
            *(_batch_at(redis, node, [commands[number] for number in numbers]) for node, numbers in of_node.values())
        )
        for (_, numbers), found in zip(of_node.values(), results, strict=True):
            for number, answer in zip(numbers, found, strict=True):
                answers[number] = answer
        return answers

    async def ask(self, *command: Any) -> Any:
        """The answer to one command.

        Raises:
            RedisError or OSError: the command failed.
        """
        (answer,) = await self.batch([command])
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def load_script(self, script: bytes | str) -> None:
        """SCRIPT LOAD; in a cluster, on every master."""
        await (await self._ready()).script_load(script)

    async def publish(self, channel: str, message: bytes) -> None:
        """PUBLISH; in a cluster, subscribers at every node hear it."""
        if self.address.mode is Mode.CLUSTER:
            await self.ask("PUBLISH", channel, message)
        else:
            await self._redis.publish(channel, message)

    async def now_ms(self, key: str) -> int:
        """The clock of the server that has this key."""
        redis = await self._ready()
        if self.address.mode is Mode.CLUSTER:
            seconds, micros = await redis.time(target_nodes=redis.get_node_from_key(key))
        else:
            seconds, micros = await redis.time()
        return int(seconds) * 1000 + int(micros) // 1000

    async def scan(self, match: str, count: int) -> AsyncIterator[list[bytes]]:
        """Keys that match, a page at a time; in a cluster, of one master after another."""
        redis = await self._ready()
        if self.address.mode is not Mode.CLUSTER:
            cursor = -1
            while cursor != 0:
                cursor, keys = await redis.scan(max(0, cursor), match=match, count=count)
                yield keys
            return
        for node in redis.get_primaries():
            cursor = -1
            while cursor != 0:
                cursors, keys = await redis.scan(max(0, cursor), match=match, count=count, target_nodes=node)
                cursor = cursors[node.name]
                yield keys

    @contextlib.asynccontextmanager
    async def subscription(self) -> AsyncIterator[Any]:
        """A subscription without a channel yet; in a cluster, at any of the nodes, for all of them pass messages on."""
        redis = await self._ready()
        at: dict[str, Any] = {"node": redis.get_random_node()} if self.address.mode is Mode.CLUSTER else {}
        async with redis.pubsub(ignore_subscribe_messages=True, **at) as subscription:
            yield subscription

    # -- one node of several -------------------------------------------------------------------------------------------

    async def key_of_each_master(self, name: Callable[[int], str]) -> list[str]:
        """A key for each master that can be asked: calls `name` with numbers until all have one."""
        redis = await self._ready()
        if self.address.mode is not Mode.CLUSTER:
            return [name(0)]
        masters = {node.name for node in redis.get_primaries()}
        found: dict[str, str] = {}
        number = 0
        while len(found) < len(masters) and number < 100 * len(masters):
            with contextlib.suppress(RedisClusterException):
                key = name(number)
                found.setdefault(redis.get_node_from_key(key).name, key)
            number += 1
        return list(found.values())

    async def configuration(self) -> dict[str, str]:
        """`maxmemory` and `maxmemory-policy` of the first server asked.

        Raises:
            RedisError: we may not ask, or Redis does not answer.
        """
        redis = await self._ready()
        at = {"target_nodes": redis.get_random_primary_node()} if self.address.mode is Mode.CLUSTER else {}
        found: dict[str, str] = {}
        for name in ("maxmemory", "maxmemory-policy"):  # one by one: 6.2 takes one name only
            found |= await redis.config_get(name, **at)
        return found

    # -- letting go ----------------------------------------------------------------------------------------------------

    async def renew(self) -> None:
        """Let all connections go; the next call asks names, Sentinels and the cluster anew."""
        old, self._redis, self._role = self._redis, self._make(), None
        self.generation += 1
        with contextlib.suppress(*REDIS_ERRORS):
            async with asyncio.timeout(self._timeout_s):  # a peer that is gone does not say goodbye
                if self.address.mode is Mode.CLUSTER:
                    old._initialize = True  # noqa: SLF001 -- it counts as closed then; its own close would be too thorough
                for node in self._nodes(old):
                    node.update_active_connections_for_reconnect()
                    await node.disconnect_free_connections()
                if (pool := getattr(old, "connection_pool", None)) is not None:
                    await pool.update_active_connections_for_reconnect()
                    await pool.disconnect(inuse_connections=False)

    def _nodes(self, redis: Any) -> list[ClusterNode]:
        if self.address.mode is not Mode.CLUSTER:
            return []
        found = [*redis.get_nodes(), *redis.nodes_manager.startup_nodes.values()]
        return list({id(node): node for node in found}.values())

    async def refresh(self) -> None:
        """Ask a cluster anew which node has which keys; connections to healthy nodes stay. Elsewhere a no-op."""
        if self.address.mode is Mode.CLUSTER:
            try:
                await (await self._ready()).nodes_manager.initialize()
            except REDIS_ERRORS:  # no node that it knows is there: ask those of the address
                await self.renew()

    async def check_role(self) -> None:
        """Let a server go that has become a replica: it may never hear of a document again. Asks at most once a second.

        HELLO needs no permission. A cluster need not be asked: a replica sends us on by itself.

        Raises:
            RedisError or OSError: no answer.
        """
        now_s = time.monotonic()
        if self.address.mode is Mode.CLUSTER or now_s - self._role_asked_at < self._role_every_s(now_s):
            return
        self._role_asked_at = now_s
        said = await self._redis.execute_command("HELLO")
        words = [word for pair in said.items() for word in pair] if isinstance(said, dict) else list(said)
        role = words[words.index(b"role") + 1] if b"role" in words else MASTER
        if role == MASTER:
            self._role_changed_at = now_s
        else:
            await self.renew()
        self._role = role

    def _role_every_s(self, now_s: float) -> float:
        if self._role in (None, MASTER) or now_s - self._role_changed_at < ROLE_CHANGE_S:
            return ROLE_EVERY_S
        return ROLE_OF_A_REPLICA_EVERY_S

    async def aclose(self) -> None:
        """Let everything go for good."""
        with contextlib.suppress(*REDIS_ERRORS):
            await self._redis.aclose()
        for node in self._nodes(self._redis):  # a client that must ask anew closes nothing by itself
            with contextlib.suppress(*REDIS_ERRORS):
                await node.disconnect()
        if self._sentinel is not None:
            with contextlib.suppress(*REDIS_ERRORS):
                await self._sentinel.aclose()

    # -- words ---------------------------------------------------------------------------------------------------------

    def words(self, error: BaseException) -> str:
        """The error in the server's or the system's own words, without secrets."""
        return words_at(error, self.address)

    def sentence(self, error: BaseException) -> str:
        """The error as a sentence for people: which Redis, what it refused or that it does not answer, what to do."""
        return sentence_of(error, self.address)


async def _batch_at(redis: RedisCluster, node: ClusterNode, commands: Sequence[Command]) -> list[Any]:
    try:
        async with redis.pipeline() as pipe:
            for command in commands:
                pipe.execute_command(*command, target_nodes=node)
            return list(await pipe.execute(raise_on_error=False))
    except REDIS_ERRORS as error:
        return [error] * len(commands)
    except AttributeError:  # redis-py closes every connection of a cluster that is down, even while others use it
        return [RedisConnectionError("the connection was closed while it was used")] * len(commands)


class Sentinels(Sentinel):
    """Sentinels asked for an address only, with their own words kept when none of them knows."""

    def __init__(
        self, sentinels: Sequence[tuple[str, int]], *, sentinel_kwargs: dict[str, Any], words: Callable[..., str]
    ) -> None:
        super().__init__(sentinels, sentinel_kwargs=sentinel_kwargs)  # type: ignore[no-untyped-call]
        self._words = words

    async def discover_master(self, service_name: str) -> tuple[str, int]:
        """Host and port of the master.

        Raises:
            MasterNotFoundError: no Sentinel says who; holds their words.
        """
        said = []
        for sentinel in list(self.sentinels):
            try:
                found: Any = await cast("Any", sentinel).sentinel_get_master_addr_by_name(service_name)
            except REDIS_ERRORS as error:
                said.append(self._words(error))
                continue
            if found is not None:
                # The Sentinel that knew is asked first the next time.
                self.sentinels.sort(key=lambda each: each is not sentinel)
                host, port = found
                return host.decode() if isinstance(host, bytes) else str(host), int(port)
            said.append(f"a Sentinel knows no {service_name!r}")
        raise MasterNotFoundError(f"{NO_SENTINEL}: {'; '.join(dict.fromkeys(said))}")


class _PasswordFromFile(CredentialProvider):
    """Reads the password again for each connection, so that it can be replaced while we run."""

    def __init__(self, login: Login) -> None:
        self._login = login

    def get_credentials(self) -> tuple[str] | tuple[str, str]:
        """User and password."""
        username, password = self._login.read()
        return (username, password) if username else (password,)

    async def get_credentials_async(self) -> tuple[str] | tuple[str, str]:
        """The same: the file is small and local."""
        return self.get_credentials()


def _credentials(login: Login) -> dict[str, Any]:
    if login.password_file:
        return {"credential_provider": _PasswordFromFile(login)}
    return {"username": login.username or None, "password": login.password or None}


def eviction_advice(configuration: Mapping[str, str]) -> str | None:
    """What is wrong with a server's `maxmemory-policy`, or None; docs/operations.md has the figures of each."""
    policy = configuration.get("maxmemory-policy", "")
    if configuration.get("maxmemory", "0") == "0" or policy not in _BAD_POLICIES:
        return None
    return (
        f"maxmemory-policy {policy} {_BAD_POLICIES[policy]}: set allkeys-lfu on a Redis of our own, volatile-lfu on "
        "one that is shared, and enough maxmemory."
    )
