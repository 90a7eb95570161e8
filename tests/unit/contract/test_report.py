from __future__ import annotations

import msgspec

from stream.contract.report import Check, ClaimsChecked, Differing, Report, Step


def check(differences: list[Differing], problems: list[str], wrong: int = 0) -> Check:
    claims = ClaimsChecked(documents=1, claims=2, right=2 - wrong, wrong=wrong, not_recounted=0, told=[], why_not=None)
    return Check(
        figures=2, epoch=1, rev=1, document_as_of_ms=0, differences=differences, problems=problems, claims=claims
    )


def test_a_check_holds_only_when_nothing_differs_and_nothing_is_in_the_way() -> None:
    assert check([], []).holds
    assert not check([Differing("likes", 1, 2)], []).holds
    assert not check([], ["records are missing"]).holds
    assert not check([], [], wrong=1).holds


def test_every_step_has_a_list_of_its_own() -> None:
    one, other = Step(start_ms=0), Step(start_ms=60_000)
    one.money.append(None)  # type: ignore[arg-type]
    assert other.money == []


def test_a_report_says_nothing_of_when_it_was_made() -> None:
    names = {field.name for field in msgspec.structs.fields(Report)}
    assert not {name for name in names if "made" in name or "created" in name}
