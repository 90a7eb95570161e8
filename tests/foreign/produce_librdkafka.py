"""Writes lines of standard input, `topic TAB key TAB value`, with librdkafka's own defaults.

Arguments: servers, codec, and settings as `name=value`. Says how many were acknowledged.
"""

from __future__ import annotations

import sys
from typing import Any

from confluent_kafka import Producer


def main() -> None:
    """All lines, or exit code 1."""
    servers, codec, *more = sys.argv[1:]
    settings: dict[str, Any] = {"bootstrap.servers": servers, **dict(each.split("=", 1) for each in more)}
    if codec != "default":
        settings["compression.type"] = codec
    producer = Producer(settings)
    done: list[Any] = []

    def note(error: Any, _message: Any) -> None:
        done.append(error)

    for line in sys.stdin:
        topic, key, value = line.rstrip("\n").split("\t", 2)
        producer.produce(topic, value.encode(), key.encode(), on_delivery=note)
        producer.poll(0)
    left = producer.flush(60)
    failed = [error for error in done if error is not None]
    if left or failed:
        sys.exit(f"{left} not acknowledged, {failed[:3]}")
    print(len(done))  # noqa: T201 -- a command's output


if __name__ == "__main__":
    main()
