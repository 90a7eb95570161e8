"""Where Redis is and as whom we come: read from the settings once, the same for every client, and safe to show.

Three ways of running Redis have a URL each, with `rediss` in place of `redis` for TLS:

- one server, or several behind one address: `redis://user:password@host:6379/0`, `unix:///run/redis.sock?db=0`
- Sentinel: `redis+sentinel://user:password@host1:26379,host2:26379/service/0`
- Redis Cluster: `redis+cluster://user:password@host1:6379,host2:6379`

An error never repeats a part of the URL: a part that does not fit may be a piece of the password.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl, unquote

from msgspec import Struct

from stream.errors import SnapupError

if TYPE_CHECKING:
    from collections.abc import Mapping

REDIS_PORT, SENTINEL_PORT = 6379, 26379
_LAST_PORT = 65_535
# The names that redis-py gives these options, so that a URL that worked goes on working.
OPTIONS = ("db", "username", "password", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_check_hostname")


class Mode(StrEnum):
    """How Redis is run."""

    ALONE = "alone"  # one server, or whatever stands behind one address
    SENTINEL = "sentinel"
    CLUSTER = "cluster"


SCHEMES = {
    "redis": (Mode.ALONE, False),
    "rediss": (Mode.ALONE, True),
    "unix": (Mode.ALONE, False),
    "redis+sentinel": (Mode.SENTINEL, False),
    "rediss+sentinel": (Mode.SENTINEL, True),
    "redis+cluster": (Mode.CLUSTER, False),
    "rediss+cluster": (Mode.CLUSTER, True),
}


class _Shown(Struct, frozen=True, kw_only=True):
    """Shows nothing secret, wherever it is printed."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def __rich_repr__(self) -> list[tuple[str, Any]]:  # msgspec's own would show every field
        return []


class Login(_Shown, frozen=True, kw_only=True):
    """A user and a password; the file's password counts more."""

    username: str = ""
    password: str = ""
    password_file: str = ""

    def read(self) -> tuple[str, str]:
        """User and password as they are now: the file may be replaced while we run.

        Raises:
            OSError: the file cannot be read.
        """
        if not self.password_file:
            return self.username, self.password
        return self.username, Path(self.password_file).read_text("utf-8").rstrip("\r\n")


class Tls(_Shown, frozen=True, kw_only=True):
    """Whom we trust, and our own certificate. The host must match its certificate unless `check_hostname` is off."""

    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    check_hostname: bool = True


class RedisAddress(_Shown, frozen=True, kw_only=True):
    """Everything that a client needs to know.

    Attributes:
        mode: how Redis is run.
        hosts: host and port of each named server: of the Sentinels with Sentinel, of some nodes with a cluster.
        path: the path of a Unix socket, in place of a host.
        service: its name at the Sentinels.
        db: the number of the database.
        login: at Redis.
        sentinel_login: at the Sentinels.
        tls: None: the connection is not encrypted.
    """

    mode: Mode = Mode.ALONE
    hosts: tuple[tuple[str, int], ...] = ()
    path: str = ""
    service: str = ""
    db: int = 0
    login: Login = Login()
    sentinel_login: Login = Login()
    tls: Tls | None = None

    def __str__(self) -> str:
        where = self._where()
        match self.mode:
            case Mode.SENTINEL:
                return f"{self.service} by Sentinel at {where}"
            case Mode.CLUSTER:
                return f"the cluster at {where}"
            case _:
                return f"{where}/{self.db}" if self.db else where

    @property
    def called(self) -> str:
        """Its name within a sentence."""
        match self.mode:
            case Mode.SENTINEL:
                return f"Redis {self.service!r}, known to the Sentinels at {self._where()},"
            case Mode.CLUSTER:
                return f"the Redis Cluster at {self._where()}"
            case _:
                return f"Redis at {self}"

    def _where(self) -> str:
        hosts = (f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in self.hosts)
        return self.path or ",".join(hosts)

    def __repr__(self) -> str:
        return f"<RedisAddress {self}>"

    def secrets(self) -> tuple[str, ...]:
        """What must not be printed, the longest first."""
        found = {each.password for each in (self.login, self.sentinel_login)}
        for each in (self.login, self.sentinel_login):
            try:
                found.add(each.read()[1])
            except (OSError, UnicodeDecodeError):  # then the file holds nothing that could be printed
                continue
        return tuple(sorted(found - {""}, key=len, reverse=True))


