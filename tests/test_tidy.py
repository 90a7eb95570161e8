"""The house rules that a machine can check: what imports what, how large, what is tested, what is measured."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "stream"
UNIT_TESTS = ROOT / "tests" / "unit"

# Imports point one way: a part may import itself and these. What is not listed here may not exist.
BASE = {"errors"}
PROCESS = {"exits", "metrics_registry"}
KAFKA = {"kafka_clients", "kafka_refusals"}
REDIS = {"redis_address", "redis_clients", "redis_words"}
MAY_IMPORT: dict[str, set[str]] = {
    "cli": {"commands", *BASE},
    "commands": {
        *("worker", "serve", "ingest", "bridge", "sources", "replay", "overlays", "shows", "verify", "local", "view"),
        *("mechanics", "kernel", "records", "core", "contract", "settings", "topics", "metrics_http"),
        *(*KAFKA, *REDIS, *BASE),
    },
    "view": {"core", "contract", *BASE},
    "mechanics": {"core", "verify", "shows", "contract", *BASE},  # which of them: see `OF_A_MECHANIC`
    "worker": {
        "kernel",
        "records",
        "core",
        "contract",
        "settings",
        "topics",
        "topic_settings",
        *PROCESS,
        *KAFKA,
        *REDIS,
        *BASE,
    },
    "serve": {"contract", "settings", "topics", *PROCESS, *REDIS, *BASE},
    # `serve`: its HTTP; `bridge`: what a webhook becomes.
    "ingest": {"serve", "bridge", "records", "contract", "settings", "topics", *PROCESS, *KAFKA, *BASE},
    "bridge": {"sources", "mechanics", "contract", "metrics_registry", *KAFKA, *BASE},
    "sources": {"contract", "topics", *KAFKA, *BASE},
    "replay": {"sources", "records", "core", "contract", "topics", *KAFKA, *BASE},
    "overlays": {"contract", *REDIS, *BASE},
    "shows": {"contract", "topics", *KAFKA, *BASE},
    "verify": {"records", "contract", "topics", *KAFKA, *REDIS, *BASE},  # an independent recount: never core or worker
    "local": {"kernel", "topics", *KAFKA, *REDIS, *BASE},
    "records": {"contract", *BASE},  # what lies in a log, for worker and recount alike
    "kernel": {"records", "contract", *BASE},  # what is native; those who run it hand it on
    "settings": {"kernel", "core", "contract", "kafka_clients", "redis_address", *BASE},
    "redis_clients": {"redis_address", "redis_words", *BASE},
    "redis_words": {"redis_address", *BASE},
    "redis_address": BASE,
    "core": {"contract"},
    "contract": BASE,
    "topics": {"topic_settings", *KAFKA, *BASE},
    "topic_settings": {"contract"},
    "kafka_refusals": {"kafka_clients", *BASE},
    "kafka_clients": BASE,
    "errors": set(),
    "exits": set(),
    "metrics_registry": set(),
    "metrics_http": BASE,
}
# File of a mechanic's folder → what it may import beside its own `events` and `section`. Any other file belongs to
# the fold.
OF_A_MECHANIC: dict[str, set[str]] = {
    "__init__": set(),
    "events": {"contract"},
    "section": {"contract"},
    "fold": {"core", "contract"},
    "recount": {"verify", "contract"},
    "show": {"shows", "contract"},
    "storm": {"shows", "contract"},  # and its own `show`
}
# (part, module) of another part that it may import beyond that: values, not machinery.
EXCEPTIONS = {
    ("view", "stream.sources.accounts"),  # the accounts that it shows
    ("view", "stream.bridge.books"),
    ("view", "stream.bridge.reasons"),
    ("view", "stream.replay.recording"),
    ("view", "stream.sources.letters"),
    ("view", "stream.overlays.rooms"),
}

# The core waits for nothing, talks to nobody, logs nothing and does not know the time.
CORE_MAY_IMPORT = {
    *("__future__", "bisect", "collections", "collections.abc", "enum", "functools", "heapq", "itertools", "math"),
    *("abc", "hashlib", "operator", "typing", "zlib"),
    *("msgspec", "datasketches", "importlib"),  # the last: sketches are imported when the first is made
}
IMPURE = {
    *("aiohttp", "aiokafka", "asyncio", "concurrent", "faust", "http", "logging", "multiprocessing", "os"),
    *("prometheus_client", "random", "redis", "rich", "secrets", "select", "selectors", "signal", "socket"),
    *("structlog", "subprocess", "sys", "tempfile", "threading", "time", "typer", "urllib", "uuid"),
}
# `datetime` may read a time that somebody wrote, outside of the core.
TELLS_THE_TIME = {"now", "utcnow", "today"}
IMPURE_CALLS = {"open", "print", "input", "exec", "eval", "id", "hash"}

MAX_MODULE_LINES = 500
# A label's values must be few and known. These have as many as there are rooms, people, products.
UNBOUNDED_LABELS = ("room", "user", "sale", "sku", "order", "session", "event_id", "offset")


def modules(folder: Path = PACKAGE) -> list[Path]:
    found = sorted(path for path in folder.rglob("*.py") if "__pycache__" not in path.parts)
    assert found
    return found


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def part_of(module: str) -> str:
    """`stream.core.time` → `core`; the package itself → ``."""
    return [*module.split("."), ""][1]


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports_of(path: Path) -> set[str]:
    """Full names of the modules that a module imports, also those for type checking only."""
    found = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name_of(path)}: relative import"
            assert node.module is not None
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            within = {name for name in names if (ROOT / Path(*name.split("."))).with_suffix(".py").exists()}
            packages = {name for name in names if (ROOT / Path(*name.split("."))).is_dir()}
            found |= within | packages or {node.module}
    return found


def calls_of(path: Path) -> set[tuple[str, bool]]:
    """What a module calls by its last name, and whether as an attribute of something."""
    found = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name):
                found.add((node.func.id, False))
            elif isinstance(node.func, ast.Attribute):
                found.add((node.func.attr, True))
    return found


def path_of(module: str) -> Path | None:
    base = ROOT / Path(*module.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.exists():
            return path
    return None


def closure(module: str) -> set[Path]:
    """Every module of ours that importing this one imports."""
    found: set[Path] = set()
    waiting = [module]
    while waiting:
        path = path_of(waiting.pop())
        if path is not None and path not in found:
            found.add(path)
            waiting += [name for name in imports_of(path) if name.startswith("stream.")]
    return found


# -- imports -----------------------------------------------------------------------------------------------------------
def test_every_part_of_the_package_has_its_place_in_the_order_of_imports() -> None:
    assert {part_of(name_of(path)) for path in modules()} - {""} <= MAY_IMPORT.keys()


@pytest.mark.parametrize("part", MAY_IMPORT)
def test_imports_point_one_way(part: str) -> None:
    allowed = MAY_IMPORT[part] | {part}
    wrong = []
    for path in modules():
        if part_of(name_of(path)) != part:
            continue
        for module in sorted(imports_of(path)):
            is_ours = module == "stream" or module.startswith("stream.")
            if is_ours and part_of(module) not in allowed and (part, module) not in EXCEPTIONS:
                wrong.append(f"{name_of(path)} imports {module}")
    assert wrong == []


def test_clients_of_redis_are_made_in_one_place() -> None:
    """TLS, Sentinel, Cluster and what may be said of a password are known there alone."""
    makers = {"redis", "redis.asyncio", "redis.asyncio.cluster", "redis.asyncio.sentinel", "redis.asyncio.connection"}
    wrong = [
        name_of(path) for path in modules() if name_of(path) != "stream.redis_clients" and imports_of(path) & makers
    ]
    assert wrong == []


def test_the_order_of_imports_has_no_circle() -> None:
    order: list[str] = []
    left = {part: set(others) for part, others in MAY_IMPORT.items()}
    for part, module in EXCEPTIONS:
        left[part].add(part_of(module))
    while left:
        lowest = [part for part, others in left.items() if not others & left.keys()]
        assert lowest, f"a circle among {sorted(left)}"
        order += lowest
        for part in lowest:
            del left[part]
    assert order[0] == "errors"
    assert order[-1] == "cli"


def test_no_files_of_the_core_import_each_other_in_a_circle() -> None:
    """Also not for types: a rule is written over what stands below it."""
    left = {name_of(path): imports_of(path) for path in modules(PACKAGE / "core") if path.stem != "__init__"}
    while left:
        lowest = [name for name, others in left.items() if not others & left.keys()]
        assert lowest, f"a circle among {sorted(left)}"
        for name in lowest:
            del left[name]


@pytest.mark.parametrize("path", modules(PACKAGE / "core"), ids=name_of)
def test_the_core_is_pure(path: Path) -> None:
    others = {module for module in imports_of(path) if not module.startswith("stream.")}
    assert others <= CORE_MAY_IMPORT
    assert {called for called, of_something in calls_of(path) if not of_something} & IMPURE_CALLS == set()


def test_nothing_that_the_core_imports_waits_or_talks_or_knows_the_time() -> None:
    wrong = []
    for path in closure("stream.core.partition") | closure("stream.core.merge"):
        roots = {module.split(".")[0] for module in imports_of(path)}
        wrong += [f"{name_of(path)} imports {root}" for root in sorted(roots & IMPURE)]
        wrong += [
            f"{name_of(path)} calls {called}()" for called, _ in sorted(calls_of(path)) if called in TELLS_THE_TIME
        ]
    assert wrong == []


def test_the_recount_shares_nothing_with_what_it_recounts() -> None:
    recounts = [path for path in modules(PACKAGE / "mechanics") if path.stem in ("recount", "recounts")]
    for path in [*modules(PACKAGE / "verify"), *recounts]:
        for reached in closure(name_of(path)):
            assert part_of(name_of(reached)) not in {"core", "worker", "kernel"}, (
                f"{name_of(path)} reaches {name_of(reached)}"
            )


def test_a_mechanic_imports_what_its_file_is_for_and_no_other_mechanic() -> None:
    wrong = []
    for path in modules(PACKAGE / "mechanics"):
        if path.parent.name == "mechanics":
            continue
        own = f"stream.mechanics.{path.parent.name}"
        allowed = {f"{own}.events", f"{own}.section"}
        if path.stem == "storm":
            allowed.add(f"{own}.show")
        of_the_fold = {each.stem for each in path.parent.glob("*.py")} - OF_A_MECHANIC.keys()
        file = "fold" if path.stem in of_the_fold else path.stem
        if file == "fold":
            allowed |= {f"{own}.{stem}" for stem in of_the_fold}
        others = sorted(module for module in imports_of(path) - allowed if module.startswith("stream."))
        wrong += [
            f"{name_of(path)} imports {module}" for module in others if part_of(module) not in OF_A_MECHANIC[file]
        ]
    assert wrong == []


# -- modules and their tests -------------------------------------------------------------------------------------------
@pytest.mark.parametrize("part", ["core", "contract"])
def test_every_pure_module_has_its_test_file(part: str) -> None:
    wanted = {unit_test_of(path) for path in modules(PACKAGE / part) if path.stem != "__init__"}
    assert {path for path in wanted if not path.exists()} == set()


def unit_test_of(path: Path) -> Path:
    """The unit test file of a module: at the same place below tests/unit."""
    return (UNIT_TESTS / path.relative_to(PACKAGE)).with_name(f"test_{path.name}")


def test_no_unit_test_file_outlives_its_module() -> None:
    tested = {unit_test_of(path) for part in ("core", "contract") for path in modules(PACKAGE / part)}
    found = {path for part in ("core", "contract") for path in (UNIT_TESTS / part).rglob("test_*.py")}
    assert [path.name for path in sorted(found - tested) if path.name not in OF_SCHEMAS] == []


# These test what is written to schemas/, not one module.
OF_SCHEMAS = ("test_examples.py", "test_compatibility.py")


def test_no_module_is_a_drawer_for_leftovers() -> None:
    drawers = {"utils", "util", "helpers", "helper", "common", "misc", "base"}
    assert [name_of(path) for path in modules() if path.stem in drawers] == []


def test_no_module_is_too_large() -> None:
    sizes = {name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in modules()}
    assert {name: size for name, size in sizes.items() if size > MAX_MODULE_LINES} == {}


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_every_module_says_what_it_is(path: Path) -> None:
    docstring = ast.get_docstring(tree_of(path))
    assert docstring
    assert len(docstring.split()) >= 3


# -- metrics -----------------------------------------------------------------------------------------------------------
def metric_labels() -> dict[str, set[str]]:
    """Metric name → its labels, wherever one is made: any call that begins with a name like `stream_…`."""
    found: dict[str, set[str]] = {}
    for path in modules():
        for node in ast.walk(tree_of(path)):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            first = node.args[0]
            if not (isinstance(first, ast.Constant) and isinstance(first.value, str)):
                continue
            if first.value.startswith("stream_"):
                rest = [*node.args[1:], *(keyword.value for keyword in node.keywords)]
                texts = {
                    each.value
                    for argument in rest
                    for each in ast.walk(argument)
                    if isinstance(each, ast.Constant) and isinstance(each.value, str)
                }
                found.setdefault(first.value, set()).update(text for text in texts if text.isidentifier())
    return found


def test_no_metric_has_a_label_without_bound() -> None:
    labels = metric_labels()
    assert len(labels) > 20
    assert "topic" in set().union(*labels.values())
    wrong = [
        f"{name}: {label}"
        for name, used in labels.items()
        for label in used
        if any(bad in label for bad in UNBOUNDED_LABELS)
    ]
    assert wrong == []
