"""The rule for foreign ids in JavaScript, Java and Go, by the vectors in `schemas`. What is missing is said."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RULES = ROOT / "schemas" / "ids"
PROGRAMS = Path(__file__).parent / "ids"
VECTORS = json.loads((ROOT / "schemas" / "id-vectors.json").read_text(encoding="utf-8"))
ASKED = [
    *(("id", each) for each in VECTORS["ids"]),
    *(("person", each) for each in VECTORS["people"]),
    *(("id", {**each, "id": "!"}) for each in VECTORS["refused"]),
]
RUN_S = 400.0  # Go builds its library the first time


def tool(name: str, package: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is MISSING: the rule for ids in its language was NOT tried. On Debian: {package}.")
    return found


def run(command: list[str], folder: Path, said: str = "") -> str:
    done = subprocess.run(
        command, cwd=folder, input=said, capture_output=True, encoding="utf-8", timeout=RUN_S, check=False
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    return done.stdout


def javascript(folder: Path) -> list[str]:
    del folder
    return [tool("node", "nodejs"), str(PROGRAMS / "try_ids.mjs"), str(RULES / "contract-ids.mjs")]


def java(folder: Path) -> list[str]:
    compiler, program = tool("javac", "openjdk-17-jdk-headless"), tool("java", "openjdk-17-jdk-headless")
    run([compiler, "-d", ".", str(RULES / "ContractIds.java"), str(PROGRAMS / "TryIds.java")], folder)
    return [program, "-XX:TieredStopAtLevel=1", "-cp", ".", "TryIds"]


def go(folder: Path) -> list[str]:
    program = tool("go", "golang-go")
    (folder / "contractids").mkdir()
    shutil.copy(RULES / "contract_ids.go", folder / "contractids")
    shutil.copy(PROGRAMS / "try_ids.go", folder)
    (folder / "go.mod").write_text("module snapup.example/ids\n\ngo 1.18\n", encoding="utf-8")
    run([program, "build", "-o", "try_ids", "."], folder)
    return [str(folder / "try_ids")]


@pytest.mark.parametrize("language", [javascript, java, go])
def test_every_language_makes_the_same_ids(language: object, tmp_path: Path) -> None:
    assert callable(language)
    command = language(tmp_path)
    lines = [f"{kind}\t{units(each['text'])}\t{each['prefix']}\n" for kind, each in ASKED]
    answers = run(command, tmp_path, "".join(lines)).splitlines()
    wrong = [(each, answer) for (_, each), answer in zip(ASKED, answers, strict=True) if answer != each["id"]]
    assert wrong == []


def units(text: str | None) -> str:
    return "-" if text is None else text.encode("utf-16-be", "surrogatepass").hex()
