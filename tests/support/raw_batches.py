"""Record batches byte by byte, as any client of the world may make them, and a way to have a broker take them.

Format 2 of the record batch, as Kafka's documentation gives it. A proper client cannot write most of what tests need:
counts and lengths that lie, header names that are not UTF-8, damaged compression.
"""

from __future__ import annotations

import gzip
import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, Self

import cramjam
from aiokafka.client import AIOKafkaClient
from aiokafka.codec import lz4_encode
from aiokafka.errors import for_code
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.record.util import calc_crc32c
from aiokafka.structs import TopicPartition

if TYPE_CHECKING:
    from collections.abc import Iterable

CODECS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
LOG_APPEND_TIME, TRANSACTIONAL, CONTROL = 0x08, 0x10, 0x20
# From the attributes to the number of records: the part before the records that the checksum covers.
_HEAD = struct.Struct(">hiqqqhii")
REQUEST_TIMEOUT_MS = 10_000

Headers = Sequence[tuple[bytes, bytes | None]]


def varint(number: int) -> bytes:
    """A signed number as Kafka writes it: zigzag, seven bits a byte, least first."""
    number = number << 1 if number >= 0 else (-number << 1) - 1
    written = bytearray()
    while number > 0x7F:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    written.append(number)
    return bytes(written)


def sized(content: bytes | None) -> bytes:
    """Bytes behind their length; None is a length of −1."""
    return varint(-1) if content is None else varint(len(content)) + content


def record(
    delta: int,
    value: bytes | None,
    key: bytes | None = b"r1",
    headers: Headers = (),
    *,
    time_delta: int = 0,
    attributes: int = 0,
    header_count: int | None = None,
    length: int | None = None,
    tail: bytes = b"",
) -> bytes:
    """One record, `delta` offsets behind the batch's first. `header_count`, `length` and `tail` make it lie."""
    body = bytes([attributes]) + varint(time_delta) + varint(delta) + sized(key) + sized(value)
    body += varint(len(headers) if header_count is None else header_count)
    for name, content in headers:
        body += sized(name) + sized(content)
    body += tail
    return varint(len(body) if length is None else length) + body


def records(values: Iterable[bytes | None], key: bytes | None = b"r1") -> list[bytes]:
    """Good records of these values."""
    return [record(place, value, key) for place, value in enumerate(values)]


def compressed(codec: str, plain: bytes) -> bytes:
    """Bytes as clients of Kafka compress them; snappy raw, as librdkafka does."""
    match codec:
        case "gzip":
            return gzip.compress(plain)
        case "snappy":
            return bytes(cramjam.snappy.compress_raw(plain))
        case "lz4":
            return lz4_encode(plain)  # Kafka takes blocks that do not depend on each other
        case "zstd":
            return bytes(cramjam.zstd.compress(plain))
    return plain


def batch(
    content: Sequence[bytes],
    *,
    first: int = 0,
    codec: str = "none",
    payload: bytes | None = None,
    attributes: int = 0,
    count: int | None = None,
    last_delta: int | None = None,
    first_ms: int = 1_000,
    max_ms: int | None = None,
    producer: tuple[int, int, int] = (-1, -1, -1),
    magic: int = 2,
    damaged: bool = False,
) -> bytes:
    """One batch of records made by `record`.

    Args:
        content: its records.
        first: its first offset; a broker gives its own.
        codec: of the compression.
        payload: written in place of the records, whatever it is.
        attributes: beside the codec.
        count: number of records that it claims.
        last_delta: the last offset less the first, as it claims.
        first_ms: its first timestamp.
        max_ms: its greatest timestamp; None: the first.
        producer: id, epoch and sequence.
        magic: its format.
        damaged: whether its checksum is wrong.
    """
    rest = compressed(codec, b"".join(content)) if payload is None else payload
    said = len(content) if count is None else count
    covered = (
        _HEAD.pack(
            attributes | CODECS[codec],
            max(said - 1, 0) if last_delta is None else last_delta,
            first_ms,
            first_ms if max_ms is None else max_ms,
            *producer,
            said,
        )
        + rest
    )
    crc = calc_crc32c(covered) ^ damaged
    return struct.pack(">qiibI", first, len(covered) + 9, -1, magic, crc) + covered


class Answer(NamedTuple):
    """The broker's answer: the batch's first offset, or the error's name."""

    offset: int
    error: str


class RawSender:
    """Hands a broker batches as they are, one after the other."""

    def __init__(self, bootstrap_servers: str) -> None:
        self._client = AIOKafkaClient(bootstrap_servers=bootstrap_servers)

    async def __aenter__(self) -> Self:
        await self._client.bootstrap()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()

    async def send(self, topic: str, partition: int, raw: bytes) -> Answer:
        """The broker's answer to one batch."""
        where = TopicPartition(topic, partition)
        if self._client.cluster.leader_for_partition(where) is None:
            await self._client.set_topics([topic])
        leader = self._client.cluster.leader_for_partition(where)
        answer = await self._client.send(
            leader, ProduceRequest(None, -1, REQUEST_TIMEOUT_MS, [(topic, [(partition, raw)])])
        )
        (_topic, [(_partition, code, offset, *_more)]), *_others = answer.topics
        return Answer(offset, for_code(code).__name__)
