"""The documentation against the code: its tables, links, commands, variables and numbers."""

from __future__ import annotations

import ast
import re
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import pytest

from stream.contract.levels import RAMP
from stream.contract.overlay import ClaimKind, Count, EtaSellout, Sale, Urgency, Velocity, WithheldReason
from stream.core import eta
from stream.core.claims import ClaimBook
from stream.core.memory import Shared
from stream.core.presence import Departures
from stream.core.rates import all_rates
from stream.core.room import Room
from stream.core.rules import Rules
from stream.core.urgency import DEMAND_BANDS, ETA_BANDS_S, VELOCITY_BANDS
from stream.exits import Exit
from stream.kernel.library import LIBRARY_VARIABLE
from stream.local.settings import LocalSettings
from stream.settings import Settings, load_settings
from stream.shows import build_show
from stream.topics import declared as declared_topics
from tests.support.commands import ROOT, subcommands
from tests.support.doc_tables import OPERATIONS, marked, rows_of, tables
from tests.support.rooms import TOPICS
from tests.support.worker_metrics import declared as declared_metrics
from tests.support.worker_metrics import declared_by_audit, declared_by_bridge, declared_by_ingest, declared_by_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stream.core.forecast import Silence

TOP = Path(__file__).parents[2]
PAGES = sorted([TOP / "README.md", TOP / "CHANGELOG.md", TOP / "CONTRIBUTING.md", *(TOP / "docs").rglob("*.md")])
TEXTS = {page.relative_to(TOP).as_posix(): page.read_text("utf-8") for page in PAGES}
SIGNALS = (TOP / "docs" / "signals.md").read_text("utf-8")


def quoted(cell: str) -> list[str]:
    """What a cell says in code."""
    return re.findall(r"`([^`]+)`", cell)


# -- tables made from the code
@pytest.mark.parametrize("name", tables())
def test_table_is_what_the_code_says(name: str) -> None:
    assert marked(OPERATIONS.read_text("utf-8"), name) == tables()[name], "python -m tests.support.doc_tables"


def test_each_setting_of_the_core_is_a_rule() -> None:
    """What can be set and what the core takes have the same names, but for the pace."""
    renamed = {"publish_interval_ms": "pace_busy_ms"}
    settings = load_settings(hold_ms=61_000, publish_interval_ms=150)
    assert settings.rules().hold_ms == 61_000
    assert settings.rules().pace_busy_ms == 150
    for name in Rules.__struct_fields__:
        setting = {new: old for old, new in renamed.items()}.get(name, name)
        if setting in Settings.model_fields:
            assert getattr(settings.rules(), name) == getattr(settings, setting)


# -- README.md
def test_figures_of_the_tour_are_those_of_the_show() -> None:
    expected = build_show("snap-up", 1, None).expected
    (room,), text = expected.rooms, TEXTS["README.md"]
    (sale,) = room.sales
    figures = {
        "deliveries": expected.deliveries,
        "viewers": room.viewers,
        "orders placed": room.orders_placed,
        "paid": room.orders_paid,
        "coats": sale.offered + sale.restocked,
        "sold": sale.sold,
        "left": sale.available,
        "deliveries that say nothing new": expected.deliveries - expected.applied,
    }
    told = " ".join(text.split())
    assert [name for name, count in figures.items() if f"{count:,} {name}".replace(",", " ") not in told] == []


# -- docs/signals.md
def test_rules_table_has_every_rule_with_its_default_and_its_variable() -> None:
    defaults, variables = load_settings().rules(), _variables_of_rules()
    documented = {
        quoted(rule)[0]: (quoted(value)[0] if quoted(value) else float(value), quoted(variable))
        for rule, value, variable, _ in rows_of(SIGNALS, "rules")
    }
    # The limits of mechanics stand on the mechanics' own pages.
    values = {name: getattr(defaults, name) for name in Rules.__struct_fields__ if name != "mechanics"}
    assert documented == {
        name: (value if isinstance(value, str) else float(value), variables.get(name, []))
        for name, value in values.items()
    }


def _variables_of_rules() -> dict[str, list[str]]:
    """Rule → the variable that sets it, found by setting each."""
    found: dict[str, list[str]] = {}
    defaults = load_settings().rules()
    for name, field in Settings.model_fields.items():
        if type(field.default) is int and field.default:
            changed = load_settings(**{name: field.default + 1}).rules()
            for rule in Rules.__struct_fields__:
                if getattr(changed, rule) != getattr(defaults, rule):
                    found.setdefault(rule, []).append(f"SNAPUP_{name.upper()}")
    return found


def test_urgency_table_has_every_band() -> None:
    documented = {
        (quoted(rule)[0], quoted(level)[0], condition[0], float(condition[1:]))
        for rule, level, condition in rows_of(SIGNALS, "urgency")
    }
    expected = {("velocity_over_baseline", level, "≥", threshold) for threshold, level in VELOCITY_BANDS}
    expected |= {("carters_over_available", level, "≥", threshold) for threshold, level in DEMAND_BANDS}
    expected |= {("eta_below_s", level, "≤", threshold) for threshold, level in ETA_BANDS_S}
    expected.add(("time_left_below_s", "last_call", "≤", Rules().last_call_ms / 1_000))
    assert documented == expected


