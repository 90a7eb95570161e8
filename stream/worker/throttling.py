"""Quotas: a broker over its quota answers at once and says for how long it will not read from the connection.

aiokafka ignores that. The broker does not read its next request until the time is over, so the request times out and
aiokafka makes a new connection. That evades the quota and loses a transaction that was only slow. Here the next request
waits instead, and the code that measures progress is told for how long.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, Literal

from aiokafka.client import ConnectionGroup

Client = Literal["checkpoint", "consumer", "restore"]
CLIENTS: tuple[Client, ...] = ("checkpoint", "consumer", "restore")
# (which of our clients, seconds): called for each answer that holds us back.
Told = Callable[[Client, float], None]


class Throttle:
    """How long the brokers hold one client back. `until`: monotonic seconds, over all its connections; 0 at first."""

    def __init__(self, kind: Client, told: Told | None = None) -> None:
        self.until = 0.0
        self._kind = kind
        self._told = told
        self._connections: dict[tuple[Any, Any], float] = {}
        self.listener: Callable[[], None] | None = None

    def left_s(self) -> float:
        """Seconds by which an answer of these brokers may still be late."""
        return max(0.0, self.until - time.monotonic())

    def obey(self, client: Any) -> None:
        """Make a client of aiokafka wait as long as a broker asks it to, on each connection."""
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
            # aiokafka asks for metadata on the connection itself, past `send`.
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
