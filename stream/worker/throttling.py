"""Quotas: a broker that is sent too much, or asked for too much, answers at once and says how long it will be deaf.

aiokafka does not look at that. Its next request over the connection is not read until the time is over, so it runs out
of time, and the connection is given up for a new one: the quota is evaded, and a transaction that was only slow is
lost. Here the next request waits instead, and whoever measures progress is told for how long.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, Literal

from aiokafka.client import ConnectionGroup

Client = Literal["checkpoint", "consumer", "restore"]
CLIENTS: tuple[Client, ...] = ("checkpoint", "consumer", "restore")
# (which of our clients, seconds): told of each answer that holds us back.
Told = Callable[[Client, float], None]


class Throttle:
    """What the brokers hold one client back. `until`: monotonic seconds, over all its connections; 0 at first."""

    def __init__(self, kind: Client, told: Told | None = None) -> None:
        self.until = 0.0
        self._kind = kind
        self._told = told
        self._connections: dict[tuple[Any, Any], float] = {}
        self.listener: Callable[[], None] | None = None

    def left_s(self) -> float:
        """For how much longer something may take that these brokers have to answer."""
        return max(0.0, self.until - time.monotonic())

    def obey(self, client: Any) -> None:
        """Let a client of aiokafka's wait for as long as a broker asks it to, connection by connection."""
        send = client.send

        async def sending(node_id: Any, request: Any, *, group: Any = ConnectionGroup.DEFAULT) -> Any:
            connection = (node_id, group)
            left_s = self._connections.get(connection, 0.0) - time.monotonic()
            if left_s > 0:
                await asyncio.sleep(left_s)
            answer = await send(node_id, request, group=group)
            held_ms = getattr(answer, "throttle_time_ms", 0)
            if held_ms:
                self._hold(connection, held_ms / 1000)
            return answer

        update = client._metadata_update  # noqa: SLF001

        async def updating(cluster: Any, topics: Any) -> Any:
            # aiokafka asks for metadata over the connection itself, past `send`.
            held = (until for (_, group), until in self._connections.items() if group is ConnectionGroup.DEFAULT)
            left_s = max(held, default=0.0) - time.monotonic()
            if left_s > 0:
                await asyncio.sleep(left_s)
            return await update(cluster, topics)

        client.send = sending
        client._metadata_update = updating  # noqa: SLF001

    def _hold(self, connection: tuple[Any, Any], held_s: float) -> None:
        until = time.monotonic() + held_s
        self._connections[connection] = until
        self.until = max(self.until, until)
        if self._told is not None:
            self._told(self._kind, held_s)
        if self.listener is not None:
            self.listener()
