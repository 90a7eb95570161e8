"""Every command of ours on a broker with TLS, SASL and access control lists that deny by default."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from stream.local.settings import LocalSettings
from tests.integration.secured import PASSWORD, Grant, SecuredKafka
from tests.integration.worker_process import START

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredKafka]:
    kafka = SecuredKafka(tmp_path_factory.mktemp("secured"), LocalSettings())
    kafka.server.start()
    yield kafka
    kafka.server.stop()


async def run(variables: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command of ours, to its end."""
    command = [sys.executable, "-c", START, *arguments]
    return await asyncio.to_thread(
        subprocess.run,
        command,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


async def test_each_door_opens_to_who_may_come_in_and_says_why_to_who_may_not(secured: SecuredKafka) -> None:
    await secured.apply_topics("doors")
    for user in ("worker", "CN=client"):
        await secured.grant(user, [Grant("Describe", "topic", "doors.*")])
    way, doors, folder = secured.environment, secured.doors, secured.folder
    scram, mutual = way("worker"), secured.by_certificate()
    bare = {name: value for name, value in mutual.items() if "KEY" not in name and "CERT" not in name}
    servers = "SNAPUP_BOOTSTRAP_SERVERS"
    opens = [
        scram,
        way("worker", mechanism="PLAIN"),
        way("worker", mechanism="SCRAM-SHA-256", protocol="SASL_PLAINTEXT"),
        mutual,
    ]
    refusals = {
        "does not let 'worker' in (SCRAM-SHA-512)": scram | {"SNAPUP_SASL_PASSWORD": "wrong-word"},
        "does not let 'worker' in (PLAIN)": way("worker", mechanism="PLAIN") | {"SNAPUP_SASL_PASSWORD": "wrong-word"},
        "shows a certificate that is not to be trusted": scram | {"SNAPUP_SSL_CAFILE": str(folder / "stranger.pem")},
        "listens, but does not speak TLS": scram | {servers: f"127.0.0.1:{doors['SASL_PLAINTEXT']}"},
        "it wants TLS or a user name": {servers: f"127.0.0.1:{doors['SASL_PLAINTEXT']}"},
        "it wants TLS or has no SASL there": way("worker", protocol="SASL_PLAINTEXT")
        | {servers: f"127.0.0.1:{doors['SASL_SSL']}"},
        "asks for a certificate of ours (mutual TLS)": bare,
        "cannot be used with its key": mutual | {"SNAPUP_SSL_KEY_PASSWORD": "wrong-word"},
        "Not permitted: User:nobody needs Describe on topic": way("nobody"),
    }
    asked = await asyncio.gather(
        *(run(each, "topics", "check", "--prefix", "doors") for each in [*opens, *refusals.values()])
    )
    for answer in asked[: len(opens)]:
        assert (answer.returncode, answer.stdout) == (0, "10 topics under 'doors', each with 2 partitions.\n"), answer
    for said, answer in zip(refusals, asked[len(opens) :], strict=True):
        assert answer.returncode == 1, said
        assert said in answer.stderr
        assert answer.stderr.count("\n") == 1, "one sentence, and no line of a library"
        assert PASSWORD not in answer.stderr
        assert "wrong-word" not in answer.stderr
