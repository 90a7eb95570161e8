from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

import pytest

from stream.errors import SnapupError
from stream.kafka_clients import Brokers, Security, client_options
from stream.settings import load_settings

if TYPE_CHECKING:
    from pathlib import Path

PASSWORD = "hunter2-hunter2"  # noqa: S105
SCRAM = {"sasl_mechanism": "SCRAM-SHA-512", "sasl_username": "worker", "sasl_password": PASSWORD}
FAR = "kafka-0.example:9093"


def test_a_cluster_in_plain_text_is_its_addresses_and_nothing_else() -> None:
    assert client_options("a:1,b:2") == {"bootstrap_servers": "a:1,b:2"}
    assert client_options(load_settings(bootstrap_servers="a:1").brokers()) == {"bootstrap_servers": "a:1"}


def test_tls_and_sasl_go_to_every_client_under_the_names_of_aiokafka() -> None:
    options = client_options(load_settings(bootstrap_servers=FAR, security_protocol="SASL_SSL", **SCRAM).brokers())
    context = options.pop("ssl_context")
    assert options == {
        "bootstrap_servers": FAR,
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "worker",
        "sasl_plain_password": PASSWORD,
    }
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


def test_a_certificate_may_name_another_host_but_must_always_be_signed() -> None:
    brokers = load_settings(security_protocol="SSL", ssl_check_hostname=False).brokers()
    context = client_options(brokers)["ssl_context"]
    assert not context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (
            {"security_protocol": "SASL_SSL"},
            "needs SNAPUP_SASL_MECHANISM and SNAPUP_SASL_USERNAME and SNAPUP_SASL_PASS",
        ),
        ({"security_protocol": "SASL_SSL", **SCRAM, "sasl_password": ""}, "needs SNAPUP_SASL_PASSWORD too"),
        (SCRAM, "SNAPUP_SASL_MECHANISM is set, but SNAPUP_SECURITY_PROTOCOL=PLAINTEXT shows no password"),
        ({"security_protocol": "SSL", "sasl_username": "worker"}, "SNAPUP_SASL_USERNAME is set, but .*=SSL shows no"),
        ({"ssl_cafile": "/ca.pem"}, "SNAPUP_SSL_CAFILE is set, but .*=PLAINTEXT is without TLS: set it to SSL"),
        ({"ssl_check_hostname": False}, "SNAPUP_SSL_CHECK_HOSTNAME is set, but .* is without TLS"),
        ({"security_protocol": "SASL_PLAINTEXT", **SCRAM, "ssl_certfile": "/c.pem"}, "set it to SASL_SSL"),
        ({"security_protocol": "SSL", "ssl_keyfile": "/key.pem"}, "A key without its certificate"),
        ({"security_protocol": "SSL", "ssl_key_password": PASSWORD}, "A key without its certificate"),
        ({"security_protocol": "TLS"}, "SNAPUP_SECURITY_PROTOCOL='TLS'"),
        ({"security_protocol": "SASL_SSL", **SCRAM, "sasl_mechanism": "GSSAPI"}, "SNAPUP_SASL_MECHANISM='GSSAPI'"),
        (
            {"bootstrap_servers": FAR, "security_protocol": "SASL_PLAINTEXT", **SCRAM, "sasl_mechanism": "PLAIN"},
            f"would send the password in clear text to {FAR}",
        ),
    ],
)
def test_what_does_not_fit_together_is_refused_with_a_sentence_and_without_the_password(
    flags: dict[str, str], said: str
) -> None:
    with pytest.raises(SnapupError, match=said) as refused:
        load_settings(**flags)
    assert refused.value.message.startswith("Bad settings: ")
    assert PASSWORD not in refused.value.message


@pytest.mark.parametrize("servers", ["127.0.0.1:9092", "localhost:9092", "[::1]:9092", "127.0.0.1:1, localhost:2"])
def test_a_password_in_clear_text_may_go_over_loopback(servers: str) -> None:
    plain = SCRAM | {"sasl_mechanism": "PLAIN", "security_protocol": "SASL_PLAINTEXT"}
    assert load_settings(bootstrap_servers=servers, **plain).brokers().principal() == "User:worker"