class AddressSettings(_Shown, frozen=True, kw_only=True):
    """The settings beside the URL, which count more than the URL."""

    password: str = ""
    password_file: str = ""
    sentinel_username: str = ""
    sentinel_password: str = ""
    sentinel_password_file: str = ""
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""


def beside_in(environment: Mapping[str, str]) -> AddressSettings:
    """The settings beside the URL, from an environment's variables."""

    def of(name: str) -> str:
        return environment.get(f"SNAPUP_REDIS_{name}", "")

    return AddressSettings(
        password=of("PASSWORD"),
        password_file=of("PASSWORD_FILE"),
        sentinel_username=of("SENTINEL_USERNAME"),
        sentinel_password=of("SENTINEL_PASSWORD"),
        sentinel_password_file=of("SENTINEL_PASSWORD_FILE"),
        ca_file=of("TLS_CA_FILE"),
        cert_file=of("TLS_CERT_FILE"),
        key_file=of("TLS_KEY_FILE"),
    )


def address_of(url: str | RedisAddress, beside: AddressSettings | None = None) -> RedisAddress:
    """The address of a URL and of the settings beside it; an address is returned as it is.

    Raises:
        SnapupError: the URL is none, names what does not go together, or a file is not there.
    """
    if isinstance(url, RedisAddress):
        return url
    beside = beside or AddressSettings()
    scheme, separator, rest = url.strip().partition("://")
    if not separator or scheme.lower() not in SCHEMES:
        raise _bad(f"it begins with one of {', '.join(f'{name}://' for name in SCHEMES)}")
    mode, encrypted = SCHEMES[scheme.lower()]
    rest, fragment, _ = rest.partition("#")
    if fragment:
        raise _bad("'#' has no place in it: write %23 if it belongs to the password")
    rest, _, query = rest.partition("?")
    options = _options(query)
    authority, slash, path = rest.partition("/")
    if "@" in path or "@" in query:
        raise _bad("in a user name or password, write %2F for '/', %3F for '?', %40 for '@' and %23 for '#'")
    user_and_password, _, places = authority.rpartition("@")
    place = _place(scheme.lower(), mode, places, slash + path, options)
    address = RedisAddress(
        mode=mode,
        login=_login(user_and_password, options, beside),
        sentinel_login=_sentinel_login(mode, beside),
        tls=_tls(options, beside, encrypted=encrypted),
        hosts=place.hosts,
        path=place.path,
        service=place.service,
        db=place.db,
    )
    _check_files(address)
    return address


def _bad(why: str) -> SnapupError:
    return SnapupError(f"SNAPUP_REDIS_URL is not the address of a Redis: {why}. redis://host:6379/0 is one.")


def _options(query: str) -> dict[str, str]:
    options = dict(parse_qsl(query, keep_blank_values=True))
    if not set(options) <= set(OPTIONS):
        raise _bad(f"behind the '?' there are {', '.join(OPTIONS)} only")
    return options


class _Place(NamedTuple):
    hosts: tuple[tuple[str, int], ...]
    path: str
    service: str
    db: int


def _place(scheme: str, mode: Mode, places: str, path: str, options: Mapping[str, str]) -> _Place:
    """The place in the URL: its hosts, path, service and database."""
    if scheme == "unix":
        if places or not path.strip("/"):
            raise _bad("a socket is unix:///path/of/the/socket?db=0")
        return _Place((), unquote(path), "", _db(options.get("db", "")))
    default_port = SENTINEL_PORT if mode is Mode.SENTINEL else REDIS_PORT
    hosts = tuple(_host(place.strip(), default_port) for place in (places or "localhost").split(","))
    if mode is Mode.ALONE and len(hosts) > 1:
        raise _bad("several hosts are a cluster (redis+cluster://) or Sentinels (redis+sentinel://)")
    parts = [unquote(part) for part in path.strip("/").split("/")] if path.strip("/") else []
    service = ""
    if mode is Mode.SENTINEL:
        if not parts:
            raise _bad("with Sentinel it names the service: redis+sentinel://host1:26379,host2:26379/service/0")
        service, parts = parts[0], parts[1:]
    if len(parts) > 1:
        raise _bad("behind the host there is a number of a database only")
    db = _db(options.get("db") or (parts[0] if parts else ""))
    if mode is Mode.CLUSTER and db:
        raise _bad("a cluster has database 0 only")
    return _Place(hosts, "", service, db)


