"""What a broker refuses, as one sentence for people: who may not do what, or why the door stays shut.

aiokafka says "Unable to bootstrap" alike for a wrong password, an untrusted certificate and a broker that is away:
`unreachable` asks again to learn which it is.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from aiokafka import errors
from aiokafka.conn import collect_hosts, create_conn
from aiokafka.protocol.metadata import MetadataRequest

from stream.errors import SnapupError
from stream.kafka_clients import brokers_of, client_options

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stream.kafka_clients import Brokers, KafkaAt

ASK_TIMEOUT_MS = 5_000
PERMISSIONS = "docs/operations.md#permissions"

AUTHORIZATION_ERRORS = (
    errors.TopicAuthorizationFailedError,
    errors.GroupAuthorizationFailedError,
    errors.TransactionalIdAuthorizationFailed,
    errors.ClusterAuthorizationFailedError,
)


class UnreachableError(SnapupError):
    """Kafka did not answer, or not to the point: nothing follows about its topics."""


def not_permitted(where: KafkaAt | None, operation: str, resource: str) -> str:
    """The sentence for one missing permission: `operation` in Kafka's words, `resource` such as `topic live.likes`."""
    principal = (None if where is None else brokers_of(where).principal()) or "the principal of this process"
    return f"Not permitted: {principal} needs {operation} on {resource}. Grant it, see {PERMISSIONS}."


def refused_permission(error: BaseException, where: KafkaAt | None, operation: str) -> str | None:
    """The sentence for an error of aiokafka's that means a missing permission; None for every other error.

    Args:
        error: as it came; its causes are looked at too.
        where: the cluster whose principal is named.
        operation: the one tried on a topic; for groups and transactional ids the error itself says enough.
    """
    match error:
        case errors.TopicAuthorizationFailedError():
            return not_permitted(where, operation, f"topic {_names(error)}")
        case errors.GroupAuthorizationFailedError():
            return not_permitted(where, "Read", f"group {_names(error)}")
        case errors.TransactionalIdAuthorizationFailed():
            return not_permitted(where, "Write", f"transactional id {_names(error)}")
        case errors.ClusterAuthorizationFailedError():
            if operation == "Write":  # a broker asks this of an idempotent producer before it has written anything
                return not_permitted(where, "Write", "a topic at least, or IdempotentWrite on the cluster")
            return not_permitted(where, operation, "the cluster")
    cause = error.__cause__
    return None if cause is None else refused_permission(cause, where, operation)


def _names(error: BaseException) -> str:
    """What the error names: a name, or a set of names."""
    found: set[str] = set()
    for each in error.args:
        found |= {str(name) for name in each} if isinstance(each, set | frozenset | list | tuple) else {str(each)}
    return ", ".join(sorted(found)) or "(not named)"


async def unreachable(where: KafkaAt, error: BaseException | None) -> UnreachableError:
    """Why no client could start, as a sentence: asks each broker once more."""
    brokers = brokers_of(where)
    with quietly():
        for host, port, _family in collect_hosts(brokers.servers):
            why = await _why(brokers, host, port)
            if why is not None:
                return UnreachableError(f"Kafka at {host}:{port} {why}")
    said = "" if error is None else f" ({error})"
    return UnreachableError(
        f"Kafka does not answer at {brokers}{said}. Start it (`snapup stack up`), or set SNAPUP_BOOTSTRAP_SERVERS."
    )


async def _why(brokers: Brokers, host: str, port: int) -> str | None:
    """Why a broker that listens refuses us; None when it does not listen, or does not refuse."""
    options = client_options(brokers)
    del options["bootstrap_servers"]
    security = brokers.security
    try:
        _reader, writer = await asyncio.wait_for(asyncio.open_connection(host, port), ASK_TIMEOUT_MS / 1000)
        writer.close()
    except (OSError, TimeoutError):
        return None
    connection: Any = None
    try:
        connection = await create_conn(host, port, request_timeout_ms=ASK_TIMEOUT_MS, **options)
        await connection.send(MetadataRequest([]))
    except errors.UnsupportedSaslMechanismError:
        return f"does not know SNAPUP_SASL_MECHANISM={security.mechanism}: ask who runs it which one it knows."
    except errors.SaslAuthenticationFailed:
        return (
            f"does not let {security.username!r} in ({security.mechanism}): SNAPUP_SASL_USERNAME or "
            "SNAPUP_SASL_PASSWORD is wrong."
        )
    except ssl.SSLCertVerificationError as refused:
        return f"shows a certificate that is not to be trusted ({refused.verify_message}). {_of_certificate(refused)}"
    except (errors.KafkaError, OSError, TimeoutError) as refused:
        return _closed(brokers, refused)
    finally:
        if connection is not None:
            connection.close()
    return None


def _of_certificate(refused: ssl.SSLCertVerificationError) -> str:
    if "match" in refused.verify_message.lower():
        return "Ask for the host under the name in its certificate, or set SNAPUP_SSL_CHECK_HOSTNAME=false."
    return "SNAPUP_SSL_CAFILE must hold the authority that signed it."


def _closed(brokers: Brokers, refused: BaseException) -> str:
    security = brokers.security
    said = [str(each) for each in _chain(refused) if isinstance(each, ssl.SSLError)]
    if any("ALERT" in text.upper() for text in said):
        wanted = "asks for a certificate of ours" if security.certfile is None else "does not accept our certificate"
        return f"{wanted} (mutual TLS): set SNAPUP_SSL_CERTFILE and SNAPUP_SSL_KEYFILE to one that it trusts."
    if security.tls:
        return "listens, but does not speak TLS: is the port right, and SNAPUP_SECURITY_PROTOCOL?"
    hint = "or a user name" if not security.sasl else "or has no SASL there"
    return f"listens, but ends the connection: it wants TLS {hint}. Set SNAPUP_SECURITY_PROTOCOL to what it speaks."


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


@contextmanager
def quietly() -> Iterator[None]:
    """Without aiokafka's own lines: the raised error says the same, once."""
    logger = logging.getLogger("aiokafka")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)
