"""Access and its limits: tokens, hosts, CORS, and the headers that bind a browser."""

from __future__ import annotations

import ipaddress
import re
import time
from typing import TYPE_CHECKING

import structlog
from aiohttp import hdrs, web

from stream.serve.problems import Kind, ProblemError
from stream.serve.tokens import ALL_ROOMS, Grant, TokenError, TokenExpiredError, Tokens

if TYPE_CHECKING:
    from collections.abc import Iterable

log = structlog.get_logger("stream.serve.access")

# For pages: scripts and styles from this server only, nothing inline, framed only by our own builder. Pictures also
# from the hosts of the setting.
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:{}; font-src 'self'; "
    "connect-src 'self'; frame-src 'self'; frame-ancestors 'self'; base-uri 'none'; form-action 'none'"
)
# For everything else, which is data: a browser that opens it shows text, not a page.
DATA_POLICY = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    # The address of a page may hold a token.
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Server": "snapup",
}
CORS_ALLOW = "Authorization, If-None-Match, Last-Event-ID, Cache-Control"
CORS_EXPOSE = "ETag, Retry-After, Snapup-Time-Ms, Snapup-State, Snapup-Pipeline"
CORS_METHODS = "GET, HEAD"
CORS_MAX_AGE_S = 600
# Only paths that other sites may need: the data, and the module that reads it.
CORS_PATHS = ("/v1/", "/openapi.json", "/static/")
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})

# In small letters, as a browser writes a host. No `*`, no address: each host is one that somebody named.
_HOST = re.compile(r"(?=.{1,253}(?::|$))[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*(:[0-9]{1,5})?")
# Origins that were refused and written to the log, each once. Beyond the bound the log says no more of them.
MAX_ORIGINS_TOLD = 32
MAX_ORIGIN_CHARS = 200

_ORIGIN = re.compile(r"https?://[a-z0-9.\-\[\]:]+")
# The port that a browser leaves out of an origin.
_OWN_PORT = re.compile(r"(?<=\Ahttp://)([^/]*):80\Z|(?<=\Ahttps://)([^/]*):443\Z")


def parse_origins(text: str) -> frozenset[str]:
    """The allow-list of comma-separated origins, each as browsers write it: in small letters, without the usual port.

    `*` lets every page read, `null` pages opened from a file.

    Raises:
        ValueError: a part is no origin.
    """
    origins = {part.strip().rstrip("/").lower() for part in text.split(",") if part.strip()}
    for origin in origins - {"*", "null"}:
        if _ORIGIN.fullmatch(origin) is None:
            raise ValueError(f"{origin!r} is no origin: https://overlays.example is one")
    return frozenset(_OWN_PORT.sub(r"\1\2", origin) for origin in origins)


def parse_picture_hosts(text: str) -> tuple[str, ...]:
    """The hosts of a comma-separated list, in small letters, each once and in order: `cdn.example`, `cdn.example:8443`.

    Raises:
        ValueError: a part is no host.
    """
    hosts = {part.strip().lower() for part in text.split(",") if part.strip()}
    for host in hosts:
        if _HOST.fullmatch(host) is None:
            raise ValueError(f"{host!r} is no host: cdn.example is one, without https:// and without *")
    return tuple(sorted(hosts))


