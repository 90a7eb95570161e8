"""`snapup explain` and `snapup claims check` of a recording, as people type them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from msgspec import structs
from typer.testing import CliRunner

from stream.cli import app
from stream.commands import explain as command
from stream.commands import replay_claims
from stream.commands.claims import tell
from stream.commands.moments import moment_ms, moment_words
from stream.contract.reading import read_overlay
from stream.contract.recording import write_recording
from stream.errors import NoSuchError, SnapupError
from stream.verify.claim_check import NOT_RECOUNTED, RIGHT, SAID, Judged, Tally
from stream.verify.explain import explain as explain_document
from tests.support.rooms import T0_MS
from tests.unit.verify.test_claim_check import event, show

if TYPE_CHECKING:
    from pathlib import Path

    from stream.contract.overlay import Overlay


@pytest.fixture
def recording(tmp_path: Path) -> str:
    write_recording(tmp_path / "show.ndjson", show())
    return str(tmp_path / "show.ndjson")


def falsified(document: bytes) -> Overlay:
    """The document as it would be with one unit less left than there is."""
    overlay = read_overlay(document)
    for place, claim in enumerate(overlay.claims):
        if claim.claim == "stock_left" and isinstance(claim.value, int):
            overlay.claims[place] = structs.replace(claim, value=claim.value - 1)
    return overlay


def test_a_room_is_explained_from_a_recording(recording: str) -> None:
    told = CliRunner().invoke(app, ["explain", "r", "--recording", recording])
    assert told.exit_code == 0, told.output
    assert "stock_left of sale s, SKU k: said, 4 items" in told.output
    assert "live.orders/0 from 0 up to 28, exclusive: 28 about it; the last 5, --full lists all" in told.output
    assert "EXPLAIN-HOLDS: 6 claims" in told.output


def test_one_claim_at_a_moment_as_json(recording: str) -> None:
    words = ["explain", "r", "--recording", recording, "--claim", "stock_left", "--at", "+8s", "--json"]
    told = CliRunner().invoke(app, words)
    (stock,) = json.loads(told.stdout)
    assert (stock["as_of_ms"], stock["published"]) == (T0_MS + 8_000, "above_display_threshold")
    assert stock["takes"] == "is said when at most 6 units are left; now 16"
    later = CliRunner().invoke(app, [*words[:-3], "--at", "+300s", "--json"])
    assert isinstance(later.exception, NoSuchError)  # the sale has ended: nothing is claimed of it


def test_a_claim_that_differs_ends_with_1(recording: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        command,
        "explain_document",
        lambda overlay, *others: explain_document(structs.replace(overlay, claims=[]), *others),
    )
    told = CliRunner().invoke(app, ["explain", "r", "--recording", recording])
    assert told.exit_code == 1
    assert "NOT what follows from the log" in told.output
    assert "EXPLAIN-DIFFERS: 5 of 6 claims" in told.output  # the sixth is withheld, as it must be


def test_one_published_figure_that_is_not_the_logs_ends_with_1(recording: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "read_overlay", falsified)
    told = CliRunner().invoke(app, ["explain", "r", "--recording", recording])
    assert told.exit_code == 1
    assert "value 3, not 4" in told.output
    assert told.output.splitlines()[-1].startswith("EXPLAIN-DIFFERS: 1 of 6 claims")


def test_one_published_figure_that_is_not_the_logs_makes_claims_check_end_with_1(
    recording: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay_claims, "read_overlay", falsified)
    told = CliRunner().invoke(app, ["claims", "check", recording])
    assert told.exit_code == 1
    assert told.stdout.splitlines()[-1].startswith("CLAIMS-WRONG: ")


@pytest.mark.parametrize(
    ("lost", "code", "line", "said"),
    [
        ({"known_since_ms": T0_MS + 10**9}, 0, "EXPLAIN-UNCHECKED: 6 claims", "not, for the room was forgotten"),
        (
            {"orders_displaced": 1},
            0,
            "EXPLAIN-HOLDS: 1 claims recomputed from the log, 5 not recounted",
            "not, for orders of",
        ),
        ({"orders_displaced": 1, "withheld": []}, 1, "EXPLAIN-DIFFERS: 1 of 6 claims", "not, for orders of"),
    ],
    ids=["nothing", "the room's", "and one is wrong"],
)
def test_what_was_not_recounted_neither_holds_nor_differs(
    recording: str, monkeypatch: pytest.MonkeyPatch, lost: dict[str, Any], code: int, line: str, said: str
) -> None:
    monkeypatch.setattr(
        command,
        "explain_document",
        lambda overlay, *others: explain_document(structs.replace(overlay, **lost), *others),
    )
    told = CliRunner().invoke(app, ["explain", "r", "--recording", recording])
    assert told.exit_code == code, told.output
    assert said in told.output
    assert told.output.splitlines()[-1].startswith(line)


def test_of_a_session_that_has_ended_it_is_said_when_and_what_to_ask(tmp_path: Path) -> None:
    opened = event("interactions", -5, "room_opened", show_id="evening")
    closed = event("interactions", 20_000, "room_closed", show_id="evening")
    write_recording(tmp_path / "show.ndjson", [opened, *show(), closed])
    words = ["explain", "r", "--recording", str(tmp_path / "show.ndjson")]
    told = CliRunner().invoke(app, words).exception
    assert isinstance(told, NoSuchError)
    assert told.message == (
        "The session of room r ended at 2023-11-14 22:13:40.000 UTC, and nothing is claimed of it since. Ask for a "
        "moment before that, such as --at 1700000019999."
    )
    assert told.exit_code == 2
    before = CliRunner().invoke(app, [*words, "--at", str(T0_MS + 19_999)])
    assert before.exit_code == 0, before.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["rr"], "Did you mean 'r'?"),
        (["r", "--claim", "stok_left"], "Did you mean 'stock_left'?"),
        (["r", "--claim", "sold_out"], "Nothing is claimed as sold_out of room r"),
    ],
)
def test_what_does_not_exist_is_said_so(recording: str, words: list[str], said: str) -> None:
    told = CliRunner().invoke(app, ["explain", *words, "--recording", recording])
    if isinstance(told.exception, NoSuchError):
        assert said in told.exception.message
        assert told.exception.exit_code == 2
    else:
        pytest.fail(told.output)


def test_the_claims_of_a_recording_are_counted(recording: str) -> None:
    told = CliRunner().invoke(app, ["claims", "check", recording])
    assert told.exit_code == 0, told.output
    assert told.stdout.splitlines()[-1].startswith("CLAIMS-RIGHT: ")
    assert "| `stock_left` | withheld: `above_display_threshold` |" in told.stdout
    counted = json.loads(CliRunner().invoke(app, ["claims", "check", recording, "--json"]).stdout)
    assert counted["wrong"] == []
    assert {each["verdict"] for each in counted["counted"]} == {"right"}
    assert isinstance(CliRunner().invoke(app, ["claims", "check"]).exception, SnapupError)


@pytest.mark.parametrize(
    ("verdicts", "line"),
    [
        ((), "NO-CLAIMS: 0 claims"),
        ((NOT_RECOUNTED,), "CLAIMS-UNCHECKED: 1 claims, 0 right, 0 wrong, 1 not recounted"),
        ((NOT_RECOUNTED, RIGHT), "CLAIMS-RIGHT: 2 claims, 1 right, 0 wrong, 1 not recounted"),
    ],
)
def test_where_nothing_was_recounted_nothing_is_called_right(
    verdicts: tuple[str, ...], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    tally = Tally()
    tally.add("here", [Judged("stock_left", ("s", "k"), SAID, verdict, "why") for verdict in verdicts])
    tell(tally, as_json=False)
    assert capsys.readouterr().out.splitlines()[-1].startswith(line)


def test_moments_are_read_as_people_write_them() -> None:
    assert moment_ms("2023-11-14T22:13:20Z", "--at") == moment_ms("2023-11-14 22:13:20", "--at") == T0_MS
    assert moment_ms("2023-11-15T06:13:20+08:00", "--at") == T0_MS
    assert moment_ms(str(T0_MS), "--at") == T0_MS
    assert moment_ms("+1.5s", "--at", T0_MS) == T0_MS + 1_500
    assert moment_words(T0_MS + 7) == "2023-11-14 22:13:20.007 UTC"
    for text, first_ms in (("+90s", None), ("yesterday", T0_MS), ("", None), ("+s", T0_MS)):
        with pytest.raises(SnapupError, match="give a moment such as"):
            moment_ms(text, "--at", first_ms)
