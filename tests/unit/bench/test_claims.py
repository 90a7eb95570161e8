"""A small run of `make claims`: every claim of two scenarios, recomputed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from msgspec import structs

from bench import claims
from bench.claims import cases, measured
from stream.commands import replay_claims
from stream.commands.claims_view import tally_lines
from stream.contract.reading import read_overlay
from stream.contract.recording import write_recording
from stream.shows import SCENARIOS
from stream.verify.claim_check import RIGHT, WRONG, Tally
from tests.unit.verify.test_claim_check import show

if TYPE_CHECKING:
    from pathlib import Path

    from stream.contract.overlay import Overlay


def test_every_claim_of_two_small_shows_is_right() -> None:
    total = Tally()
    for case in cases(small=True):
        _, tally, _ = measured(case)
        assert tally.of(RIGHT) > 500
        total.merge(tally)
    assert total.told == []
    assert total.of(WRONG) == 0
    *_, last = tally_lines(total)
    assert last.startswith("| all | in ")
    assert last.endswith("| 0 | 0 |")


@pytest.mark.parametrize(("change", "code"), [(0, 0), (-1, 1)], ids=["as it is", "falsified"])
def test_one_published_figure_that_is_not_the_logs_makes_it_end_with_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], change: int, code: int
) -> None:
    def published(document: bytes) -> Overlay:
        overlay = read_overlay(document)
        for place, claim in enumerate(overlay.claims):
            if claim.claim == "stock_left" and claim.value == 4:
                overlay.claims[place] = structs.replace(claim, value=4 + change)
        return overlay

    write_recording(tmp_path / "show.ndjson", show())
    monkeypatch.setattr(replay_claims, "read_overlay", published)
    monkeypatch.setattr(claims, "cases", lambda **_: [])
    monkeypatch.setattr(claims, "ProcessPoolExecutor", ThreadPoolExecutor)
    monkeypatch.setattr("sys.argv", ["claims", "--seconds", "--recordings", str(tmp_path)])
    assert claims.main() == code
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| `stock_left` | said |")]
    assert line.endswith("| 0 | 0 |") == (code == 0)


def test_every_scenario_is_among_what_is_checked() -> None:
    assert {case.name for case in cases(small=False) if case.path is None} == {*SCENARIOS}