@pytest.mark.parametrize("name", ["token_secret", "sasl_password", "ssl_key_password"])
@pytest.mark.parametrize("text", [PASSWORD, f"{PASSWORD}\n", f"{PASSWORD}\r\n"])
def test_a_secret_may_come_from_a_file(tmp_path: Path, name: str, text: str) -> None:
    file = tmp_path / "secret"
    file.write_text(text, newline="")
    others: dict[str, dict[str, Any]] = {
        "token_secret": {},
        "sasl_password": {"security_protocol": "SASL_SSL", **SCRAM, "sasl_password": None},
        "ssl_key_password": {"security_protocol": "SSL", "ssl_certfile": "/certificate.pem"},
    }
    found = getattr(load_settings(**others[name], **{f"{name}_file": file}), name)
    assert found.get_secret_value() == PASSWORD


def test_a_secret_from_the_environment_may_come_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret").write_text(PASSWORD)
    monkeypatch.setenv("SNAPUP_TOKEN_SECRET_FILE", str(tmp_path / "secret"))
    secret = load_settings().token_secret
    assert secret is not None
    assert secret.get_secret_value() == PASSWORD


def test_a_secret_in_two_places_or_in_none_is_refused_and_not_shown(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(PASSWORD)
    with pytest.raises(SnapupError, match="SNAPUP_SASL_PASSWORD and SNAPUP_SASL_PASSWORD_FILE are both set") as both:
        load_settings(sasl_password=PASSWORD, sasl_password_file=file)
    assert PASSWORD not in both.value.message
    file.write_text("\n")
    with pytest.raises(SnapupError, match=r"SNAPUP_TOKEN_SECRET_FILE=.* is empty"):
        load_settings(token_secret_file=file)
    with pytest.raises(SnapupError, match=r"SNAPUP_TOKEN_SECRET_FILE=.*gone cannot be read: No such file"):
        load_settings(token_secret_file=tmp_path / "gone")
    file.write_bytes(b"\xff")
    with pytest.raises(SnapupError, match=r"SNAPUP_TOKEN_SECRET_FILE=.* cannot be read: it is not UTF-8"):
        load_settings(token_secret_file=file)


def test_no_secret_is_in_a_repr() -> None:
    settings = load_settings(security_protocol="SASL_SSL", **SCRAM, token_secret=PASSWORD)
    for text in (repr(settings), str(settings), repr(settings.brokers()), f"{settings.brokers()}"):
        assert PASSWORD not in text
    assert f"{settings.brokers()}" == settings.bootstrap_servers
    assert "worker" in repr(settings.brokers())


@pytest.mark.parametrize("name", ["cafile", "certfile", "keyfile"])
def test_a_file_that_cannot_be_read_is_named_with_its_setting(tmp_path: Path, name: str) -> None:
    there = tmp_path / "there.pem"
    there.write_text("")
    gone = tmp_path / "gone.pem"
    files: dict[str, Any] = {name: gone} if name == "cafile" else {"certfile": there, name: gone}
    with pytest.raises(SnapupError, match=f"SNAPUP_SSL_{name.upper()}=.*gone.pem cannot be read: No such file"):
        client_options(Brokers(FAR, Security(protocol="SSL", **files)))


def test_a_file_without_a_certificate_is_named(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    with pytest.raises(SnapupError, match=r"SNAPUP_SSL_CAFILE=.* holds no certificate in PEM form"):
        client_options(Brokers(FAR, Security(protocol="SSL", cafile=tmp_path / "ca.pem")))
    with pytest.raises(SnapupError, match=r"SNAPUP_SSL_CERTFILE=.* cannot be used with its key"):
        client_options(Brokers(FAR, Security(protocol="SSL", certfile=tmp_path / "ca.pem")))
