"""What 200 products, the most that a session keeps, do to a room's document and to its event streams.

    python -m bench.products

Sixty products are on sale; eight are bought between two documents. Prints, and writes to bench/out/products.json: the
bytes of a document, plain and as gzip; of each kind of stream the kbit/s at one and at ten documents a second,
compressed as the read server sends it, without HTTP's own bytes; and the CPU ms to cut and compress one document for
that stream, and to write one in the worker. Bytes are the same on every machine. Of the ms the least of a few rounds
counts, with and without products in turn.
"""

from __future__ import annotations

import gzip
import json
import platform
import time
from typing import TYPE_CHECKING, Any

from bench.measuring import OUT
from stream.contract.sight import State
from stream.core.rules import Rules
from stream.serve.cut import WHOLE, Cut, Pieces
from stream.serve.cutter import PACK_LEVEL
from stream.serve.documents import Document, read_document
from stream.serve.events import View, fresh_text, snapshot_text
from stream.serve.frames import NOWHERE, Chain
from stream.settings import PRODUCTS_MAX
from tests.support.events import Log, at, click
from tests.support.sixty import BUYERS_A_STEP, SKUS, documents, with_products

if TYPE_CHECKING:
    from collections.abc import Sequence

COUNT, ROUNDS = 21, 3
# As pages ask: console and wall; an overlay that names no product; one product, and all that is known of one.
STREAMS = {
    "whole": WHOLE,
    "overlay": Cut(parts=("claims", "feed", "card")),
    "overlay of one product": Cut(sku="sku-007", parts=("claims", "feed", "card")),
    "all of one product": Cut(sku="sku-007"),
    "all of one that is not on sale": Cut(sku="sku-150"),
}


def packed_bytes(texts: Sequence[tuple[bytes, bool]]) -> float:
    """Bytes of an event, but for the first, which is sent once. `texts`: (event, whether it is a snapshot)."""
    chain, place, sizes = Chain(), NOWHERE, []
    for text, is_snapshot in texts:
        frame = chain.add(text, is_snapshot=is_snapshot)
        sizes.append(len(frame.packed(place)))
        place = frame.place_after(place)
    return sum(sizes[1:]) / (len(sizes) - 1)


def events_of(made: Sequence[Document], cut: Cut) -> list[tuple[bytes, bool]]:
    """The events of a stream, as its channel makes them."""
    events, content = [], b""
    for document in made:
        view = View(State.LIVE, document.epoch, document.rev)
        if cut.is_whole:
            events.append((snapshot_text(view, document.raw, document.as_of_ms), True))
            continue
        reduced = Pieces(document).reduced(cut)
        if reduced.content == content:
            events.append((fresh_text(view, reduced.fresh, document.as_of_ms), False))
        else:
            events.append((snapshot_text(view, reduced.raw, document.as_of_ms, cut=cut), True))
        content = reduced.content
    return events


def figures(made: Sequence[Document], cut: Cut) -> dict[str, float]:
    """One kind of stream."""
    begun = time.process_time()
    bytes_ = packed_bytes(events_of(made, cut))
    ms = (time.process_time() - begun) / len(made) * 1_000
    return {"kbit_s_at_1": round(bytes_ * 8 / 1_000, 1), "kbit_s_at_10": round(bytes_ * 8 / 100, 1), "ms": round(ms, 2)}


def ms_to_write(products_max: int) -> float:
    """A worker's work at one document of a room in which all products were clicked, and some are clicked again."""
    log = Log(Rules(products_max=products_max))
    for number in range(PRODUCTS_MAX):
        log.add(*(click(f"u{number}-{each}", f"sku-{number:03d}") for each in range(20)))
    spent_s = 0.0
    for step in range(COUNT):
        log.add(
            *(click(f"u{step}", f"sku-{(step * 31 + each * 7) % PRODUCTS_MAX:03d}") for each in range(BUYERS_A_STEP))
        )
        log.tick(step + 1)
        begun = time.process_time()
        log.fold.publish(at(step + 1), 1, everything=True)
        spent_s += time.process_time() - begun
    return round(spent_s / COUNT * 1_000, 3)


def main() -> None:
    """Measure, print, write."""
    sixty = list(documents(COUNT))
    of = {rows: list(map(_read, with_products(sixty, rows) if rows else sixty)) for rows in (0, PRODUCTS_MAX)}
    report: dict[str, Any] = {"on_sale": SKUS, "python": platform.python_version(), "machine": platform.machine()}
    for rows, made in of.items():
        last = made[-1].raw
        report[f"{rows} products"] = {
            "bytes": len(last),
            "gzip_bytes": len(gzip.compress(last, PACK_LEVEL)),
            "streams": {},
        }
    for _ in range(ROUNDS):
        for rows, made in of.items():
            told = report[f"{rows} products"]
            told["write_ms"] = min(told.get("write_ms", 1e9), ms_to_write(rows))
            for name, cut in STREAMS.items():
                found = figures(made, cut)
                found["ms"] = min(found["ms"], told["streams"].get(name, found)["ms"])
                told["streams"][name] = found
    text = json.dumps(report, indent=1)
    print(text)
    OUT.mkdir(exist_ok=True)
    (OUT / "products.json").write_text(text + "\n", "utf-8")


def _read(raw: bytes) -> Document:
    document = read_document("r1", raw)
    if not isinstance(document, Document):
        raise SystemExit(f"no document: {document}")
    return document


if __name__ == "__main__":
    main()