def _host(place: str, default_port: int) -> tuple[str, int]:
    if place.startswith("["):
        host, bracket, port = place[1:].partition("]")
        if not bracket:
            raise _bad("an IPv6 address stands in brackets: [::1]:6379")
        port = port.removeprefix(":")
    else:
        host, _, port = place.partition(":")
    if not host:
        raise _bad("a host is missing")
    if not port:
        return unquote(host), default_port
    if not (port.isascii() and port.isdigit() and 0 < int(port) <= _LAST_PORT):
        raise _bad("a port is a number from 1 to 65535, and a password stands before an '@', with %2F for '/'")
    return unquote(host), int(port)


def _db(text: str) -> int:
    if not text:
        return 0
    if not (text.isascii() and text.isdigit()):
        raise _bad("the database is a number")
    return int(text)


def _login(user_and_password: str, options: Mapping[str, str], beside: AddressSettings) -> Login:
    username, _, password = user_and_password.partition(":")
    return Login(
        username=unquote(username) or options.get("username", ""),
        password=beside.password or unquote(password) or options.get("password", ""),
        password_file=beside.password_file,
    )


def _sentinel_login(mode: Mode, beside: AddressSettings) -> Login:
    login = Login(
        username=beside.sentinel_username,
        password=beside.sentinel_password,
        password_file=beside.sentinel_password_file,
    )
    if login != Login() and mode is not Mode.SENTINEL:
        raise SnapupError(
            "SNAPUP_REDIS_SENTINEL_… is set, and SNAPUP_REDIS_URL names no Sentinels: "
            "redis+sentinel://host1:26379,host2:26379/service/0 does."
        )
    return login


def _tls(options: Mapping[str, str], beside: AddressSettings, *, encrypted: bool) -> Tls | None:
    check = options.get("ssl_check_hostname", "true").lower()
    if check not in ("true", "yes", "1", "false", "no", "0"):
        raise _bad("ssl_check_hostname is true or false")
    tls = Tls(
        ca_file=beside.ca_file or options.get("ssl_ca_certs", ""),
        cert_file=beside.cert_file or options.get("ssl_certfile", ""),
        key_file=beside.key_file or options.get("ssl_keyfile", ""),
        check_hostname=check in ("true", "yes", "1"),
    )
    if encrypted:
        return tls
    if tls != Tls():
        raise SnapupError(
            "A certificate for Redis is set, and SNAPUP_REDIS_URL speaks no TLS: write rediss:// instead of redis://."
        )
    return None


def _check_files(address: RedisAddress) -> None:
    """Raise for a missing file now, not at each connection."""
    tls = address.tls or Tls()
    for variable, path in (
        ("SNAPUP_REDIS_PASSWORD_FILE", address.login.password_file),
        ("SNAPUP_REDIS_SENTINEL_PASSWORD_FILE", address.sentinel_login.password_file),
        ("SNAPUP_REDIS_TLS_CA_FILE", tls.ca_file),
        ("SNAPUP_REDIS_TLS_CERT_FILE", tls.cert_file),
        ("SNAPUP_REDIS_TLS_KEY_FILE", tls.key_file),
    ):
        if not path:
            continue
        try:
            found = Path(path).read_text("utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "not text"
            raise SnapupError(f"{variable}: {path} cannot be read ({why}).") from None
        if not found:
            raise SnapupError(f"{variable}: {path} is empty.")
    if tls.key_file and not tls.cert_file:
        raise SnapupError("SNAPUP_REDIS_TLS_KEY_FILE is set without SNAPUP_REDIS_TLS_CERT_FILE.")
