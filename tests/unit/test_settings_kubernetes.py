"""What Kubernetes sets in every pod for a Service called snapup-… is not ours; a port that somebody chose is."""

from __future__ import annotations

import pytest

from stream.errors import SnapupError
from stream.settings import Settings, load_settings, set_by_kubernetes

SERVICES = [
    *("snapup", "snapup-serve", "snapup-metrics", "snapup-serve-metrics", "snapup-server", "snapup-redis"),
    *("snapup-redis-url", "snapup-bootstrap-servers", "snapup-service", "snapup-port", "snapup-metric"),
]
ADDRESSES = ["10.96.12.7", "[fd00:10:96::7]"]


def variables(service: str, address: str, protocol: str = "tcp") -> dict[str, str]:
    """As the kubelet makes them for a Service with two named ports."""
    name = service.upper().replace("-", "_")
    bare = address.strip("[]")
    found = {
        f"{name}_SERVICE_HOST": bare,
        f"{name}_SERVICE_PORT": "8080",
        f"{name}_SERVICE_PORT_HTTP": "8080",
        f"{name}_SERVICE_PORT_METRICS_TLS": "9465",
        f"{name}_PORT": f"{protocol}://{address}:8080",
    }
    for port in ("8080", "9465"):
        begin = f"{name}_PORT_{port}_{protocol.upper()}"
        found |= {
            begin: f"{protocol}://{address}:{port}",
            f"{begin}_PROTO": protocol,
            f"{begin}_PORT": port,
            f"{begin}_ADDR": bare,
        }
    return found


@pytest.mark.parametrize("protocol", ["tcp", "udp", "sctp"])
@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("service", SERVICES)
def test_variables_of_a_service_are_ignored(
    monkeypatch: pytest.MonkeyPatch, service: str, address: str, protocol: str
) -> None:
    plain = load_settings()
    for name, value in variables(service, address, protocol).items():
        assert set_by_kubernetes(name, value)
        monkeypatch.setenv(name, value)
    assert load_settings() == plain


@pytest.mark.parametrize("setting", [name for name in Settings.model_fields if name.endswith("_port")])
def test_every_port_of_ours_may_be_the_name_of_a_service_too(monkeypatch: pytest.MonkeyPatch, setting: str) -> None:
    monkeypatch.setenv(f"SNAPUP_{setting.upper()}", "tcp://10.96.12.7:8080")
    assert getattr(load_settings(), setting) == Settings.model_fields[setting].default
    assert getattr(load_settings(**{setting: 7}), setting) == 7


def test_no_setting_has_a_name_that_only_kubernetes_gives() -> None:
    assert [name for name in Settings.model_fields if set_by_kubernetes(f"SNAPUP_{name.upper()}", "1")] == []


@pytest.mark.parametrize(
    "wrong",
    [
        *("http://10.96.12.7:8080", "tcp://web:8080", "tcp://0.0.0.0:8080", "tcp://127.0.0.1:8080", "tcp://[::]:8080"),
        *("tcp://10.96.12.7", "tcp://10.96.12.777:8080", "70000", "80 80", "eighty", ""),
    ],
)
def test_a_wrong_port_that_somebody_chose_is_still_refused(monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    monkeypatch.setenv("SNAPUP_SERVE_PORT", wrong)
    with pytest.raises(SnapupError, match="SNAPUP_SERVE_PORT="):
        load_settings()


def test_an_address_where_no_port_is_asked_for_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SNAPUP_HOLD_MS", "tcp://10.96.12.7:8080")
    with pytest.raises(SnapupError, match="SNAPUP_HOLD_MS="):
        load_settings()
