"""What a worker's start does not wait for: after a crash its partitions stand still until it is there again."""

from __future__ import annotations

import asyncio
import subprocess
import sys

from stream.settings import load_settings
from stream.worker.app import NoTables, build_app

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
