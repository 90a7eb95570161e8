"""URL SPOOL COUNT: sends so many likes, waits until all are delivered, prints its counts. COUNT -1: waits for ever."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

CLIENT = Path(__file__).parents[3] / "docs" / "clients" / "snapup_client.py"
COUNTS = ("sent", "acknowledged", "refused", "dropped", "waiting")
LIKES = 40


def main(url: str, spool: str, count: int) -> None:
    refused: list[str] = []
    client = runpy.run_path(str(CLIENT))["SnapupClient"](
        url, "a-key", spool=spool, batch_max_events=8, linger_s=0.01, timeout_s=1.0, spool_max_bytes=20_000,
        on_refused=lambda event, error: refused.append(f"{event['user_id']} {error['reason']}"),
    )  # fmt: skip
    for number in range(LIKES if count < 0 else count):
        client.send("like", "room-1", user_id=f"u{number}", count=1)
    if count < 0:
        print("spooled", flush=True)  # noqa: T201
        client.flush(600.0)
    is_done = client.close(60.0)
    said = {name: getattr(client, name) for name in COUNTS}
    print(json.dumps(said | {"done": is_done, "refusals": refused}))  # noqa: T201


main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
