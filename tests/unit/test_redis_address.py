"""An address says where Redis is in the usual words, and no error and no repr ever says the password."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.pretty import pretty_repr

from stream.errors import SnapupError
from stream.redis_address import AddressSettings, Login, Mode, Tls, address_of
from stream.settings import load_settings
from stream.verify.audit import Where

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "s3cret-Zz"  # noqa: S105 -- of nothing


@pytest.mark.parametrize(
    ("url", "mode", "hosts", "db"),
    [
        ("redis://host", Mode.ALONE, (("host", 6379),), 0),
        ("redis://host:6380/3", Mode.ALONE, (("host", 6380),), 3),
        ("redis://host?db=4", Mode.ALONE, (("host", 6379),), 4),
        ("REDIS://host/", Mode.ALONE, (("host", 6379),), 0),
        ("redis://[::1]:6380", Mode.ALONE, (("::1", 6380),), 0),
        ("redis://", Mode.ALONE, (("localhost", 6379),), 0),
        ("redis+sentinel://a,b:26380/shows/2", Mode.SENTINEL, (("a", 26379), ("b", 26380)), 2),
        ("redis+cluster://a:1,b:2", Mode.CLUSTER, (("a", 1), ("b", 2)), 0),
        ("redis+cluster://a:1/0", Mode.CLUSTER, (("a", 1),), 0),
    ],
)
def test_the_usual_forms_are_read(url: str, mode: Mode, hosts: tuple[tuple[str, int], ...], db: int) -> None:
    address = address_of(url)
    assert (address.mode, address.hosts, address.db, address.tls) == (mode, hosts, db, None)


def test_the_service_of_the_sentinels_is_the_first_part_of_the_path() -> None:
    assert address_of("redis+sentinel://a/my%2Fshows/2").service == "my/shows"


def test_user_and_password_are_what_they_are_when_decoded() -> None:
    assert address_of("redis://us%40er:p%2Fw@host").login == Login(username="us@er", password="p/w")
    assert address_of("redis://:pw@host").login == Login(password="pw")
    assert address_of("redis://host?username=u&password=p").login == Login(username="u", password="p")


def test_a_socket_has_a_path() -> None:
    address = address_of("unix://:pw@/run/redis.sock?db=2")
    assert (address.path, address.db, address.login.password) == ("/run/redis.sock", 2, "pw")


def test_tls_is_asked_for_by_the_scheme_and_checks_the_name() -> None:
    assert address_of("rediss://host").tls == Tls()
    assert address_of("rediss+cluster://host?ssl_check_hostname=false").tls == Tls(check_hostname=False)


@pytest.fixture
def certificate(tmp_path: Path) -> str:
    path = tmp_path / "ca.pem"
    path.write_text("a certificate")
    return str(path)


def test_certificates_come_from_settings_or_the_url(certificate: str) -> None:
    expected = Tls(ca_file=certificate, cert_file=certificate, key_file=certificate)
    beside = AddressSettings(ca_file=certificate, cert_file=certificate, key_file=certificate)
    assert address_of("rediss://host", beside).tls == expected
    query = f"ssl_ca_certs={certificate}&ssl_certfile={certificate}&ssl_keyfile={certificate}"
    assert address_of(f"rediss://host?{query}").tls == expected


def test_a_certificate_without_tls_is_refused(certificate: str) -> None:
    with pytest.raises(SnapupError, match="speaks no TLS: write rediss"):
        address_of("redis://host", AddressSettings(ca_file=certificate))


def test_a_file_that_is_missing_or_empty_is_named(tmp_path: Path) -> None:
    with pytest.raises(SnapupError, match=r"SNAPUP_REDIS_TLS_CA_FILE: .*none.pem cannot be read"):
        address_of("rediss://host", AddressSettings(ca_file=str(tmp_path / "none.pem")))
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(SnapupError, match=r"SNAPUP_REDIS_PASSWORD_FILE: .*empty is empty"):
        address_of("redis://host", AddressSettings(password_file=str(tmp_path / "empty")))


def test_the_password_in_a_file_counts_and_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_text("first\n")
    login = address_of("redis://user:other@host", AddressSettings(password_file=str(path))).login
    assert login.read() == ("user", "first")
    path.write_text("second\n")
    assert login.read() == ("user", "second")


def test_settings_of_sentinels_need_sentinels() -> None:
    beside = AddressSettings(sentinel_username="u", sentinel_password="p")
    assert address_of("redis+sentinel://a/shows", beside).sentinel_login == Login(username="u", password="p")
    with pytest.raises(SnapupError, match="names no Sentinels"):
        address_of("redis://host", beside)


MALFORMED = (
    "nonsense",
    f"{SECRET}",
    f"http://:{SECRET}@host:1",
    f"redis://user:{SECRET}",
    f"redis://user:{SECRET}@host:port/0",
    f"redis://user:{SECRET}@host:99999",
    f"redis://user:{SECRET}@host:0",
    f"redis://user:pa/{SECRET}@host",
    f"redis://user:pa?{SECRET}@host",
    f"redis://user:pa#{SECRET}@host",
    f"redis://user:{SECRET}@[::1:6379",
    f"redis://user:{SECRET}@a,b",
    f"redis://user:{SECRET}@host/one",
    f"redis://user:{SECRET}@host/1/2",
    f"redis://user:{SECRET}@host?{SECRET}=1",
    f"redis://user@host?password={SECRET}&db=x",
    f"redis+sentinel://user:{SECRET}@a,b",
    f"redis+cluster://user:{SECRET}@a,b/1",
    f"redis+cluster://user:{SECRET}@a,,b",
    f"unix://user:{SECRET}@host",
    f"rediss://user:{SECRET}@host?ssl_check_hostname={SECRET}",
)


@pytest.mark.parametrize("url", MALFORMED)
def test_an_address_that_is_none_is_one_sentence_without_the_password(url: str) -> None:
    with pytest.raises(SnapupError, match=r"^SNAPUP_REDIS_URL is not the address of a Redis: ") as caught:
        address_of(url)
    assert SECRET not in caught.value.message
    assert "\n" not in caught.value.message
    assert caught.value.__cause__ is None


@given(st.text(max_size=12), st.text(alphabet="@:/?#[],%&= \n", max_size=6), st.sampled_from(["", ":6379", ":x", "/0"]))
def test_whatever_stands_in_a_password_it_is_never_said(before: str, odd: str, after: str) -> None:
    url = f"redis://user:{before}{SECRET}{odd}{SECRET}@host{after}"
    try:
        address = address_of(url)
        said = f"{address} {address!r}"
    except SnapupError as error:
        said = error.message
    assert SECRET not in said


def test_nothing_that_holds_the_password_shows_it() -> None:
    settings = load_settings(redis_url=f"redis://user:{SECRET}@host/0")
    where = Where(bootstrap_servers="kafka:9092", redis_url=settings.redis(), prefix="live")
    for each in (settings, settings.redis(), where, settings.redis().login):
        assert SECRET not in f"{each!r} {each} {pretty_repr(each)}"
    assert str(settings.redis()) == "host:6379"
    assert settings.redis().secrets() == (SECRET,)


def test_passwords_come_from_variables_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SNAPUP_REDIS_URL", "redis+sentinel://worker@a/shows")
    monkeypatch.setenv("SNAPUP_REDIS_PASSWORD", SECRET)
    monkeypatch.setenv("SNAPUP_REDIS_SENTINEL_PASSWORD", f"{SECRET}-2")
    settings = load_settings()
    assert settings.redis().login == Login(username="worker", password=SECRET)
    assert settings.redis().secrets() == (f"{SECRET}-2", SECRET)
    assert SECRET not in repr(settings)
