"""Distinct counts of a session: exact while small, a mergeable sketch beyond.

The sketch is Apache DataSketches HLL with 2**14 registers (Heule, Nunkesser, Hall 2013; Flajolet et al. 2007): relative
standard error 1.04/sqrt(2**14) = 0.81 %, so 1.65 % at 95 %. Its history-dependent estimator (HIP) would make the figure
depend on the order of arrival; merging the sketch with itself switches to the composite estimator, which depends on the
registers alone.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from stream.contract.overlay import Count

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

LG_K = 14
# Of the people of one product, of which there are many sets in a room: a quarter of the bytes, twice the error.
SMALL_LG_K = 12
# The value of a member before an audience sets one.
NOT_SEEN = -1
ERROR_95 = 0.0165
SMALL_ERROR_95 = 2 * ERROR_95


@cache
def sketches() -> Any:
    """Return the library of sketches. Its import takes a third of a second (numpy), so it is not at the top."""
    return import_module("datasketches")


class Distinct:
    """A growing set of ids, counted exactly up to `exact_max` members, by a sketch of 2**`lg_k` registers beyond.

    Order of arrival does not matter.
    """

    __slots__ = ("_estimate", "changed", "exact_max", "lg_k", "members", "saved", "sketch")

    def __init__(self, exact_max: int, lg_k: int = LG_K) -> None:
        self.exact_max = exact_max
        self.lg_k = lg_k
        # A dictionary for its insertion order: checkpoints write members in blocks that never change once full. Its
        # values are those of the audience that keeps the same people (`Audience.last`).
        self.members: dict[str, int] = {}
        self.sketch: Any = None  # an `hll_sketch`
        self.saved = 0
        self.changed = False
        self._estimate: int | None = None

    def add(self, member: str) -> bool:
        """Add one id. Returns whether it is known to be new (always False once sketched: a sketch cannot tell)."""
        if self.sketch is not None:
            self.sketch.update(member)
            self.changed = True
            self._estimate = None
            return False
        if member in self.members:
            return False
        self.members[member] = NOT_SEEN
        self.grown()
        return True

    def add_all(self, members: Sequence[str]) -> Collection[str]:
        """`add` for each of them. Returns those that are known to be new."""
        if self.sketch is None:
            new = dict.fromkeys([member for member in members if member not in self.members], NOT_SEEN)
            if new:
                self.members.update(new)
                self.grown()
            return new
        for _ in map(self.sketch.update, members):
            pass
        self.changed = True
        self._estimate = None
        return ()

    def grown(self) -> None:
        """Note that members were added: beyond `exact_max` a sketch takes their place."""
        self.changed = True
        if len(self.members) > self.exact_max:
            self._to_sketch()

    def __contains__(self, member: str) -> bool:
        return member in self.members

    def may_contain(self, member: str) -> bool:
        """Return False when this member was certainly never added."""
        return member in self.members or self.sketch is not None

    @property
    def exact(self) -> bool:
        """Whether the count is exact."""
        return self.sketch is None

    def count(self) -> int:
        """Return the number of distinct ids; an estimate once sketched."""
        if self.sketch is None:
            return len(self.members)
        if self._estimate is None:
            union = sketches().hll_union(self.lg_k)
            union.update(self.sketch)
            union.update(self.sketch)
            self._estimate = round(union.get_estimate())
        return self._estimate

    def published(self) -> Count:
        """Return the count with its method and error bound."""
        if self.sketch is None:
            return Count(len(self.members), "exact")
        return Count(self.count(), "sketch", ERROR_95 if self.lg_k == LG_K else SMALL_ERROR_95)

    def restore_members(self, members: Iterable[str]) -> None:
        """Restore a block of saved members."""
        if self.sketch is None:
            self.members.update(dict.fromkeys(members, NOT_SEEN))
            self.saved = len(self.members)

    def restore_sketch(self, encoded: bytes) -> None:
        """Restore a saved sketch; the sketch replaces the members."""
        self.sketch = sketches().hll_sketch.deserialize(encoded)
        self.members = {}
        self.saved = 0
        self._estimate = None

    def encoded_sketch(self) -> bytes:
        """Return the sketch as bytes. Raises ValueError while the count is exact."""
        if self.sketch is None:
            raise ValueError("an exact count has no sketch")
        return bytes(self.sketch.serialize_updatable())

    def _to_sketch(self) -> None:
        sketch = sketches().hll_sketch(self.lg_k, sketches().tgt_hll_type.HLL_8)
        for member in self.members:
            sketch.update(member)
        self.sketch = sketch
        self.members = {}
        self._estimate = None
