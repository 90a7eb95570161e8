"""One sentence for what Redis says: which Redis, refused or away, and what to do."""

from __future__ import annotations

import pytest
from redis.asyncio.sentinel import MasterNotFoundError
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    NoPermissionError,
    OutOfMemoryError,
    RedisClusterException,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from stream.redis_address import AddressSettings, address_of
from stream.redis_words import sentence_of, words_of

ALONE, TLS = "redis://user:s3cret@host:1", "rediss://host:1"
CLUSTER, SENTINEL = "redis+cluster://a:1,b:2", "redis+sentinel://a:1/shows"
WRONG = "WRONGPASS invalid username-password pair or user is disabled."


def in_cluster(beneath: Exception) -> Exception:
    """As redis-py says that no node of a cluster lets it in."""
    error = RedisClusterException(
        f"Redis Cluster cannot be connected. Please provide at least one reachable node: {beneath}"
    )
    error.__cause__ = beneath
    return error


def no_master(said: str) -> Exception:
    return MasterNotFoundError(f"no Sentinel says who the master is: {said}")


@pytest.mark.parametrize(
    ("url", "error", "begins", "then"),
    [
        (ALONE, AuthenticationError(WRONG), "Redis at host:1 does not let us in (WRONGPASS", "SNAPUP_REDIS_PASSWORD"),
        (ALONE, AuthenticationError("Authentication required."), "Redis at host:1 asks who we are", "Set user"),
        (
            ALONE,
            AuthenticationError("AUTH <password> called without any password"),
            "Redis at host:1 does not",
            "leave",
        ),
        (ALONE, NoPermissionError("NOPERM no permissions to run 'scan'"), "Redis at host:1 refuses what", "Grant it"),
        (ALONE, OutOfMemoryError("command not allowed when used memory > 'maxmemory'."), "Redis at host:1 refuses", ""),
        (ALONE, BusyLoadingError("Redis is loading the dataset in memory"), "Redis at host:1 still reads", "Wait"),
        (ALONE, RedisConnectionError("Error 111 connecting to host:1."), "Redis at host:1 does not answer", "Start it"),
        (ALONE, RedisConnectionError("Connection closed by server."), "Redis at host:1 ends the connection", "rediss"),
        (TLS, RedisTimeoutError("Timeout connecting to server"), "Redis at host:1 does not answer", "speak TLS"),
        (TLS, RedisConnectionError("[SSL: CERTIFICATE_VERIFY_FAILED] ..."), "Redis at host:1 shows", "_TLS_CA_FILE"),
        (TLS, RedisConnectionError("certificate is not valid for 'host'"), "Redis at host:1 shows", "under the name"),
        (CLUSTER, in_cluster(AuthenticationError(WRONG)), "The Redis Cluster at a:1,b:2 does not let us in", "wrong"),
        (
            CLUSTER,
            in_cluster(RedisConnectionError("Error 111")),
            "The Redis Cluster at a:1,b:2 does not answer",
            "Start",
        ),
        (SENTINEL, no_master(WRONG), "Redis 'shows', known to the Sentinels at a:1, cannot", "REDIS_SENTINEL_USERNAME"),
        (SENTINEL, no_master("a Sentinel knows no 'shows'"), "Redis 'shows', known", "must name the service"),
        (SENTINEL, no_master("Error 111"), "Redis 'shows', known", "Start the Sentinels"),
    ],
)
def test_a_refusal_is_not_a_silence(url: str, error: Exception, begins: str, then: str) -> None:
    said = sentence_of(error, address_of(url))
    assert said.startswith(begins), said
    assert then in said, said
    assert ("does not answer" in said) == ("does not answer" in begins)
    assert ".)" not in said
    assert ".." not in said.replace("...", "")


def test_what_a_cluster_says_is_said_once() -> None:
    assert words_of(in_cluster(AuthenticationError(WRONG))) == f"no node lets us in: {WRONG}"


def test_a_sentence_has_no_secrets() -> None:
    address = address_of("redis://host", AddressSettings(password="hunter22"))
    assert "hunter22" not in sentence_of(RedisConnectionError("AUTH hunter22 failed"), address)
