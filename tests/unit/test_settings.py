from __future__ import annotations

import pytest

from stream.errors import SnapupError
from stream.local.settings import LocalSettings
from stream.settings import load_settings


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
