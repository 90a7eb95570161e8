"""What Redis and the way to it say: in their own words, and as one sentence for people.

A server that answers "wrong password" does answer: the sentence says whether it refused or did not answer, and what to
do about it.
"""

from __future__ import annotations

from asyncio import IncompleteReadError
from typing import TYPE_CHECKING, NamedTuple

from redis.exceptions import AuthenticationError, MovedError, RedisClusterException, ResponseError

from stream.redis_address import Mode

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stream.redis_address import RedisAddress

MOST_WORDS = 400
# The beginning when no Sentinel knows; what each Sentinel said follows.
NO_SENTINEL = "no Sentinel says who the master is"
_DOCS = "docs/operations.md#redis"
_LOGIN = "SNAPUP_REDIS_URL, SNAPUP_REDIS_PASSWORD or SNAPUP_REDIS_PASSWORD_FILE"
_SENTINELS_LOGIN = "SNAPUP_REDIS_SENTINEL_USERNAME and SNAPUP_REDIS_SENTINEL_PASSWORD"
# redis-py's words when no node of a cluster lets it in; the cause beneath says what follows as well.
_NO_NODE = "Redis Cluster cannot be connected"


class _Meaning(NamedTuple):
    """The meaning of an error with one of `signs` among its words."""

    signs: tuple[str, ...]
    what: str
    then: str


# The first that holds counts.
_REFUSALS = (
    _Meaning(
        ("WRONGPASS", "invalid username", "invalid password"),
        "does not let us in",
        f"The user or password is wrong: {_LOGIN}.",
    ),
    _Meaning(("NOAUTH", "Authentication required"), "asks who we are", f"Set user and password: {_LOGIN}."),
    _Meaning(("without any password",), "does not let us in", f"It knows no password: leave it out of {_LOGIN}."),
    _Meaning(("NOPERM",), "refuses what it was asked", f"Grant it, see {_DOCS}."),
    _Meaning(
        ("certificate is not valid for",),
        "shows the certificate of another host",
        f"Ask for it under the name in its certificate, see {_DOCS}.",
    ),
    _Meaning(
        ("CERTIFICATE_VERIFY_FAILED", "certificate verify failed"),
        "shows a certificate that is not to be trusted",
        "SNAPUP_REDIS_TLS_CA_FILE must hold the authority that signed it.",
    ),
    _Meaning(("Redis is loading",), "still reads its data", "Wait for it."),
)
_ENDED = ("Connection reset", "Connection closed by server")
# In TLS 1.3 a server checks the client's certificate after the client believes that all is well. If the client has
# written meanwhile, the server's words are lost and the connection is reset.
_NO_CERTIFICATE = "A server that asks for a certificate ends a connection so: SNAPUP_REDIS_TLS_CERT_FILE names none."


def words_of(error: BaseException, mode: Mode = Mode.ALONE) -> str:
    """The words of an error, with its cause when redis-py hides that."""
    code = getattr(error, "status_code", None)
    text = " ".join(str(error).split()) or type(error).__name__
    said = f"{code} {text}" if code and not text.startswith(code) else text
    if isinstance(error, RedisClusterException):
        beneath = error.__cause__ or error.__context__
        if beneath is not None:
            deeper = words_of(beneath, mode)
            if said.startswith(_NO_NODE):
                said = f"no node lets us in: {deeper}"
            elif deeper not in said:
                said = f"{said} ({deeper})"
    if isinstance(error, MovedError) and mode is not Mode.CLUSTER:
        said = f"MOVED {text}: this server is part of a cluster, write redis+cluster:// in SNAPUP_REDIS_URL"
    return said[:MOST_WORDS]


def without_secrets(text: str, secrets: Iterable[str]) -> str:
    """The text with each secret replaced."""
    for secret in secrets:
        text = text.replace(secret, "***")
    return text


def words_at(error: BaseException, address: RedisAddress) -> str:
    """As `words_of`, without secrets, and with what may be missing when Redis ended the connection wordlessly."""
    said = without_secrets(words_of(error, address.mode), address.secrets())
    return f"{said.rstrip('.')}. {_NO_CERTIFICATE}" if _may_want_certificate(error, address) else said


def _may_want_certificate(error: BaseException, address: RedisAddress) -> bool:
    if address.tls is None or address.tls.cert_file:
        return False
    beneath: BaseException | None = error
    while beneath is not None:
        if isinstance(beneath, ConnectionResetError | BrokenPipeError | IncompleteReadError):
            return True
        beneath = beneath.__cause__ or beneath.__context__
    return any(sign in str(error) for sign in _ENDED)


def sentence_of(error: BaseException, address: RedisAddress) -> str:
    """Which Redis, what it refused or that it does not answer, its own words, and what to do; no secrets."""
    words = without_secrets(words_of(error, address.mode), address.secrets())
    what, then = _meaning(error, words, address)
    called = address.called
    return f"{called[0].upper()}{called[1:]} {what} ({words.rstrip('.')}). {then}".rstrip()


def _meaning(error: BaseException, words: str, address: RedisAddress) -> tuple[str, str]:
    known = next((each for each in _REFUSALS if any(sign in words for sign in each.signs)), None)
    if words.startswith(NO_SENTINEL):
        return "cannot be found", _of_sentinels(known, words, address)
    if known is not None:
        return known.what, known.then
    if isinstance(error, MovedError):
        return "is one node of a cluster", ""
    if isinstance(error, ResponseError | AuthenticationError):
        return "refuses what it was asked", ""
    wants_certificate = _may_want_certificate(error, address)
    if wants_certificate or (address.tls is None and any(sign in words for sign in _ENDED)):
        wants_tls = "Is it a Redis, and does it want TLS (`rediss://`)? Else set SNAPUP_REDIS_URL."
        return "ends the connection", _NO_CERTIFICATE if wants_certificate else wants_tls
    does_it = "" if address.tls is None else " Does it speak TLS there?"
    return "does not answer", f"Start it, or set SNAPUP_REDIS_URL.{does_it}"


def _of_sentinels(known: _Meaning | None, words: str, address: RedisAddress) -> str:
    """What to do when no Sentinel says where the master is."""
    if known is not None:
        return known.then.replace(_LOGIN, _SENTINELS_LOGIN)
    if f"knows no {address.service!r}" in words:
        return "SNAPUP_REDIS_URL must name the service as the Sentinels do."
    return "Start the Sentinels, or set SNAPUP_REDIS_URL."