def test_levels_are_listed_from_low_to_high() -> None:
    assert ", ".join(f"`{level}`" for level in RAMP) in " ".join(SIGNALS.split())


def test_eta_table_has_the_constants() -> None:
    documented = {quoted(name)[0]: float(value) for name, value, _ in rows_of(SIGNALS, "eta")}
    assert documented == {name: float(getattr(eta, name)) for name in documented}
    assert {"COVERAGE", "MIN_UNITS", "MIN_BUCKETS", "MIN_ARRIVALS", "MAX_AHEAD"} == set(documented)


def test_claims_table_has_every_claim() -> None:
    assert {quoted(row[0])[0] for row in rows_of(SIGNALS, "claims")} == set(get_args(ClaimKind))


def test_withheld_table_says_which_claim_is_withheld_for_which_reason() -> None:
    documented = {
        (claim, quoted(reason)[0])
        for reason, claims, _ in rows_of(SIGNALS, "withheld")
        for claim in (get_args(ClaimKind) if claims == "all" else quoted(claims))
    }
    assert {reason for _, reason in documented} == set(get_args(WithheldReason))
    assert documented == set(_withheld_in_every_state())


def test_claims_table_says_the_unit_of_each_claim() -> None:
    documented = {quoted(row[0])[0]: row[2] for row in rows_of(SIGNALS, "claims")}
    said = {claim.claim: claim.unit for book in _books() for claim in book.claims}
    assert documented == said


def _withheld_in_every_state() -> Iterator[tuple[str, str]]:
    for book in _books():
        for withheld in book.withheld:
            yield withheld.claim, withheld.reason


def _books() -> Iterator[ClaimBook]:
    """Claims about a sale in every state that matters to a rule, and about a room."""
    now_ms = 1_000_000
    far_ms = now_ms + Rules().ends_in_max_ms + 1
    forecast = EtaSellout(1_000, 2_000, 0.9)
    rules = load_settings().rules()
    heard, unheard = Departures(100, 99, 99, 0, 0, 100, 100, -1), Departures(100, 0, 0, 0, -1, 0, 0, -1)
    for status, available, held, planned_ms, suspects, found, ends_at_ms, people, stale, misplaced in product(
        ("unknown", "scheduled", "open", "ended"),
        (0, 10, 900),
        (0, 100),
        (None, now_ms + 1),
        (0, 50),
        (None, forecast),
        (None, now_ms + 1, far_ms),
        (0, 100),
        (False, True),
        (False, True),
    ):
        known = status != "unknown"
        book = ClaimBook(rules, [None] * len(TOPICS), "1-1", now_ms, stale=stale)
        sale = Sale(
            sale_id="sale",
            sku_id="sku",
            status=status,  # type: ignore[arg-type]
            starts_at_ms=0 if known else None,
            ends_at_ms=ends_at_ms if known else None,
            extended=False,
            offered=1_000 if known else None,
            restocked=0,
            available=available if known else None,
            held=held,
            sold=100 - held,
            oversold=0,
            over_limit=0,
            released=0,
            sell_through=None,
            carters_without_order=Count(people, "sketch" if suspects else "exact"),
            suspect_units=suspects,
            velocity=Velocity(0, 10_000),
            eta_sellout_ms=found if known else None,
            restock_planned_at_ms=planned_ms,
            price_minor=None,
            list_price_minor=None,
            currency=None,
            urgency=Urgency("unknown", 0, []),
        )
        silence: Silence | None = "forecast_not_calibrated" if found is None and people else None
        book.sale(sale, people, people, misplaced=misplaced, basis=silence)
        book.watching(people, heard if held else unheard)
        yield book


def test_every_rate_is_defined_and_no_other() -> None:
    room = Room("room", Rules(), Shared(), 0)
    room.money["CNY"] = [0, 0, 0]
    section = SIGNALS.split("\n## Rates\n")[1].split("\n## ")[0]
    documented = [quoted(line.split("|")[1])[0] for line in section.splitlines() if line.startswith("| `")]
    assert sorted(documented) == sorted({rate.name for rate in all_rates(room, 0)})


# -- docs/operations.md
def test_exit_codes_are_documented() -> None:
    text = OPERATIONS.read_text("utf-8")
    documented = {int(code): name for code, name, _ in rows_of(text, "exit codes") if int(code) >= min(Exit)}
    assert {code: quoted(name)[0] for code, name in documented.items()} == {code.value: code.name for code in Exit}


def test_topics_are_documented() -> None:
    text = OPERATIONS.read_text("utf-8")
    documented = {quoted(row[0])[0] for row in rows_of(text, "topics")}
    assert documented == {topic.name for topic in declared_topics()}


