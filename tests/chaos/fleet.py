"""The workers: started, watched, restarted as a supervisor would; and what they say of themselves."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import msgspec

from tests.chaos.timeline import Change, WorkerLog, gaps

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.chaos.timeline import Gap, TakeOver

COMMAND = [sys.executable, "-c", "from stream.cli import main; main()", "worker"]
LOOK_S = 0.05
# A supervisor waits a moment before it restarts a process that ended by itself.
REVIVE_AFTER_S = 1.0
ASK_TIMEOUT_S = 2.0


class MissedError(Exception):
    """A fault did not hit, or the fleet did not recover from it: the run proves nothing and says so."""


class Member:
    """One place in the fleet: a process, and after its end the next one. `static`: whether its group name stays."""

    def __init__(self, name: str, *, static: bool) -> None:
        self.name = name
        self.static = static
        self.process: subprocess.Popen[bytes] | None = None
        self.log: WorkerLog | None = None
        self.ended_at_s: float | None = None
        self.wanted = True

    @property
    def runs(self) -> bool:
        """Whether its process runs."""
        return self.process is not None and self.process.poll() is None

    @property
    def started(self) -> bool:
        """Whether its process has said that it has started."""
        if self.log is None or not self.runs:
            return False
        self.log.read_on()
        return self.log.metrics_url is not None

    @property
    def kind(self) -> str:
        """The word for the report."""
        return "static" if self.static else "dynamic"

    def state(self) -> str:
        """The kernel's letter: R, S, T (stopped), Z; empty when the process is gone."""
        assert self.process is not None
        try:
            return Path(f"/proc/{self.process.pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()[0]
        except OSError:
            return ""


class Fleet:
    """All members; `exits`: codes of processes that ended by themselves."""

    def __init__(self, folder: Path, environment: Mapping[str, str], partitions: int, code: Path | None = None) -> None:
        self.code = code  # of an older version; None: this one's
        self.members: list[Member] = []
        self.exits: list[tuple[str, int]] = []
        self.partitions = partitions
        self._folder = folder
        self._environment = environment
        self._changes: list[Change] = []
        self._logs: list[WorkerLog] = []
        self._started = 0

    # -- life ----------------------------------------------------------------------------------------------------------

    def add(self, name: str, *, static: bool) -> Member:
        """A new member, started."""
        member = Member(name, static=static)
        self.members.append(member)
        self.start(member)
        return member

    def start(self, member: Member) -> None:
        """Start a new process for a member."""
        self._started += 1
        path = self._folder / f"{member.name}-{self._started}.log"
        environment = {**os.environ, **self._environment, "SNAPUP_METRICS_PORT": "0"}
        if member.static:
            environment["SNAPUP_MEMBER_NAME"] = member.name
        if self.code is not None:
            environment["PYTHONPATH"] = str(self.code)
        with path.open("wb") as out:
            # A session of its own, as under a supervisor: Linux shares the processors out by sessions, and all workers
            # together would get what one broker gets.
            member.process = subprocess.Popen(
                COMMAND, cwd=self.code, env=environment, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
            )
        member.log = WorkerLog(path.stem, path)
        member.ended_at_s = None
        member.wanted = True
        self._logs.append(member.log)

    def signal(self, member: Member, number: signal.Signals) -> float:
        """The time of the signal, now sent."""
        assert member.process is not None
        member.process.send_signal(number)
        at_s = time.time()
        if number is signal.SIGSTOP:
            self._stands_still(member, at_s)
        return at_s

    def kill(self, member: Member) -> float:
        """The time of the SIGKILL; waits for the end."""
        assert member.process is not None
        at_s = time.time()
        member.process.kill()
        code = member.process.wait()
        if code != -signal.SIGKILL:
            raise MissedError(f"{member.name} was not ended by the kill: it had ended with {code}")
        self._stands_still(member, at_s)
        return at_s

    async def terminate(self, member: Member, deadline_s: float) -> tuple[float, float]:
        """The time of the SIGTERM, and how long the orderly end took; waits for it."""
        assert member.process is not None
        member.wanted = False
        begun = time.monotonic()
        at_s = self.signal(member, signal.SIGTERM)
        await self.until(lambda: not member.runs, deadline_s, f"the end of {member.name}")
        self._stands_still(member, time.time())
        if member.process.returncode != 0:
            raise MissedError(f"{member.name} ended with {member.process.returncode} after SIGTERM")
        return at_s, time.monotonic() - begun

    def renew(self, member: Member) -> None:
        """A new process for a member, whatever became of the old one."""
        assert member.process is not None
        if member.runs:
            member.process.kill()
            member.process.wait()
            self._stands_still(member, time.time())
        self.start(member)

    def remove(self, member: Member) -> None:
        """Take a member out for good, and end its process."""
        self.members.remove(member)
        if member.runs:
            self.kill(member)

    def _stands_still(self, member: Member, at_s: float) -> None:
        assert member.log is not None
        self._changes.append(Change(at_s, member.log.name, begins=False, partitions=None))

    def revive(self) -> None:
        """Restart members whose processes ended by themselves."""
        for member in self.members:
            if member.runs or member.process is None or not member.wanted:
                continue
            if member.ended_at_s is None:
                member.ended_at_s = time.time()
                self._stands_still(member, member.ended_at_s)
                if member.process.returncode != -signal.SIGKILL:
                    self.exits.append((member.name, member.process.returncode))
            elif time.time() - member.ended_at_s > REVIVE_AFTER_S:
                self.start(member)

    def close(self) -> None:
        """End every process."""
        for member in self.members:
            if member.process is not None and member.runs:
                member.process.send_signal(signal.SIGCONT)
                member.process.kill()
                member.process.wait()

    # -- what it says --------------------------------------------------------------------------------------------------

    def read(self) -> None:
        """Read on in all logs."""
        for log in self._logs:
            log.read_on()

    def gaps(self) -> dict[int, list[Gap]]:
        """The times in which each partition stood still."""
        self.read()
        return gaps([*self._changes, *(change for log in self._logs for change in log.changes)], self.partitions)

    def taken_over(self, since_s: float) -> list[TakeOver]:
        """The take-overs since `since_s`."""
        self.read()
        return [each for log in self._logs for each in log.taken_over if each.at_s >= since_s]

    def said(self, event: str, since_s: float) -> int:
        """How often any worker has logged this event since `since_s`."""
        self.read()
        return sum(log.said(event, since_s) for log in self._logs)

    def partitions_of(self, member: Member) -> set[int]:
        """The partitions that a member folds now, by its log."""
        assert member.log is not None
        member.log.read_on()
        mine: set[int] = set()
        changes = [*member.log.changes, *(change for change in self._changes if change.worker == member.log.name)]
        for change in sorted(changes):
            touched = set(range(self.partitions)) if change.partitions is None else set(change.partitions)
            mine = mine | touched if change.begins else mine - touched
        return mine

    async def ask(self, member: Member, page: str) -> str | None:
        """A page of a member's health server; None when the member does not answer."""
        assert member.log is not None
        member.log.read_on()
        if member.log.metrics_url is None or not member.runs or member.state() == "T":
            return None
        timeout = aiohttp.ClientTimeout(total=ASK_TIMEOUT_S)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as client,
                client.get(member.log.metrics_url + page) as answer,
            ):
                return await answer.text()
        except (aiohttp.ClientError, TimeoutError, OSError):
            return None

    async def readiness(self) -> dict[str, dict[str, Any]]:
        """The readiness of each member that answers."""
        found = {}
        for member in list(self.members):
            if (text := await self.ask(member, "/readyz")) is not None:
                found[member.name] = msgspec.json.decode(text)
        return found

    async def metric(self, name: str, labels: str = "") -> float:
        """The sum of a metric over all members that answer and its labels."""
        total = 0.0
        for member in list(self.members):
            for line in (await self.ask(member, "/metrics") or "").splitlines():
                if line.startswith((f"{name} ", f"{name}{{")) and labels in line:
                    total += float(line.rsplit(" ", 1)[1])
        return total

    # -- waiting -------------------------------------------------------------------------------------------------------

    async def until(self, condition: Callable[[], bool], deadline_s: float, what: str) -> None:
        """Wait until the condition holds; meanwhile restart members that ended by themselves."""
        until = time.monotonic() + deadline_s
        while not condition():
            if time.monotonic() > until:
                raise MissedError(f"waited {deadline_s:.0f} s in vain for {what}")
            self.revive()
            await asyncio.sleep(LOOK_S)

    async def until_whole(self, deadline_s: float, *, redis: bool = True) -> None:
        """Wait until every member is there and ready, and exactly one member folds each partition."""
        until = time.monotonic() + deadline_s
        while (missing := await self._missing(redis=redis)) is not None:
            if time.monotonic() > until:
                raise MissedError(f"the fleet was not whole after {deadline_s:.0f} s: {missing}")
            self.revive()
            await asyncio.sleep(LOOK_S)

    async def _missing(self, *, redis: bool) -> str | None:
        said = await self.readiness()
        absent = [member.name for member in self.members if member.name not in said]
        if absent:
            return f"{', '.join(absent)} do not answer"
        for name, body in said.items():
            left = [what for what in body["missing"] if redis or "Redis" not in what]
            if left:
                return f"{name}: {', '.join(left)}"
        owned = sorted(number for body in said.values() for number in body["assigned"])
        return None if owned == list(range(self.partitions)) else f"partitions assigned: {owned}"
