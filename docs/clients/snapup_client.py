"""Sends events to Snapup's gateway. Copy this file: it needs Python 3.11 alone. docs/clients.md describes it."""

from __future__ import annotations

import http.client
import json
import random
import sqlite3
import threading
import time
import uuid
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable

BACKOFF_S, BACKOFF_MAX_S, RETRY_AFTER_MAX_S = 0.2, 30.0, 300.0
ANSWER_MAX_BYTES = 16 << 20
GOOD = (200, 202, 207)


class SnapupClient:
    """One for the life of the process; all threads may use it. An event with an id is kept until Kafka has it.

    Counts: `sent` = `acknowledged` + `refused` + `lost` + `waiting`, besides what an earlier process left in the spool;
    `dropped` were never taken. `problem` says why the last try failed; None: it did not.
    """

    def __init__(
        self, url: str, key: str = "", *, spool: str = ":memory:", spool_max_bytes: int = 64 << 20,
        batch_max_events: int = 500, batch_max_bytes: int = 512 * 1024, linger_s: float = 0.1, timeout_s: float = 15.0,
        on_refused: Callable[[dict[str, Any], dict[str, Any]], object] = lambda *_: None,
    ) -> None:  # fmt: skip
        """`spool`: a file, of this process alone. `on_refused`: gets each event that breaks the contract, with why."""
        self.sent = self.acknowledged = self.refused = self.dropped = self.lost = 0
        self.problem: str | None = None
        self._at, self._key, self._timeout_s, self._linger_s = urlsplit(url), key, timeout_s, linger_s
        self._max_bytes, self._most, self._batch_max_bytes = spool_max_bytes, batch_max_events, batch_max_bytes
        self._now_most = batch_max_events
        self._on_refused, self._is_kept = on_refused, spool != ":memory:"
        self._spool = sqlite3.connect(spool, isolation_level=None, check_same_thread=False)
        self._spool.execute("PRAGMA journal_mode = WAL")
        self._spool.execute("PRAGMA synchronous = NORMAL")
        self._spool.execute("CREATE TABLE IF NOT EXISTS events (place INTEGER PRIMARY KEY AUTOINCREMENT, event BLOB)")
        row = self._spool.execute("SELECT count(*), coalesce(sum(length(event)), 0) FROM events").fetchone()
        self.waiting, self._bytes = row
        self._changed = threading.Condition()
        self._is_closing = False
        self._connection: http.client.HTTPConnection | None = None
        self._thread = threading.Thread(target=self._run, name="snapup", daemon=True)
        self._thread.start()

    def send(self, type_: str, room_id: str, **fields: Any) -> str | None:
        """Take an event, and return its id; None: the spool is full, it was dropped and counted.

        `event_id` is made here, once, and `event_time_ms` is now, unless they are given. Raises ValueError or TypeError
        for what JSON cannot hold.
        """
        now_ms = time.time_ns() // 1_000_000
        event = {"type": type_, "event_id": uuid.uuid4().hex, "room_id": room_id, "event_time_ms": now_ms, **fields}
        raw = json.dumps(event, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
        with self._changed:
            if self._is_closing or self._bytes + len(raw) > self._max_bytes:
                self.dropped += 1
                return None
            self._spool.execute("INSERT INTO events (event) VALUES (?)", (raw,))
            self.sent, self.waiting, self._bytes = self.sent + 1, self.waiting + 1, self._bytes + len(raw)
            self._changed.notify_all()
        return str(event["event_id"])

    def flush(self, timeout_s: float = 10.0) -> bool:
        """Whether nothing waits any more, within this time."""
        with self._changed:
            return self._changed.wait_for(lambda: not self.waiting, timeout_s)

    def close(self, timeout_s: float = 10.0) -> bool:
        """Whether all was delivered. What was not stays in the spool; without a file it is lost, and counted."""
        is_done = self.flush(timeout_s)
        with self._changed:
            self._is_closing = True
            self._changed.notify_all()
        self._thread.join(self._timeout_s + 1)
        if not self._is_kept:
            self.lost, self.waiting = self.lost + self.waiting, 0
        if not self._thread.is_alive():
            self._spool.close()
        return is_done

    def _run(self) -> None:
        failures = 0
        while not self._is_closing:
            try:
                wait_s = self._deliver()
            except Exception as error:  # noqa: BLE001 -- a full disk, say: it must not end the thread
                self.problem, wait_s = f"{type(error).__name__}: {error}", 0.0
            failures = 0 if wait_s is None else failures + 1
            if wait_s is not None:
                backoff_s = min(BACKOFF_S * 2 ** min(failures, 20), BACKOFF_MAX_S) * random.uniform(0.5, 1)  # noqa: S311
                with self._changed:
                    self._changed.wait_for(lambda: self._is_closing, max(wait_s * random.uniform(1, 1.2), backoff_s))  # noqa: S311

    def _deliver(self) -> float | None:
        """Deliver a batch. None: that is done; else it is tried again, in so many seconds at least."""
        with self._changed:
            self._changed.wait_for(lambda: self.waiting or self._is_closing)
            self._changed.wait_for(lambda: self.waiting >= self._most or self._is_closing, self._linger_s)
            if self._is_closing:
                return None
            rows: list[tuple[int, bytes]] = []
            size = 0
            for place, raw in self._spool.execute("SELECT * FROM events ORDER BY place LIMIT ?", (self._now_most,)):
                size += len(raw)
                if rows and size > self._batch_max_bytes:
                    break
                rows.append((place, raw))
        status, answer, wait_s = self._post(b"[" + b",".join(raw for _, raw in rows) + b"]")
        errors = [each for each in answer.get("errors") or [] if 0 <= each["index"] < len(rows)]
        if status in (400, 413) and not errors:  # one of them, or all together: alone it will show
            self._now_most = max(len(rows) // 2, 1)
            if len(rows) > 1:
                return None
            errors = [{"index": 0, "reason": answer.get("title", str(status))}]
        if status not in GOOD and not errors:
            # Kafka or the gateway is away, or the key or the address is wrong: no fault of the events.
            return wait_s
        self._now_most = min(self._now_most * 2, self._most)
        with self._changed:
            self._spool.executemany("DELETE FROM events WHERE place = ?", [(place,) for place, _ in rows])
            self.waiting, self._bytes = self.waiting - len(rows), self._bytes - sum(len(raw) for _, raw in rows)
            self.refused, self.acknowledged = self.refused + len(errors), self.acknowledged + len(rows) - len(errors)
            self._changed.notify_all()
        for error in errors:
            self._on_refused(json.loads(rows[error["index"]][1]), error)
        return None

    def _post(self, body: bytes) -> tuple[int, dict[str, Any], float]:
        """Status (0: none came), answer, and the seconds of Retry-After."""
        headers = {"Content-Type": "application/json"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        try:
            if self._connection is None:
                kind = http.client.HTTPSConnection if self._at.scheme == "https" else http.client.HTTPConnection
                self._connection = kind(self._at.hostname or "", self._at.port, timeout=self._timeout_s)
            self._connection.request("POST", self._at.path or "/v1/events", body, headers)
            answer = self._connection.getresponse()
            raw, after = answer.read(ANSWER_MAX_BYTES), answer.getheader("Retry-After") or ""
        except (OSError, http.client.HTTPException) as error:
            if self._connection is not None:
                self._connection.close()
            self._connection, self.problem = None, f"{type(error).__name__}: {error}"
            return 0, {}, 0.0
        try:
            said = json.loads(raw)
        except ValueError:
            said = {}
        said = said if isinstance(said, dict) else {}
        is_good = answer.status in GOOD
        self.problem = None if is_good else f"{answer.status} {said.get('title', '')} {said.get('detail', '')}".strip()
        return answer.status, said, min(float(after), RETRY_AFTER_MAX_S) if after.isdigit() else 0.0
