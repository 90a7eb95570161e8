"""Errors by RFC 9457: a JSON object with a type, a title, a status and a detail. Every error answer is one."""

from __future__ import annotations

from enum import Enum
from http import HTTPStatus
from typing import TYPE_CHECKING

import msgspec
from aiohttp import web
from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Mapping

CONTENT_TYPE = "application/problem+json"


class ProblemKind(Enum):
    """Kinds of error of our own: (name, status, title). Errors that HTTP explains are `about:blank`."""

    def __init__(self, code: str, status: int, title: str) -> None:
        self.code = code
        self.status = status
        self.title = title

    @property
    def type(self) -> str:
        """The URI that names this kind."""
        return f"urn:snapup:problem:{self.code}"


class Kind(ProblemKind):
    """Every kind of the read server's."""

    BAD_ROOM_ID = ("bad_room_id", 400, "Not a room id")
    BAD_PARAMETER = ("bad_parameter", 400, "A parameter is not as it must be")
    TOKEN_MISSING = ("token_missing", 401, "A token is needed")
    TOKEN_REFUSED = ("token_refused", 401, "The token does not hold")
    TOKEN_EXPIRED = ("token_expired", 401, "The token has expired")
    TOKEN_OTHER_ROOM = ("token_other_room", 403, "The token is for another room")
    ROOM_MISSING = ("room_missing", 404, "No document of this room")
    HISTORY_MISSING = ("history_missing", 404, "No such history of this room")
    FOREIGN_HOST = ("foreign_host", 421, "Not the host that was asked for")
    TOO_MANY_REQUESTS = ("too_many_requests", 429, "Too many requests")
    TOO_MANY_STREAMS = ("too_many_streams", 429, "Too many streams")
    DOCUMENT_UNREADABLE = ("document_unreadable", 502, "What Redis holds is no document")
    REDIS_AWAY = ("redis_away", 503, "Redis does not answer")
    FULL = ("full", 503, "This server is full")
    STOPPING = ("stopping", 503, "This server is stopping")


class Problem(Struct, frozen=True, omit_defaults=True):
    """The body of an error; `parameter` names the one that was wrong."""

    type: str
    title: str
    status: int
    detail: str | None = None
    parameter: str | None = None


class ProblemError(Exception):
    """Answers the request with a problem.

    Args:
        kind: the kind of problem.
        detail: its meaning here, for the sender of the request.
        parameter: the wrong parameter of the request, if any.
        retry_after_s: the time after which a new try makes sense.
    """

    def __init__(
        self, kind: ProblemKind, detail: str, *, parameter: str | None = None, retry_after_s: float | None = None
    ) -> None:
        super().__init__(detail)
        self.problem = Problem(kind.type, kind.title, kind.status, detail, parameter)
        self.headers: dict[str, str] = {}
        if retry_after_s is not None:
            self.headers["Retry-After"] = str(max(1, round(retry_after_s)))
        if kind.status == HTTPStatus.UNAUTHORIZED:
            self.headers["WWW-Authenticate"] = 'Bearer realm="snapup"'


def plain_problem(status: int, detail: str | None = None) -> Problem:
    """A problem that the HTTP status alone explains."""
    return Problem("about:blank", HTTPStatus(status).phrase, status, detail)


def response(problem: Problem, headers: Mapping[str, str] | None = None) -> web.Response:
    """The problem as an answer that no cache keeps."""
    return web.Response(
        body=msgspec.json.encode(problem),
        status=problem.status,
        content_type=CONTENT_TYPE,
        headers={"Cache-Control": "no-store", **(headers or {})},
    )
