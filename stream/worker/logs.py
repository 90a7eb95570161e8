"""One JSON line per event on standard output; Faust, aiokafka and the standard library are routed into it."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

import structlog

if TYPE_CHECKING:
    from collections.abc import Mapping

    from structlog.typing import EventDict

# Chatty at INFO about what is none of an operator's business.
QUIET_LOGGERS = ("faust", "mode", "aiokafka", "asyncio", "aiohttp")


def configure_logging(level: str, **fields: Any) -> None:
    """Set up logging for the whole process.

    Args:
        level: of our own lines, "debug" to "critical"; libraries are shown from WARNING on, or from DEBUG with "debug".
        fields: put into every line.
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
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(number)
    for name in QUIET_LOGGERS:
        logging.getLogger(name).setLevel(number if number <= logging.DEBUG else max(number, logging.WARNING))


def _adding(fields: Mapping[str, Any]) -> Any:
    """A processor that puts the same fields into every line, whichever thread writes it."""

    def add(_logger: Any, _method: str, line: EventDict) -> EventDict:
        return {**fields, **line}

    return add
