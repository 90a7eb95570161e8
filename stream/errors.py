"""The one error that a user sees as a sentence instead of a traceback.

Whatever can go wrong on a user's machine or in their settings is raised as `SnapupError`. `cli.main` prints it in red
and exits with its code. Any other exception is a bug of ours and keeps its traceback.
"""

from __future__ import annotations

import errno
from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

EXIT_FAILURE = 1
# Wrong usage, as the command-line parser has it; naming something that does not exist is wrong usage too.
EXIT_USAGE = 2
# The value of a setting with one of these in its name is never shown.
SECRET_WORDS = ("PASSWORD", "SECRET")


class SnapupError(Exception):
    """A failure that the user can mend.

    Args:
        message: one clear line that says what is wrong and what to do.
        exit_code: the exit code of the process; 2 is left to wrong usage, as the command-line parser has it.
    """

    def __init__(self, message: str, *, exit_code: int = EXIT_FAILURE) -> None:
        super().__init__(message)
        self.message = message
        self.exit_code = exit_code


class UsageError(SnapupError):
    """A command cannot take what the user gave, or the words do not go together; exit code 2."""

    def __init__(self, message: str) -> None:
        super().__init__(message, exit_code=EXIT_USAGE)


class NoSuchError(UsageError):
    """The room, topic, file, scenario or the like that the user named is not there; exit code 2."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A sentence with the nearest known name, after a space; empty when none is near."""
    nearest = get_close_matches(name, list(known), 1)
    return f" Did you mean {nearest[0]!r}?" if nearest else ""


def explain_os_error(error: OSError) -> SnapupError | None:
    """The sentence for an operating-system error that a user can mend; None for any other error."""
    where = f": {error.filename}" if error.filename else ""
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return SnapupError(
                f"The disk is full{where}. Free some space, or point SNAPUP_CACHE_DIR and TMPDIR elsewhere."
            )
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return SnapupError(f"No permission{where}. Choose a folder that this user may write, or change its owner.")
        case errno.EADDRINUSE:
            return SnapupError(f"The address is in use{where}. Choose another port, or stop what listens there.")
        case _:
            return None


def bad_settings(error: ValidationError) -> SnapupError:
    """The sentence for what the environment or a flag got wrong: each setting, its value, what is allowed."""
    return SnapupError(f"Bad settings: {'; '.join(map(_problem, error.errors()))}")


def _problem(problem: ErrorDetails) -> str:
    name = f"SNAPUP_{'_'.join(map(str, problem['loc'])).upper()}"
    if not problem["loc"]:  # of several settings together: the input is all of them, secrets too
        return problem["msg"].removeprefix("Value error, ")
    if any(word in name for word in SECRET_WORDS):
        return f"{name}: {problem['msg']}"
    return f"{name}={problem['input']!r}: {problem['msg']}"
