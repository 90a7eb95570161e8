# ruff: noqa: SLF001 — requests that aiokafka's clients have no method for
"""What a worker must be allowed to do, asked of the broker before it joins its group.

A broker looks at permissions before anything else, so a request that cannot succeed shows them and changes nothing: the
heartbeat of nobody, a transaction of no producer, a fetch from behind every log.
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

# Where no log reaches: the answer is that it is out of range, or that one may not read.
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
    """One sentence for each permission that a worker needs and has not.

    Args:
        admin: a started admin client.
        where: whose principal is named.
        group: the consumer group.
        transactional_ids: of all partitions, in their order.
        reads: full names of the topics that it reads.
        writes: full names of the topics that it writes.
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
    """Of these topics, those that we may not read."""
    client = admin._client
    topics = [(name, [(0, BEHIND_EVERY_LOG, 1)]) for name in names]
    answer = await client.send(client.get_random_node(), FetchRequest(0, 0, 1, READ_COMMITTED, topics))
    refused = TopicAuthorizationFailedError.errno
    return sorted({name for name, parts in answer.topics for _partition, code, *_more in parts if code == refused})


@contextmanager
def naming_refusals(where: KafkaAt, operation: str) -> Iterator[None]:
    """What fails in here for want of a permission ends the process with its name: trying again would not help.

    Raises:
        FatalError: a permission is missing; every other error goes on as it is.
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
    """Look now and then whether the group has refused this member, for as long as the process runs.

    aiokafka keeps such an error for the next fetch. In a rebalance there is none, so it would last for ever.

    Args:
        group_error: what is kept; None: nothing.
        where: the brokers.
        put_out: what an error other than a missing permission means.

    Raises:
        FatalError: it has.
    """
    while True:
        await asyncio.sleep(LOOK_AT_GROUP_S)
        error = group_error()
        if error is not None:
            with naming_refusals(where, "Read"):
                raise put_out(error) from error
