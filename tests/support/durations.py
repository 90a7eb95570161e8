"""Seconds of each part of the tests, by file and by folder, saved as JSON, the slowest named at a run's end.

A plugin of pytest, registered by `tests/conftest.py`. With pytest-xdist the controller hears of every test and writes;
its processes do not. Seconds are those of the tests (with their fixtures) added up, so over several processes they come
to more than the run took.
"""

from __future__ import annotations

import json
import os
import platform
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest

OUT = Path("tests") / "out" / "durations.json"
SLOWEST = 5


class Durations:
    """Adds up the durations of tests. `root`: of the checkout; `processes`: number of those that run the tests."""

    def __init__(self, root: Path, processes: int = 1) -> None:
        self._root = root
        self._processes = processes
        self._began = time.time()
        self.files: dict[str, float] = defaultdict(float)
        self.tests: dict[str, float] = defaultdict(float)
        self.outcomes: dict[str, int] = defaultdict(int)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add up a test's set-up, call and tear-down, each by itself."""
        self.files[report.nodeid.partition("::")[0]] += report.duration
        self.tests[report.nodeid] += report.duration
        if report.when == "call" or report.outcome != "passed":
            self.outcomes[report.outcome] += 1

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        """Save the durations; a run without tests leaves the last one's."""
        if not self.files:
            return
        path = self._root / OUT
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.told(int(exitstatus)), indent=1) + "\n", encoding="utf-8")

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Write the slowest parts in one line."""
        if self.files:
            terminalreporter.write_line(self.line())

    def folders(self) -> dict[str, float]:
        """Seconds by folder."""
        found: dict[str, float] = defaultdict(float)
        for file, seconds in self.files.items():
            found[file.rpartition("/")[0] or "."] += seconds
        return found

    def line(self) -> str:
        """The slowest parts in words: folders, then files."""
        total = sum(self.files.values())
        folders, files = (
            ", ".join(f"{name} {seconds:.0f} s" for name, seconds in _slowest(of)[:SLOWEST])
            for of in (self.folders(), self.files)
        )
        return f"{total:.0f} s of tests in {OUT}; folders: {folders}; files: {files}"

    def told(self, exit_status: int) -> dict[str, Any]:
        """All durations, with the run and its machine."""
        return {
            "began": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._began)),
            "wall_s": round(time.time() - self._began, 1),
            "tests_s": round(sum(self.files.values()), 1),
            "exit_status": exit_status,
            "outcomes": dict(sorted(self.outcomes.items())),
            "machine": {
                "cores": os.cpu_count(),
                "processes": self._processes,
                "load_1_min": round(os.getloadavg()[0], 1),
                "python": platform.python_version(),
                "system": f"{platform.system()} {platform.machine()}",
            },
            "folders": _rounded(self.folders()),
            "files": _rounded(self.files),
            "tests": _rounded(dict(_slowest(self.tests)[:100])),
        }


def _slowest(of: dict[str, float]) -> list[tuple[str, float]]:
    return sorted(of.items(), key=lambda item: (-item[1], item[0]))


def _rounded(of: dict[str, float]) -> dict[str, float]:
    """The rounded seconds, the slowest first."""
    return {name: round(seconds, 2) for name, seconds in _slowest(of)}
