"""Both kernels side by side: the same records as Python's objects, and packed for the native one."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest

from stream.core.intake import Intake
from stream.errors import SnapupError
from stream.kernel.library import Kernel, load
from stream.kernel.packed import PackedRecords

if TYPE_CHECKING:
    from collections.abc import Sequence

KERNELS = ("python", "native")


@cache
def kernel() -> Kernel:
    """The native kernel; without one the test is skipped, unless it must be there (SNAPUP_KERNEL=native)."""
    try:
        return load()
    except SnapupError as error:
        if os.environ.get("SNAPUP_KERNEL") == "native":
            raise
        pytest.skip(f"{error.message} THE NATIVE KERNEL IS NOT TESTED.")


def packed(records: Sequence[Any]) -> Sequence[Any]:
    """The records for the native kernel: packed where it would have them packed, else as they are."""
    return PackedRecords.of(kernel(), records) or records


def fold_packed(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on every fold of this test gets its records packed."""
    kernel()
    fold = Intake.fold

    def folding(self: Intake, topic_index: int, records: Sequence[Any], latest_ms: int | None) -> bool:
        return fold(self, topic_index, packed(records), latest_ms)

    monkeypatch.setattr(Intake, "fold", folding)
