"""Other people's clients, built and run as they come; what the machine lacks is said aloud as a skip."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from stream.local.jars import ensure_jars
from stream.local.java import find_java
from stream.local.settings import load_local_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

HERE = Path(__file__).parent
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
# A loaded machine starts a Java in 10 s; Go builds its first time in a minute.
RUN_S = 120.0
BUILD_S = 400.0


class Client(ABC):
    """One client library. `settings`: what the contract asks for beyond its defaults."""

    name: str
    settings: tuple[str, ...] = ()

    @abstractmethod
    def command(self, folder: Path) -> list[str]:
        """How to run it, built if need be; servers, codec and settings follow."""

    def produce(self, folder: Path, servers: str, codec: str, text: str, settings: Sequence[str] | None = None) -> int:
        """Write lines; how many were acknowledged."""
        more = self.settings if settings is None else settings
        command = [*self.command(folder), servers, codec, *more]
        done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=RUN_S, check=False)
        assert done.returncode == 0, f"{self.name}, {codec}: {done.stderr[-2_000:]}"
        return int(done.stdout.split()[-1])


class Librdkafka(Client):
    """confluent-kafka, in a process of its own. Its default partitioner is not Kafka's."""

    name = "librdkafka"
    settings = ("partitioner=murmur2_random",)

    def command(self, folder: Path) -> list[str]:
        del folder
        if importlib.util.find_spec("confluent_kafka") is None:
            pytest.skip("confluent-kafka is MISSING (no wheel for this Python?): librdkafka was NOT tried.")
        return [sys.executable, str(HERE / "produce_librdkafka.py")]


class Java(Client):
    """kafka-clients, from the jars that Maven fetched for the local broker."""

    name = "java"

    def command(self, folder: Path) -> list[str]:
        settings = load_local_settings()
        java, jars = find_java(settings.java), ensure_jars(settings.cache_dir)
        compiler = shutil.which("javac")
        if compiler is None:
            pytest.skip("javac is MISSING: kafka-clients for Java was NOT tried. On Debian: openjdk-17-jdk-headless.")
        if not (folder / "Produce.class").exists():
            built = [compiler, "-cp", f"{jars}/*", "-d", str(folder), str(HERE / "Produce.java")]
            subprocess.run(built, check=True, capture_output=True, timeout=BUILD_S)
        return [java, "-Xmx128m", "-XX:TieredStopAtLevel=1", "-cp", f"{folder}:{jars}/*", "Produce"]


class Franz(Client):
    """franz-go, at the version that `franz/go.sum` pins."""

    name = "franz-go"

    def command(self, folder: Path) -> list[str]:
        go, program = shutil.which("go"), folder / "franz"
        if go is None:
            pytest.skip("go is MISSING: franz-go was NOT tried. On Debian: golang-go.")
        if not program.exists():
            environment = {**os.environ, "GOFLAGS": "-mod=readonly"}
            built = subprocess.run(
                [go, "build", "-o", str(program), "."],
                cwd=HERE / "franz",
                env=environment,
                capture_output=True,
                text=True,
                timeout=BUILD_S,
                check=False,
            )
            if built.returncode and "go.mod requires go" in built.stderr:
                pytest.skip(f"go is TOO OLD: franz-go was NOT tried. {built.stderr.strip().splitlines()[-1]}")
            assert built.returncode == 0, built.stderr[-2_000:]
        return [str(program)]


CLIENTS: tuple[Client, ...] = (Librdkafka(), Java(), Franz())
