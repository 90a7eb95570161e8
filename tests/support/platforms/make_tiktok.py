"""Writes tiktok-python.ndjson: an invented room as PyPI `TikTokLive` 7.0.1 hands it on (`event.to_dict()`).

Run by hand where the library is, in an environment of its own: `pip install TikTokLive==7.0.1`, then
`python make_tiktok.py > tiktok-python.ndjson`. Each message is made, encoded as protobuf and read by the library.
"""

from __future__ import annotations

import importlib
import json
import re
import sys
from pathlib import Path
from typing import Any


def camel(value: Any) -> Any:
    """The value with its names in camel case."""
    if not isinstance(value, dict):
        return value
    return {re.sub("_([a-z0-9])", lambda found: found[1].upper(), name): camel(inner) for name, inner in value.items()}


def encoded(kind: Any, fields: dict[str, Any]) -> bytes:
    """The bytes of a message of an event's protobuf type."""
    message = next(each for each in kind.__mro__ if each.__module__.startswith("TikTokLiveProto"))
    return bytes(message.from_dict(camel(fields)))


def main() -> None:
    """Write each message under each name that the library emits for it."""
    events: Any = importlib.import_module("TikTokLive.events")
    for said in json.loads(Path(__file__).with_name("tiktok.json").read_text("utf-8")):
        payload = encoded(getattr(events, said["python"][0]), said["fields"])
        for name in said["python"]:
            event = getattr(events, name).parse(payload)
            try:
                said_of_it = event.to_dict()
            except NameError as error:  # the library's own fault, of some messages
                sys.stderr.write(f"{name}.to_dict: {error}\n")
                continue
            sys.stdout.write(json.dumps({"kind": name, **said_of_it}, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
