"""Fuzzes the native kernel, with coverage, under the sanitizers for addresses and undefined behaviour.

    python -m tests.fuzz [--seconds 600] [--seed 1]

The corpus is made of the published examples; nothing is kept. Needs gcc (or a clang with trace-pc).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec

from stream.contract import examples
from stream.contract.catalogue import BUILT_IN
from stream.contract.decode import IN_COLUMNS
from stream.contract.events import INPUT_TOPICS, MAX_AGE_MS, MAX_AHEAD_MS, MAX_RECORD_BYTES
from stream.contract.forms import Scanning, form_of
from stream.kernel.building import SANITIZERS, compilers, sources
from stream.kernel.library import form_bytes
from tests.support import raw_batches

FUZZ = Path(__file__).parent / "fuzz.c"


def corpus() -> list[bytes]:
    """Inputs as `fuzz.c` describes them: each example as a value, and all examples of a topic as a batch."""
    inputs = []
    for number, topic in enumerate(sorted(IN_COLUMNS)):
        names = [name for name, (of, _) in BUILT_IN.types.items() if of == topic]
        values = [msgspec.json.encode(each) for each in examples.valid().values() if each["type"] in names]
        key = examples.ROOM.encode()
        inputs += [bytes([number, 1]) + key + b"\n" + value for value in values]
        inputs.append(bytes([number, len(values)]) + b"".join(raw_batches.records(values, key)))
    return inputs


def forms() -> bytes:
    """The forms of the topics, as the kernel reads them."""
    kinds = dict(INPUT_TOPICS)
    made = [form_of(kinds[topic]) for topic in sorted(IN_COLUMNS)]
    limits = (MAX_RECORD_BYTES, MAX_AGE_MS, MAX_AHEAD_MS, 60_000)
    return b"".join(form_bytes(Scanning(form, *limits)) for form in made if form is not None)


def main() -> int:
    """Compile, fuzz, say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--seed", type=int, default=1)
    flags = parser.parse_args()
    (name, compiler), *_ = compilers() or [("", [])]
    if not compiler:
        sys.exit("There is no C compiler: the kernel cannot be fuzzed.")
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        objects = []
        for path in [each for each in sources() if each.suffix == ".c"]:
            objects.append(str(work / f"{path.stem}.o"))
            covered = [*SANITIZERS, "-fsanitize-coverage=trace-pc"]
            subprocess.run([*compiler, "-std=c11", *covered, "-c", str(path), "-o", objects[-1]], check=True)
        program = str(work / "fuzz")
        subprocess.run([*compiler, "-std=c11", *SANITIZERS, str(FUZZ), *objects, "-o", program], check=True)
        (work / "forms").write_bytes(forms())
        files = []
        for number, content in enumerate(corpus()):
            files.append(str(work / f"input-{number}"))
            Path(files[-1]).write_bytes(content)
        print(f"fuzzing for {flags.seconds} s, {name}, {len(files)} inputs to begin with", flush=True)  # noqa: T201
        command = [program, str(flags.seconds), str(flags.seed), "forms", *files]
        ended = subprocess.run(command, cwd=work, check=False)
        found = work / "fuzz-input"
        if ended.returncode and found.exists():
            print(f"the input, in hex: {found.read_bytes().hex()}")  # noqa: T201
        return ended.returncode


if __name__ == "__main__":
    sys.exit(main())
