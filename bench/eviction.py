"""A full Redis under each memory policy: how often a look finds a live overlay missing.

Another program's keys, of an hour each, keep 12 MB full. Meanwhile 20 busy rooms write a document ten times a second
and 200 quiet rooms every five seconds, as the worker does. Prints a table; with RATE and SECONDS, others.

    python -m bench.eviction [keys a second of the others] [seconds a policy]
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import redis

from stream.local.redis import RedisServer
from stream.local.settings import LocalSettings

POLICIES = (
    "volatile-ttl",
    "volatile-random",
    "volatile-lru",
    "volatile-lfu",
    "allkeys-lru",
    "allkeys-lfu",
    "noeviction",
)
MEGABYTES = 12
BUSY, QUIET = 20, 200
BUSY_S, QUIET_S = 0.1, 5.0
DOCUMENT, OTHERS = b"d" * 3_000, b"o" * 1_000
TTL_MS, VERSION_TTL_MS, OTHERS_TTL_S = 12_000, 86_400_000, 3_600
STEP_S = 0.02


class Run:
    """One policy. `looks`, `missing`: of the documents; `refused`: our writes that Redis did not take."""

    def __init__(self, client: Any, rate: int) -> None:
        self.client = client
        self.rate = rate
        self.looks = self.missing = self.refused = self.writes = 0
        self._filled = 0
        self._random = random.Random(1)

    def fill(self, keys: int) -> None:
        """Write other programs' keys."""
        pipe = self.client.pipeline(transaction=False)
        for _ in range(keys):
            pipe.set(f"other:{self._filled}", OTHERS, ex=OTHERS_TTL_S)
            self._filled += 1
        pipe.execute(raise_on_error=False)

    def write(self, rooms: range) -> None:
        """Write a document and a version for each of these rooms."""
        pipe = self.client.pipeline(transaction=False)
        for room in rooms:
            pipe.set(f"overlay:{room}", DOCUMENT, px=TTL_MS)
            pipe.hset(f"version:{room}", mapping={"e": 1, "r": self._filled})
            pipe.pexpire(f"version:{room}", VERSION_TTL_MS)
        answers = pipe.execute(raise_on_error=False)
        self.writes += len(rooms)
        self.refused += sum(isinstance(answer, redis.RedisError) for answer in answers[::3])

    def look(self) -> None:
        """Look at some busy rooms and some quiet ones."""
        pipe = self.client.pipeline(transaction=False)
        for _ in range(2):
            pipe.exists(f"overlay:{self._random.randrange(BUSY)}")
            pipe.exists(f"overlay:{BUSY + self._random.randrange(QUIET)}")
        answers = pipe.execute()
        self.looks += len(answers)
        self.missing += answers.count(0)

    def run(self, seconds: float) -> None:
        """Fill Redis, then measure."""
        self.write(range(BUSY + QUIET))
        self.fill(2 * MEGABYTES * 1_000)
        begun = time.monotonic()
        busy_at = quiet_at = filled_at = begun
        self.write(range(BUSY + QUIET))
        while (now := time.monotonic()) < begun + seconds:
            self.fill(int(self.rate * (now - filled_at)))
            filled_at = now
            if now >= busy_at:
                busy_at += BUSY_S
                self.write(range(BUSY))
            if now >= quiet_at:
                quiet_at += QUIET_S
                self.write(range(BUSY, BUSY + QUIET))
            self.look()
            time.sleep(STEP_S)


def main() -> None:
    """Measure each policy."""
    rate, seconds = (int(sys.argv[1]) if sys.argv[1:] else 2_000), (float(sys.argv[2]) if sys.argv[2:] else 10.0)
    print(f"{rate} keys a second of others, {seconds:.0f} s a policy")
    for policy in POLICIES:
        with tempfile.TemporaryDirectory() as folder:
            server = RedisServer(Path(folder), LocalSettings())
            server.start()
            try:
                with redis.Redis.from_url(server.url) as client:
                    client.config_set("maxmemory", f"{MEGABYTES}mb")
                    client.config_set("maxmemory-policy", policy)
                    run = Run(client, rate)
                    run.run(seconds)
            finally:
                server.stop()
        print(
            f"{policy:16} missing {100 * run.missing / run.looks:5.1f} % of {run.looks} looks, "
            f"refused {100 * run.refused / run.writes:5.1f} % of {run.writes} writes",
            flush=True,
        )


if __name__ == "__main__":
    main()
