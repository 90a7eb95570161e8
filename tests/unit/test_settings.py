from __future__ import annotations

import pytest

from stream.errors import SnapupError
from stream.local.settings import LocalSettings
from stream.settings import load_settings
from tests.support.candles import CANDLES


@pytest.mark.parametrize(
    ("misspelt", "meant"),
    [
        ("SNAPUP_HOLD_SM", "SNAPUP_HOLD_MS"),
        ("SNAPUP_BOOTSTRAP_SERVER", "SNAPUP_BOOTSTRAP_SERVERS"),
        ("SNAPUP_REDISURL", "SNAPUP_REDIS_URL"),
        ("SNAPUP_ALOWED_LATENESS_MS", "SNAPUP_ALLOWED_LATENESS_MS"),
    ],
)
def test_a_misspelt_variable_is_refused_with_what_was_meant(
    monkeypatch: pytest.MonkeyPatch, misspelt: str, meant: str
) -> None:
    monkeypatch.setenv(misspelt, "1")
    with pytest.raises(SnapupError, match=f"{misspelt} is not a setting: did you mean {meant}\\?"):
        load_settings()


def test_variables_of_others_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    others = [f"SNAPUP_{name.upper()}" for name in LocalSettings.model_fields]
    # What Kubernetes sets for a service named snapup, and what only tests read.
    others += ["SNAPUP_SERVICE_HOST", "SNAPUP_SERVICE_PORT", "SNAPUP_PORT_8080_TCP", "SNAPUP_SIMULATION_SEEDS"]
    for name in others:
        monkeypatch.setenv(name, "1")
    assert load_settings(hold_ms=1_000).hold_ms == 1_000


def test_limits_of_mechanics_are_rules_where_mechanics_are_known() -> None:
    settings = load_settings(mechanic_limits=" candles.away_max=7, candles.candles_max = 9 ")
    assert settings.rules(CANDLES).mechanics == {"candles": {"candles_max": 9, "away_max": 7}}
    assert settings.rules().mechanics == {}
    assert load_settings().rules(CANDLES).mechanics == CANDLES.limits({})


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("candles.no_such=7", "no limit is called 'candles.no_such'; there are: candles.away_max, candles.candles_max"),
        ("candles.away_max", "invalid literal"),
        ("candles.away_max=many", "invalid literal"),
        ("candles.away_max=0", "the least is 1"),
    ],
)
def test_a_limit_that_is_none_is_told(said: str, why: str) -> None:
    settings = load_settings(mechanic_limits=said)
    with pytest.raises(SnapupError, match=f"SNAPUP_MECHANIC_LIMITS={said}: .*{why}.*Say name.limit=number"):
        settings.rules(CANDLES)
