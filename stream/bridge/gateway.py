"""Records of a bridge → the HTTP gateway (`snapup ingest`): no Kafka needed where the bridge runs.

A body that was not answered, or that the gateway asks for again, is sent again as it was: an event counts once by its
id. Each event ends as acknowledged or as refused, with the gateway's own reason.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import msgspec
from msgspec import Struct

from stream.errors import SnapupError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from stream.bridge.delivery import Delivered, Delivery
    from stream.contract.recording import RecordedRecord

PATH = "/v1/events"
# The gateway takes more; batches of about 100 are a good size, and 900 KB stay below its 1 MiB.
MAX_EVENTS = 100
MAX_BYTES = 900_000
# How long one body is tried; then the bridge ends, and what its source says meanwhile is lost to it.
PATIENCE_S = 300.0
ANSWER_S = 30.0
FIRST_WAIT_S = 0.2
MOST_WAIT_S = 10.0
_AGAIN = (408, 429, 500, 502, 503, 504)
_JUDGED = (202, 207, 403, 422)


class _Error(Struct):
    index: int = -1
    reason: str = ""
    detail: str = ""
    pointer: str | None = None


class _Answer(Struct):
    accepted: int = 0
    errors: list[_Error] | None = None
    detail: str = ""
    title: str = ""


_answer_of = msgspec.json.Decoder(_Answer).decode


class _ToGateway:
    def __init__(self, client: aiohttp.ClientSession, url: str, told: Delivered) -> None:
        self._client = client
        self._url = url
        self._told = told

    async def send(self, records: Sequence[RecordedRecord]) -> None:
        self._told.sent += len(records)
        for batch in _batches(records):
            await self._send(batch)

    async def settle(self) -> None:
        return  # `send` returns with the answers

    async def _send(self, batch: Sequence[RecordedRecord]) -> None:
        """Send one body until it is answered for good. Raises SnapupError where it never is."""
        body = b"".join((record.value or b"") + b"\n" for record in batch)
        loop = asyncio.get_running_loop()
        until, wait_s = loop.time() + PATIENCE_S, FIRST_WAIT_S
        while True:
            status, said, asked_s = await self._post(body)
            if status in _JUDGED:
                self._judge(batch, status, said)
                return
            if status not in (0, *_AGAIN):
                raise SnapupError(self._ended(f"answered {status}: {said.detail or said.title}"))
            pause_s = max(wait_s, asked_s)
            if loop.time() + pause_s > until:
                raise SnapupError(self._ended(f"took nothing for {PATIENCE_S:.0f} s ({said.detail or status})"))
            await asyncio.sleep(pause_s)
            wait_s = min(2 * wait_s, MOST_WAIT_S)

    async def _post(self, body: bytes) -> tuple[int, _Answer, float]:
        """Status (0: no answer), what it says, and how many seconds it asks to wait."""
        headers = {"Content-Type": "application/x-ndjson"}
        try:
            async with self._client.post(self._url, data=body, headers=headers) as answer:
                after = answer.headers.get("Retry-After", "")
                asked_s = float(after) if after.isascii() and after.isdecimal() else 0.0
                return answer.status, _read(await answer.read()), min(asked_s, PATIENCE_S)
        except (aiohttp.ClientError, TimeoutError) as error:
            return 0, _Answer(detail=str(error) or type(error).__name__), 0.0

    def _judge(self, batch: Sequence[RecordedRecord], status: int, said: _Answer) -> None:
        told, errors = self._told, [error for error in said.errors or [] if 0 <= error.index < len(batch)]
        refused = {error.index: error for error in errors}
        if status in (403, 422) and len(refused) < len(batch):  # it names no event: it means them all
            whole = _Error(reason=str(status), detail=said.detail or said.title)
            refused = {index: refused.get(index, whole) for index in range(len(batch))}
        told.acknowledged += len(batch) - len(refused)
        for index, error in refused.items():
            value = (batch[index].value or b"")[:120].decode(errors="replace")
            told.note_refused(value, f"the gateway refused it: {error.reason} {error.pointer or ''} {error.detail}")

    def _ended(self, why: str) -> str:
        told = self._told
        return (
            f"The gateway at {self._url} {why}. {told.acknowledged} of {told.sent} events were acknowledged until then."
        )


def _batches(records: Sequence[RecordedRecord]) -> Iterator[list[RecordedRecord]]:
    batch: list[RecordedRecord] = []
    size = 0
    for record in records:
        more = len(record.value or b"") + 1
        if batch and (len(batch) == MAX_EVENTS or size + more > MAX_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(record)
        size += more
    if batch:
        yield batch


def _read(body: bytes) -> _Answer:
    try:
        return _answer_of(body)
    except (ValueError, RecursionError):
        return _Answer(detail=body[:200].decode(errors="replace"))


@asynccontextmanager
async def to_gateway(address: str, key: str | None, told: Delivered) -> AsyncIterator[Delivery]:
    """The gateway at `http://host:port`; `key`: of `snapup ingest-key`; None: it asks for none."""
    headers: dict[str, Any] = {"Authorization": f"Bearer {key}"} if key else {}
    timeout = aiohttp.ClientTimeout(total=ANSWER_S)
    async with aiohttp.ClientSession(headers=headers, timeout=timeout) as client:
        yield _ToGateway(client, address.rstrip("/").removesuffix(PATH) + PATH, told)
