"""One JSON line per event on standard output, also for events of Faust, aiokafka and the standard library.

A library's repetitions are counted and not written: while Kafka is away, aiokafka logs every attempt to connect, about
a hundred lines a second in each worker.
"""

from __future__ import annotations

import logging
import sys
import time
from typing import TYPE_CHECKING, Any

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from structlog.typing import EventDict

# At INFO these log much that is of no use to an operator.
QUIET_LOGGERS = ("faust", "mode", "aiokafka", "asyncio", "aiohttp")
OURS = "stream."
# How many lines one message of a library, without its arguments, may have in how long. Then follows a count.
SAID_MOST, SAID_IN_S = 5, 10.0
# More messages than the libraries have. Beyond this many all counts are dropped.
MESSAGES_MAX = 1_000


def configure_logging(level: str, **fields: Any) -> None:
    """Set up logging for the whole process.

    Args:
        level: the level of our own lines, "debug" to "critical". Libraries' lines are shown from WARNING on, or from
            DEBUG on with "debug".
        fields: the fields that go into every line.
    """
    number = logging.getLevelNamesMapping()[level.upper()]
    shared: list[Any] = [
        _adding(fields),
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.dict_tracebacks,
        structlog.processors.UnicodeDecoder(),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    handler.addFilter(Repetitions())
    handler.addFilter(without_secrets)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(number)
    for name in QUIET_LOGGERS:
        logging.getLogger(name).setLevel(number if number <= logging.DEBUG else max(number, logging.WARNING))


def without_secrets(record: logging.LogRecord) -> bool:
    """Whether a line holds no secret: at DEBUG, aiokafka logs the requests that hold its password."""
    return not any(type(each).__name__.startswith("SaslAuthenticate") for each in _arguments(record))


def _arguments(record: logging.LogRecord) -> Iterable[object]:
    return record.args if isinstance(record.args, tuple) else ()


class Repetitions(logging.Filter):
    """Lets a library log one message `SAID_MOST` times in `SAID_IN_S`. The next line says how many were left out.

    Our own lines and critical lines always pass.

    Args:
        now_s: a clock that never goes back, in seconds.
    """

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._now_s = now_s
        self._said: dict[tuple[str, str], tuple[float, int]] = {}  # (since when, how often)

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is written."""
        if record.name.startswith(OURS) or record.levelno >= logging.CRITICAL:
            return True
        what, now_s = (record.name, str(record.msg)), self._now_s()
        since_s, count = self._said.get(what, (now_s, 0))
        if now_s - since_s >= SAID_IN_S:
            if count > SAID_MOST:
                left_out = count - SAID_MOST
                record.msg = f"{record.msg} (and {left_out} more in the {now_s - since_s:.0f} s before)"
            since_s, count = now_s, 0
        if len(self._said) >= MESSAGES_MAX:
            self._said.clear()
        self._said[what] = since_s, count + 1
        return count < SAID_MOST


def _adding(fields: Mapping[str, Any]) -> Any:
    """A processor that puts the same fields into every line, in every thread."""

    def add(_logger: Any, _method: str, line: EventDict) -> EventDict:
        return {**fields, **line}

    return add
