"""What is said of Redis' errors."""

from __future__ import annotations

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from stream.redis_address import AddressSettings, address_of
from stream.redis_clients import RedisClient


def of(url: str, **settings: str) -> RedisClient:
    return RedisClient(address_of(url, AddressSettings(**settings)), timeout_ms=1_000)


def closed(beneath: Exception) -> RedisConnectionError:
    error = RedisConnectionError("Error while reading from localhost:6379")
    error.__context__ = beneath
    return error


@pytest.mark.parametrize("beneath", [ConnectionResetError(104, "reset"), BrokenPipeError(32, "pipe")])
async def test_a_connection_that_is_closed_for_want_of_a_certificate_says_what_may_be_missing(
    beneath: Exception,
) -> None:
    error = closed(beneath)
    assert "SNAPUP_REDIS_TLS_CERT_FILE names none" in of("rediss://localhost").words(error)
    assert "SNAPUP_REDIS_TLS_CERT_FILE names none" in of("rediss://localhost").sentence(error)
    assert "CERT_FILE" not in of("redis://localhost").words(error)
    assert "CERT_FILE" not in of("rediss://localhost").words(closed(TimeoutError()))
    ours = of("rediss://localhost", cert_file=__file__, key_file=__file__)
    assert "CERT_FILE" not in ours.words(error)
