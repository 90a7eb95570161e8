# ruff: noqa: SLF001 — requests that aiokafka's clients have no method for
"""The permissions that a worker needs, asked of the broker before the worker joins its group.

A broker checks permissions first, so a request that cannot succeed shows them and changes nothing: a heartbeat without
a member, a transaction without a producer, a fetch from behind every log.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from aiokafka.errors import (
    GroupAuthorizationFailedError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.group import HeartbeatRequest
from aiokafka.protocol.transaction import AddPartitionsToTxnRequest

from stream.exits import Exit
from stream.kafka_refusals import not_permitted, refused_permission
from stream.worker.tasks import FatalError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from stream.kafka_clients import KafkaAt

# No log reaches this offset: the answer is "out of range", or that the topic may not be read.
BEHIND_EVERY_LOG = 2**62
READ_COMMITTED = 1
LOOK_AT_GROUP_S = 2.0


async def missing_permissions(
    admin: Any,
    where: KafkaAt,
    *,
    group: str,
    transactional_ids: Sequence[str],
    reads: Sequence[str],
    writes: Sequence[str],
) -> list[str]:
    """One sentence for each permission that a worker needs and does not have.

    Args:
        admin: a started admin client.
        where: the brokers, and the principal that the sentences name.
        group: the consumer group.
        transactional_ids: those of all partitions, in order.
        reads: full names of the topics that the worker reads.
        writes: full names of the topics that the worker writes.
    """
    client = admin._client

    async def ask(request: Any) -> Any:
        return await client.send(client.get_random_node(), request)

    missing: list[str] = []
    answer = await ask(HeartbeatRequest(group, -1, ""))
    if answer.error_code == GroupAuthorizationFailedError.errno:
        missing.append(not_permitted(where, "Read", f"group {group}"))
    missing += [not_permitted(where, "Read", f"topic {name}") for name in await unreadable(admin, reads)]
    for partition, transactional_id in enumerate(transactional_ids):
        topics = [(name, [partition]) for name in writes]
        answer = await ask(AddPartitionsToTxnRequest(transactional_id, -1, -1, topics))
        codes = {name: code for name, parts in answer.errors for _partition, code in parts}
        if TransactionalIdAuthorizationFailed.errno in codes.values():
            missing.append(not_permitted(where, "Write", f"transactional id {transactional_id}"))
            break
        refused = [name for name, code in codes.items() if code == TopicAuthorizationFailedError.errno]
        if refused:
            missing += [not_permitted(where, "Write", f"topic {name}") for name in refused]
            break
    return missing


async def unreadable(admin: Any, names: Sequence[str]) -> list[str]:
    """Those of the topics that we may not read."""
    client = admin._client
    topics = [(name, [(0, BEHIND_EVERY_LOG, 1)]) for name in names]
    answer = await client.send(client.get_random_node(), FetchRequest(0, 0, 1, READ_COMMITTED, topics))
    refused = TopicAuthorizationFailedError.errno
    return sorted({name for name, parts in answer.topics for _partition, code, *_more in parts if code == refused})


@contextmanager
def naming_refusals(where: KafkaAt, operation: str) -> Iterator[None]:
    """Turn an error in here that a missing permission caused into the end of the process: a new try would not help.

    Raises:
        FatalError: a permission is missing; the error names it. Every other error is raised as it is.
    """
    try:
        yield
    except Exception as error:
        refused = refused_permission(error, where, operation)
        if refused is None:
            raise
        raise FatalError(Exit.KAFKA_REFUSES, refused) from error


async def run_watch_group(
    group_error: Callable[[], BaseException | None], where: KafkaAt, put_out: Callable[[BaseException], FatalError]
) -> None:
    """Check now and then whether the group has refused this member, for as long as the process runs.

    aiokafka keeps such an error for the next fetch. A rebalance has no fetch, so it would last for ever.

    Args:
        group_error: gives the error that aiokafka keeps; None: there is none.
        where: the brokers.
        put_out: the error to raise when no permission is missing.

    Raises:
        FatalError: the group has refused this member.
    """
    while True:
        await asyncio.sleep(LOOK_AT_GROUP_S)
        error = group_error()
        if error is not None:
            with naming_refusals(where, "Read"):
                raise put_out(error) from error
