"""Schemathesis asks the gateway what its own OpenAPI document promises, before a real Kafka.

It lives in an environment of its own: as a plugin of pytest it would be in every test.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from stream.ingest.keys import entry_of, new_key
from tests.integration.test_ingest import PARTITIONS, stored
from tests.support.environments import NoEnvironmentError, environment
from tests.support.ingest import eventually, ingesting

if TYPE_CHECKING:
    from stream.local.stack import Stack
    from tests.conftest import ApplyTopics

pytestmark = pytest.mark.integration

HERE = Path(__file__).parent
ENVIRONMENTS = HERE.parent / "out" / "openapi"
# `make fuzz-ingest` says how long; without it some cases, in a few seconds.
SECONDS = os.environ.get("INGEST_FUZZ_S")
EFFORT = ["--max-time", SECONDS] if SECONDS else ["--phases", "fuzzing", "--max-examples", "50", "--seed", "1"]


@pytest.fixture(scope="module")
def schemathesis() -> Path:
    """The command."""
    try:
        return environment(HERE / "requirements.txt", ENVIRONMENTS).parent / "schemathesis"
    except NoEnvironmentError as error:
        pytest.skip(f"Schemathesis is MISSING, the gateway was NOT asked what its OpenAPI document promises: {error}")


@pytest.mark.timeout(900)
async def test_the_gateway_answers_as_its_openapi_document_says(
    stack: Stack, topic_prefix: str, apply_topics: ApplyTopics, schemathesis: Path, tmp_path: Path
) -> None:
    await apply_topics(PARTITIONS)
    key, keys = new_key(), tmp_path / "keys.toml"
    keys.write_text(entry_of(key, "schemathesis", ["*"], ["*"], None))
    async with ingesting(
        bootstrap_servers=stack.bootstrap_servers, topic_prefix=topic_prefix, ingest_keys_file=keys
    ) as sender:
        metrics = sender.gateway.metrics
        await eventually(lambda: not sender.gateway.publisher.is_away(), "Kafka is reached")
        command: list[str | Path] = [
            schemathesis,
            "--config-file",
            HERE / "schemathesis.toml",
            "run",
            f"{sender.top}/v1/openapi.json",
        ]
        flags = ["--url", sender.top, "--generation-database", "none", "--no-color", *EFFORT]
        with capture_logs() as lines:
            asking = await asyncio.create_subprocess_exec(
                *command,
                *flags,
                *("--header", f"Authorization: Bearer {key}"),
                cwd=tmp_path,
                env={**os.environ, "SCHEMATHESIS_HOOKS": "tests.openapi.hooks", "PYTHONPATH": str(HERE.parents[1])},
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
            said, _ = await asking.communicate()
        assert asking.returncode == 0, said.decode()
        assert not [line for line in lines if line["log_level"] in ("error", "critical")]
        samples = [sample for family in metrics.requests.collect() for sample in family.samples]
        statuses = {sample.labels["status"]: sample.value for sample in samples if sample.name.endswith("_total")}
        assert {"202", "400", "401", "422"} <= statuses.keys()
        assert not [status for status in statuses if status.startswith("5") and status != "503"]
        acknowledged = metrics.events.labels("schemathesis", "acknowledged")._value.get()
        unanswered = metrics.events.labels("schemathesis", "unanswered")._value.get()
        assert sender.gateway.budget.taken_bytes == 0
    records = len(await stored(stack, topic_prefix))
    assert 1 <= acknowledged <= records <= acknowledged + unanswered
