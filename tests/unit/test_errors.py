from __future__ import annotations

import errno

import pytest

from stream.errors import SnapupError, explain_os_error


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "The disk is full"),
        (errno.EACCES, "No permission"),
        (errno.EROFS, "No permission"),
        (errno.EADDRINUSE, "The address is in use"),
    ],
)
def test_what_a_user_can_mend_becomes_a_sentence_that_names_the_file(number: int, words: str) -> None:
    explained = explain_os_error(OSError(number, "text", "/some/file"))
    assert explained is not None
    assert explained.message.startswith(f"{words}: /some/file")


def test_any_other_os_error_stays_what_it_is() -> None:
    assert explain_os_error(OSError(errno.EIO, "text")) is None


def test_the_exit_code_is_1_unless_said() -> None:
    assert SnapupError("x").exit_code == 1
    assert SnapupError("x", exit_code=3).exit_code == 3
