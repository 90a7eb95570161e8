"""`snapup schemas write|check`: the published contract, made from the Python types, against the committed files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from stream.contract import publish
from stream.contract.compatibility import Direction, incompatibilities
from stream.contract.schema import WRITTEN
from stream.errors import NoSuchError, SnapupError
from stream.mechanics.kinds import CATALOGUE

SCHEMAS = "schemas"
GUIDE = Path("docs/contract.md")
MAX_LISTED = 20

README = "stream/mechanics/{}/README.md"
MECHANICS_PAGE = "docs/mechanics.md"

schemas_app = typer.Typer(name="schemas", help="Write or check the published contract.", no_args_is_help=True)

Root = Annotated[Path, typer.Option(help="The checkout: where schemas/ and docs/ are.")]


@schemas_app.command()
def write(
    root: Root = Path(),
    *,
    allow_breaking: Annotated[
        bool, typer.Option("--allow-breaking", help="Write even what breaks the contract: before a release only.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", "--force", help="Replace files that differ, remove those that are left over.")
    ] = False,
) -> None:
    """Write schemas/ and the tables of docs/contract.md from the Python types."""
    if not allow_breaking:
        _refuse_breaking(root / SCHEMAS)
    wanted = _wanted(root)
    if not overwrite:
        _refuse_replacing(root, wanted)
    changed = 0
    for path, text in wanted.items():
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            changed += 1
    stale = _stale(root, wanted)
    for path in stale:
        path.unlink()
    Console().print(f"{len(wanted)} files, {changed} written, {len(stale)} removed.")


@schemas_app.command()
def check(
    root: Root = Path(),
    against: Annotated[
        Path | None,
        typer.Option(help="A folder with the schemas of an earlier version, to be compatible with as well."),
    ] = None,
) -> None:
    """Refuse an incompatible change within a major version, and files that are not what the Python types say."""
    for there in (root, *([] if against is None else [against])):
        _require_folder(there)
    for folder in (root / SCHEMAS, against):
        if folder is not None:
            _refuse_breaking(folder)
    wanted = _wanted(root)
    wrong = [f"{path}: missing" for path in wanted if not path.is_file()]
    wrong += [
        f"{path}: differs"
        for path, text in wanted.items()
        if path.is_file() and path.read_text(encoding="utf-8") != text
    ]
    wrong += [f"{path}: not part of the contract" for path in _stale(root, wanted)]
    if wrong:
        raise SnapupError(
            _listed("The published contract is out of date: run `snapup schemas write --overwrite`.", wrong)
        )
    Console().print(f"{len(wanted)} files as they should be.")


def _require_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise NoSuchError(f"There is no folder {folder}.")


def _refuse_replacing(root: Path, wanted: dict[Path, str]) -> None:
    """Raise if files would be replaced or removed; the error names them. In the guide only our marked tables change."""
    lost = [
        f"{path}: would be replaced"
        for path, text in wanted.items()
        if not path.name.endswith(".md") and path.is_file() and path.read_text(encoding="utf-8") != text
    ]
    lost += [f"{path}: would be removed" for path in _stale(root, wanted)]
    if lost:
        raise SnapupError(_listed("Nothing was written; say --overwrite if these may go:", lost))


def _wanted(root: Path) -> dict[Path, str]:
    """Every generated file with its text, with the guide if it exists."""
    wanted = {root / SCHEMAS / path: text for path, text in publish.files(CATALOGUE).items()}
    guide = root / GUIDE
    if guide.is_file():
        wanted[guide] = publish.filled(guide.read_text(encoding="utf-8"), CATALOGUE)
    readmes = {root / README.format(name): name for name in CATALOGUE.sections}
    filled = {path: publish.filled(path.read_text(encoding="utf-8"), CATALOGUE) for path in readmes if path.is_file()}
    if filled:  # in a checkout
        wanted |= filled
        wanted[root / MECHANICS_PAGE] = publish.mechanics_page(list(filled.values()))
    return wanted


def _stale(root: Path, wanted: dict[Path, str]) -> list[Path]:
    """Files that look generated but no longer are."""
    folder = root / SCHEMAS
    # The overlay's examples are written by hand: types do not determine their truth.
    made = ("*.schema.json", *(f"examples/{kind}/*.json" for kind in ("valid", "invalid", "cloudevents")))
    there = [path for pattern in made for path in folder.glob(pattern)]
    return sorted(path for path in there if path not in wanted)


def _refuse_breaking(folder: Path) -> None:
    """Raise if the Python types break the schemas in a folder. A missing type breaks the contract too."""
    new = publish.schemas(CATALOGUE)
    found = []
    for path in sorted(folder.glob("*.schema.json")):
        if path.name not in new:
            found.append(f"{path.name}: the whole type is gone")
            continue
        try:
            old = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise SnapupError(f"{path} is not JSON ({error}): restore it from version control.") from error
        direction = Direction.READ_BY_OTHERS if path.name in WRITTEN else Direction.READ_BY_US
        found += [f"{path.name}{place}" for place in incompatibilities(old, new[path.name], direction)]
    if found:
        raise SnapupError(_listed("This breaks the contract within its major version:", found))


def _listed(head: str, lines: list[str]) -> str:
    more = [f"and {len(lines) - MAX_LISTED} more"] if len(lines) > MAX_LISTED else []
    return "\n".join([head, *lines[:MAX_LISTED], *more])
