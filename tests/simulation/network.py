"""Requests to servers: time passes on the way there and on the way back, and anything may happen in between.

Only asyncio's public interface is used, so the twins also run on a real event loop, where the contract suite asks them
what it asks the real servers. A request that was sent arrives even if its sender is dead by then, or fenced off.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from tests.simulation.loop import WORLD_CONTEXT

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

T = TypeVar("T")

LATENCY_MIN_S, LATENCY_MAX_S = 0.0005, 0.008


class Trap(NamedTuple):
    """Sprung once, by the next request that fits.

    Attributes:
        host: of the sender; None: anybody's.
        kind: of the request: "commit", "produce", "init", "fetch" …
        when: "asked": it arrives and is not carried out yet; "answered": it was, and the answer is not sent yet.
        spring: what happens; returns an error to answer with, `LOST` for no answer at all, or None.
    """

    host: str | None
    kind: str
    when: str
    spring: Callable[[], Any]


class _Lost:
    """No answer comes."""


LOST = _Lost()


class Network:
    """Carries requests between hosts and servers."""

    def __init__(self, random: Random, note: Callable[[str], None] = lambda _: None) -> None:
        self._random = random
        self._note = note
        self.traps: list[Trap] = []
        self.away_until_s = 0.0  # no request to Kafka arrives before
        self.slow_hosts: dict[str, tuple[float, float]] = {}  # host → until when, most seconds on top of each way

    def latency_s(self, host: str, now_s: float) -> float:
        """One way."""
        latency_s = LATENCY_MIN_S + self._random.random() ** 3 * (LATENCY_MAX_S - LATENCY_MIN_S)
        slow = self.slow_hosts.get(host)
        if slow is not None and now_s < slow[0]:
            latency_s += self._random.random() * slow[1]
        return latency_s

    async def call(self, host: str, kind: str, carry_out: Callable[[], T]) -> T:
        """Send a request to Kafka; its answer, or the error that it was answered with."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()
        now_s = loop.time()
        arrives_s = max(now_s, self.away_until_s) + self.latency_s(host, now_s)
        loop.call_at(arrives_s, self._arrive, loop, host, kind, carry_out, answer, context=WORLD_CONTEXT)
        return await answer

    def _arrive(
        self,
        loop: asyncio.AbstractEventLoop,
        host: str,
        kind: str,
        carry_out: Callable[[], Any],
        answer: asyncio.Future[Any],
    ) -> None:
        result: Any = None
        error = self._sprung(host, kind, "asked") if self.traps else None
        if error is None:
            try:
                result = carry_out()
            except Exception as failure:  # noqa: BLE001 — the server's answer
                error = failure
            if self.traps and (sprung := self._sprung(host, kind, "answered")) is not None:
                error = sprung
        if kind != "fetch" or error is not None:
            self._note(f"{host} {kind} {type(error).__name__ if error is not None else 'ok'}")
        if error is not LOST:
            delay_s = self.latency_s(host, loop.time())
            loop.call_later(delay_s, _answer, answer, result, error, context=WORLD_CONTEXT)

    def _sprung(self, host: str, kind: str, when: str) -> Any:
        for trap in self.traps:
            if trap.kind == kind and trap.when == when and trap.host in (None, host):
                self.traps.remove(trap)
                return trap.spring()
        return None


def _answer(answer: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if answer.done():
        return
    if error is None:
        answer.set_result(result)
    else:
        answer.set_exception(error)
