"""What a worker's start does not wait for: after a crash its partitions stand still until it is there again."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest
import structlog

from stream.errors import SnapupError
from stream.kernel.library import LIBRARY_VARIABLE, load
from stream.kernel.packed import Packer
from stream.settings import load_settings
from stream.worker.app import NoTables, build_app, read_by
from tests.support.kernels import kernel

LOOK = """
import sys
from stream.commands.worker import without_rich
without_rich()
import stream.worker.app
print(*sorted({"numpy", "datasketches", "rich", "pygments"} & sys.modules.keys()))
import rich.console
"""


def test_a_worker_starts_without_the_libraries_that_it_may_never_need() -> None:
    done = subprocess.run([sys.executable, "-c", LOOK], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


async def test_nothing_waits_for_tables_that_are_not_there() -> None:
    tables = build_app(load_settings()).tables
    assert isinstance(tables, NoTables)
    await asyncio.wait_for(tables.sleep(3_600), 5)


@pytest.fixture
def replaced(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The packers that consumers were given."""
    given: list[object] = []
    monkeypatch.setattr("stream.worker.app.take_whole_batches", given.append)
    return given


def test_the_first_line_says_which_kernel_reads(replaced: list[object]) -> None:
    kernel()
    with structlog.testing.capture_logs() as logs:
        assert [read_by("auto"), read_by("native"), read_by("python")] == ["native", "native", "python"]
    assert [type(packer) for packer in replaced] == [Packer, Packer, type(None)]
    assert [(line["kernel"], line["kernel_because"]) for line in logs] == [
        ("native", "built"),
        ("native", "chosen"),
        ("python", "chosen"),
    ]


def test_without_a_built_kernel_python_reads_and_the_line_says_why(
    replaced: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(LIBRARY_VARIABLE, "/nowhere.so")
    load.cache_clear()
    with structlog.testing.capture_logs() as logs:
        assert read_by("auto") == "python"
    assert replaced == [None]
    assert "not built: make setup" in logs[0]["kernel_because"]
    with pytest.raises(SnapupError, match="not built"):
        read_by("native")