def test_errors_that_are_quoted_are_said() -> None:
    """Each quoted piece stands in a string of the code."""
    said = "\n".join(text for path in (TOP / "stream").rglob("*.py") for text in _strings(path))
    documented = [quoted(row[0])[0] for row in rows_of(OPERATIONS.read_text("utf-8"), "errors")]
    assert documented
    assert [text for text in documented if text not in said] == []


def _strings(path: Path) -> Iterator[str]:
    """Every string of a module; what is filled in at run time shows as one mark."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


# -- every page
def test_links_lead_somewhere() -> None:
    dead = []
    for name, text in TEXTS.items():
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if target.startswith("http"):
                continue
            path, _, anchor = target.partition("#")
            page = ((TOP / name).parent / path).resolve() if path else TOP / name
            if not page.exists() or (anchor and anchor not in _anchors(page.read_text("utf-8"))):
                dead.append((name, target))
    assert dead == []


def _anchors(text: str) -> set[str]:
    """The anchors that a page's headings make."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_variables_that_are_named_exist() -> None:
    known = {f"SNAPUP_{field.upper()}" for kind in (Settings, LocalSettings) for field in kind.model_fields}
    known |= {variable for parameter in _parameters(ROOT) for variable in _variables(parameter)}
    known.add(LIBRARY_VARIABLE)  # no setting: read before there are any
    # Long tests are told how long and with which seed.
    tests = "".join(path.read_text("utf-8") for path in (TOP / "tests").rglob("*.py"))
    known |= set(re.findall(r"environ(?:\.get\(|\[)\"(SNAPUP_[A-Z_]+)\"", tests))
    named = {
        (name, variable) for name, text in TEXTS.items() for variable in re.findall(r"\bSNAPUP_[A-Z_]*[A-Z]\b", text)
    }
    assert {(name, variable) for name, variable in named if variable not in known} == set()


def _parameters(command: Any) -> Iterator[Any]:
    yield from command.params
    for sub in subcommands(command).values():
        yield from _parameters(sub)


def _variables(parameter: Any) -> list[str]:
    named = parameter.envvar
    return [] if named is None else [named] if isinstance(named, str) else list(named)


def test_metrics_that_are_named_exist() -> None:
    families = [*declared_metrics(), *declared_by_server(), *declared_by_ingest(), *declared_by_bridge()]
    families += declared_by_audit()
    known = {name for family in families for name in (family.name, *family.series())}
    named = {
        (name, metric)
        for name, text in TEXTS.items()
        for metric in re.findall(r"(?<![:\w])(stream_[a-z_]+[a-z])\b(?!\.|/)", text)
    }
    assert {(name, metric) for name, metric in named if metric not in known} == set()


def _commands_in(text: str) -> Iterator[list[str]]:
    """Every `snapup …` in code, without comments and prompts."""
    for block in re.findall(r"```(?:sh|console)?\n(.*?)```", text, re.DOTALL):
        for line in block.splitlines():
            if found := re.search(r"(?:^|\s|/)snapup ([a-z].*)", line.partition(" # ")[0]):
                yield found[1].partition(" | ")[0].split()
    for code in re.findall(r"`(snapup [^`]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL)):
        yield code.partition(" | ")[0].split()[1:]


def test_commands_that_are_named_exist() -> None:
    named = [(name, words) for name, text in TEXTS.items() for words in _commands_in(text)]
    assert named
    assert [(name, " ".join(words)) for name, words in named if not _exists(words)] == []


def _exists(words: list[str]) -> bool:
    command = ROOT
    rest = list(words)
    while (below := subcommands(command)) and rest and not rest[0].startswith("-"):
        names = rest.pop(0).split("|")  # `snapup stack up|down`
        if command.name == "import" and names[0].endswith((".ndjson", ".ndjson.gz")):
            names = ["recording"]  # `snapup import FILE`
        if any(part not in below for part in names):
            return False
        command = below[names[0]]
    options = {option for parameter in command.params for option in parameter.opts} | {"--help"}
    return {word.partition("=")[0] for word in rest if word.startswith("-") and len(word) > 1} <= options


def test_make_targets_that_are_named_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (TOP / "Makefile").read_text("utf-8"), re.MULTILINE))
    named = {target for text in TEXTS.values() for target in re.findall(r"`make ([a-z-]+)", text)}
    assert named <= targets


def test_files_that_are_named_exist_unless_a_run_makes_them() -> None:
    named = {
        (name, path)
        for name, text in TEXTS.items()
        for path in re.findall(r"`((?:stream|tests|deploy|schemas|bench|docs)/[\w./-]*[\w/])`", text)
    }
    made = ("tests/out/", "bench/out/")
    assert {(name, path) for name, path in named if not (path.startswith(made) or (TOP / path).exists())} == set()


def test_decisions_are_numbered_without_gaps_and_say_what_was_decided() -> None:
    records = sorted((TOP / "docs" / "decisions").glob("*.md"))
    assert [int(record.name[:4]) for record in records] == list(range(1, len(records) + 1))
    for record in records:
        text = record.read_text("utf-8")
        for heading in ("## Context", "## Decision", "## Why", "## Price"):
            assert heading in text, record.name
