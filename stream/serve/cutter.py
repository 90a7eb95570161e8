"""Cut documents, made once for each room, subject and parts, and shared by all streams and requests. Bounded."""

from __future__ import annotations

import gzip
from collections import OrderedDict
from typing import TYPE_CHECKING

import msgspec

from stream.contract.ids import is_id
from stream.serve.cut import PARTS, WHOLE, Cut, Pieces, Reduced
from stream.serve.pages import MECHANICS
from stream.serve.problems import Kind, ProblemError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from stream.serve.documents import Document

MAX_ROOMS = 200
MAX_CUTS = 1_000
# Of one document, compressed: less than this is sent as it is.
PACK_MIN_BYTES = 1_000
PACK_LEVEL = 6


class _Held:
    """One document as it was cut and compressed, as far as anybody asked."""

    __slots__ = ("document", "packed", "reduced")

    def __init__(self, document: Document) -> None:
        self.document = document
        self.reduced: Reduced | None = None
        self.packed: bytes | None = None


class Cutter:
    """Makes cut documents. The ones used last are kept, within bounds."""

    def __init__(self) -> None:
        self._pieces: OrderedDict[str, tuple[Document, Pieces]] = OrderedDict()
        self._held: OrderedDict[tuple[str, Cut], _Held] = OrderedDict()

    def __len__(self) -> int:
        """The number of cut documents in memory."""
        return len(self._held)

    def reduced(self, document: Document, cut: Cut) -> Reduced:
        """The document cut to what is asked for."""
        held = self._of(document, cut)
        if held.reduced is None:
            try:
                held.reduced = self._pieces_of(document).reduced(cut)
            except (msgspec.DecodeError, KeyError):
                # Of a worker whose lists are not as we know them: its readers get the document as it is.
                held.reduced = Reduced(document.raw, document.raw, b"null")
        return held.reduced

    def body(self, document: Document, cut: Cut) -> bytes:
        """One line of JSON: the document, whole or cut."""
        return document.raw if cut.is_whole else self.reduced(document, cut).raw

    def packed(self, document: Document, cut: Cut) -> bytes | None:
        """The same as gzip; None if it is too short for that."""
        held = self._of(document, cut)
        if held.packed is None:
            body = self.body(document, cut)
            if len(body) < PACK_MIN_BYTES:
                return None
            held.packed = gzip.compress(body, PACK_LEVEL, mtime=0)
        return held.packed

    def _of(self, document: Document, cut: Cut) -> _Held:
        key = (document.room_id, cut)
        held = self._held.get(key)
        if held is None or held.document is not document:
            held = self._held[key] = _Held(document)
        self._held.move_to_end(key)
        if len(self._held) > MAX_CUTS:
            self._held.popitem(last=False)
        return held

    def _pieces_of(self, document: Document) -> Pieces:
        found = self._pieces.get(document.room_id)
        if found is None or found[0] is not document:
            found = self._pieces[document.room_id] = (document, Pieces(document))
        self._pieces.move_to_end(document.room_id)
        if len(self._pieces) > MAX_ROOMS:
            self._pieces.popitem(last=False)
        return found[1]


def known_parts(mechanics: Path = MECHANICS) -> tuple[str, ...]:
    """The parts that a request may name: sections of every document, and those of the mechanics."""
    return (*PARTS, *sorted(folder.name for folder in mechanics.iterdir() if (folder / "section.js").is_file()))


def cut_of(query: Mapping[str, str], parts: tuple[str, ...]) -> Cut:
    """What a request asks for.

    Args:
        query: the request's parameters.
        parts: the parts that may be named.

    Raises:
        ProblemError: an id is none, or a part is unknown.
    """
    for name in ("sale", "sku"):
        text = query.get(name, "")
        if text and not (text.isascii() and is_id(text)):
            raise ProblemError(Kind.BAD_PARAMETER, f"{name}: the id of a {name}", parameter=name)
    wanted = None
    if "parts" in query:
        named = {part.strip() for part in query["parts"].split(",")} - {""}
        if named - set(parts):
            raise ProblemError(
                Kind.BAD_PARAMETER, f"parts: some of {', '.join(parts)}, separated by commas", parameter="parts"
            )
        wanted = tuple(part for part in parts if part in named)
    return Cut(query.get("sale", ""), query.get("sku", ""), wanted) if query else WHOLE
