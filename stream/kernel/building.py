"""Compiles the native kernel: with the machine's C compiler, else with the `ziglang` wheel if it is installed.

    python -m stream.kernel.building [--into FOLDER] [--sanitized] [--required]

Needs no Python headers: the library is called through ctypes. Without any compiler Snapup runs in Python alone, and
says so.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import sysconfig
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

SOURCES = Path(__file__).parent / "src"
NAME = f"_kernel{sysconfig.get_config_var('SHLIB_SUFFIX') or '.so'}"
FLAGS = ("-std=c11", "-O3", "-Wall", "-Wextra", "-Wconversion", "-fPIC", "-shared")
SANITIZERS = ("-g", "-O1", "-fno-omit-frame-pointer", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
COMPILE_TIMEOUT_S = 300


class NotBuiltError(Exception):
    """The kernel could not be compiled; the text says why, and what to do."""


def sources() -> list[Path]:
    """The C files and headers."""
    return sorted([*SOURCES.glob("*.c"), *SOURCES.glob("*.h")])


def checksum() -> str:
    """Of the sources: a library knows the sources that it was compiled from."""
    whole = sha256()
    for path in sources():
        whole.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return whole.hexdigest()[:16]


def compilers() -> list[tuple[str, list[str]]]:
    """(name, command) of each C compiler that is here, the best first."""
    found = []
    if system := next(
        filter(None, map(shutil.which, filter(None, (os.environ.get("CC"), "cc", "gcc", "clang")))), None
    ):
        found.append((Path(system).name, [system]))
    if find_spec("ziglang") is not None:
        found.append(("ziglang", [sys.executable, "-m", "ziglang", "cc"]))
    return found


def build(into: Path | None = None, *, sanitized: bool = False) -> str:
    """Compile. Returns the name of the compiler.

    Args:
        into: the folder of the library; None: beside this file.
        sanitized: with the sanitizers for addresses and undefined behaviour, for tests.

    Raises:
        NotBuiltError: there is no compiler, or none of them succeeds.
    """
    folder = into or Path(__file__).parent
    files = [str(path) for path in sources() if path.suffix == ".c"]
    told = []
    for name, command in compilers():
        flags = [*FLAGS, *(SANITIZERS if sanitized else ()), f'-DSNAPUP_SOURCES="{checksum()}"']
        made = folder / f".{NAME}.{os.getpid()}"
        try:
            subprocess.run(  # noqa: S603 — a compiler of this machine, on our own files
                [*command, *flags, "-o", str(made), *files],
                check=True,
                capture_output=True,
                text=True,
                timeout=COMPILE_TIMEOUT_S,
            )
            made.replace(folder / NAME)  # a running process keeps the one that it has loaded
        except subprocess.CalledProcessError as error:
            told.append(f"{name}: {error.stderr.strip()[-500:]}")
        except (OSError, subprocess.TimeoutExpired) as error:
            told.append(f"{name}: {error}")
        else:
            return name
        finally:
            made.unlink(missing_ok=True)
    raise NotBuiltError("; ".join(told) or "there is no C compiler: install one (or `pip install ziglang`)")


def main() -> None:
    """Build for `make setup`: one line says what came of it. Ends well without a compiler too."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--into", type=Path)
    parser.add_argument("--sanitized", action="store_true")
    parser.add_argument("--required", action="store_true", help="fail where it cannot be built")
    parser.add_argument("--have-compiler", action="store_true", help="only say, by the exit code, whether one is here")
    flags = parser.parse_args()
    if flags.have_compiler:
        sys.exit(not compilers())
    try:
        line = f"native kernel: built with {build(flags.into, sanitized=flags.sanitized)}"
    except NotBuiltError as error:
        line = f"native kernel: not built, Snapup runs in Python alone ({error}); then: make setup"
        if flags.required:
            sys.exit(line)
    sys.stderr.write(line + "\n")


if __name__ == "__main__":
    main()