def page_policy(picture_hosts: Iterable[str] = ()) -> str:
    """The policy of pages that may show pictures from these hosts, over https."""
    return PAGE_POLICY.format("".join(f" https://{host}" for host in picture_hosts))


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a listening address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Access:
    """Decides who may read.

    Args:
        tokens: the tokens in use; None: no secret is set, and every process on this machine may read everything.
    """

    def __init__(self, tokens: Tokens | None) -> None:
        self._tokens = tokens

    def check(self, request: web.Request, room_id: str = ALL_ROOMS) -> Grant | None:
        """The grant that lets this request read the room; None if no token is needed.

        Raises:
            ProblemError: the request may not read it.
        """
        grant = self.grant(request)
        if grant is not None and not grant.allows(room_id):
            needed = "all rooms" if room_id == ALL_ROOMS else "this room"
            raise ProblemError(Kind.TOKEN_OTHER_ROOM, f"a token for {needed} is needed")
        return grant

    def grant(self, request: web.Request) -> Grant | None:
        """The grant of this request, whichever rooms it opens; None if no token is needed.

        Raises:
            ProblemError: there is no token, or it is not valid.
        """
        if self._tokens is None:
            return None
        token = _token_of(request)
        if not token:
            raise ProblemError(
                Kind.TOKEN_MISSING,
                "send `Authorization: Bearer …`, or `token=…` in the query; `snapup token` makes one",
            )
        try:
            return self._tokens.read(token, time.time())
        except TokenExpiredError as error:
            raise ProblemError(Kind.TOKEN_EXPIRED, str(error)) from None
        except TokenError as error:
            raise ProblemError(Kind.TOKEN_REFUSED, str(error)) from None

    def check_host(self, request: web.Request) -> None:
        """Without tokens, accept only this machine's own names. A foreign name that leads here is another site's.

        Raises:
            ProblemError: the request is for another host.
        """
        if self._tokens is not None:
            return
        name = re.sub(r":\d*\Z", "", request.headers.get(hdrs.HOST, "localhost")).lower()
        if name not in LOOPBACK_NAMES:
            raise ProblemError(
                Kind.FOREIGN_HOST, "without a token secret this server answers to localhost and 127.0.0.1 only"
            )


def _token_of(request: web.Request) -> str:
    scheme, _, token = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    return request.query.get("token", "")


def security_headers(*, page: bool, picture_hosts: Iterable[str] = ()) -> Iterable[tuple[str, str]]:
    """The headers of every answer; those of a page let it show pictures from the hosts."""
    yield from SECURITY_HEADERS.items()
    yield "Content-Security-Policy", page_policy(picture_hosts) if page else DATA_POLICY
    yield "X-Frame-Options", "SAMEORIGIN" if page else "DENY"


class Cors:
    """Decides which pages of other origins may read.

    Args:
        origins: the allow-list.
    """

    def __init__(self, origins: frozenset[str]) -> None:
        self._origins = origins
        self._told: set[str] = set()

    def headers(self, request: web.BaseRequest) -> dict[str, str]:
        """The CORS headers for this request's origin; none if it is not on the list."""
        if not request.path.startswith(CORS_PATHS):
            return {}
        if "*" in self._origins:
            return {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": CORS_EXPOSE}
        headers = {"Vary": "Origin"} if self._origins else {}
        origin = request.headers.get(hdrs.ORIGIN)
        if origin is not None and origin in self._origins:
            headers |= {"Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": CORS_EXPOSE}
        elif origin is not None and origin.partition("://")[2] != request.host:
            self._tell(origin[:MAX_ORIGIN_CHARS])
        return headers

    def _tell(self, origin: str) -> None:
        """Name the cure in the log: the page itself is told nothing by its browser."""
        if origin not in self._told and len(self._told) < MAX_ORIGINS_TOLD:
            self._told.add(origin)
            log.warning("a page of another origin was refused: SNAPUP_SERVE_CORS_ORIGINS lacks it", origin=origin)

    def preflight(self, request: web.Request) -> web.Response | None:
        """The answer to a preflight; None if the request is none, or its origin is not on the list."""
        if request.method != hdrs.METH_OPTIONS or hdrs.ACCESS_CONTROL_REQUEST_METHOD not in request.headers:
            return None
        if "Access-Control-Allow-Origin" not in self.headers(request):
            return None
        return web.Response(
            status=204,
            headers={
                "Access-Control-Allow-Methods": CORS_METHODS,
                "Access-Control-Allow-Headers": CORS_ALLOW,
                "Access-Control-Max-Age": str(CORS_MAX_AGE_S),
            },
        )
