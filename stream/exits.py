"""How worker and read server end on purpose: exit codes, and an end that nothing can hold up."""

from __future__ import annotations

import logging
import os
import sys
from enum import IntEnum
from typing import Any, NoReturn

import structlog

log = structlog.get_logger(__name__)


class Exit(IntEnum):
    """Exit codes beyond 0 (asked to stop) and 1 (could not start); docs/operations.md says what each asks for."""

    NOT_COPARTITIONED = 70
    FOLD_FAILED = 71
    HELPER_FAILED = 72
    DATA_LOSS = 73
    FOREIGN_CHECKPOINT = 74
    CONSUMER_FAILED = 75
    STALLED = 76
    SLOW_STOP = 77
    DUPLICATE_MEMBER = 78
    KAFKA_REFUSES = 79


def end_process(code: Exit, reason: str, **fields: Any) -> NoReturn:
    """Log the reason, and leave at once, without any clean-up that could hang or write."""
    log.critical(reason, exit_code=int(code), **fields)
    leave(code)


def leave(code: int) -> NoReturn:
    """End with this code, with everything said and nothing freed.

    The interpreter's own end looks through everything that a process remembers: seconds with an hour's orders.
    """
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(int(code))
