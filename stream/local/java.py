"""Finding a Java that Kafka runs on."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from stream.errors import SnapupError

# The oldest that Kafka 4 brokers run on.
OLDEST_JAVA = 17
_ASK_TIMEOUT_S = 30.0


def find_java(configured: str | None) -> str:
    """The java program: the configured one, JAVA_HOME's, or the PATH's.

    Raises:
        SnapupError: there is none, or it is too old.
    """
    home = os.environ.get("JAVA_HOME", "")
    candidates = [configured] if configured else [str(Path(home) / "bin" / "java") if home else "", "java"]
    found = next((path for name in candidates if name and (path := shutil.which(name))), None)
    if found is None:
        where = f" at {configured}" if configured else ""
        raise SnapupError(
            f"Java {OLDEST_JAVA} or newer is missing{where}: on Debian, apt-get install openjdk-17-jre-headless; "
            "or set SNAPUP_JAVA."
        )
    version = java_version(found)
    if version < OLDEST_JAVA:
        raise SnapupError(
            f"{found} is Java {version}; Kafka needs {OLDEST_JAVA} or newer: set JAVA_HOME or SNAPUP_JAVA."
        )
    return found


def java_version(java: str) -> int:
    """The feature version (17, 21, ...) that a java program reports."""
    try:
        said = subprocess.run(  # noqa: S603 -- the program was found above
            [java, "-version"], capture_output=True, text=True, timeout=_ASK_TIMEOUT_S, check=False
        ).stderr
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SnapupError(f"{java} does not run ({error}): install Java {OLDEST_JAVA} or newer.") from None
    # "17.0.15", "21", and the old way of counting: "1.8.0_392".
    found = re.search(r'version "(?:1\.)?(\d+)', said)
    if found is None:
        raise SnapupError(
            f"{java} did not say its version: set JAVA_HOME or SNAPUP_JAVA to Java {OLDEST_JAVA} or newer."
        )
    return int(found[1])
