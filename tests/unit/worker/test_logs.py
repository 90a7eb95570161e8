"""One JSON line an event, whoever writes it."""

from __future__ import annotations

import json
import logging
import threading
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from stream.worker.logs import MESSAGES_MAX, SAID_IN_S, SAID_MOST, Repetitions, configure_logging

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_ours_and_everybody_elses_lines_are_json_with_the_same_fields(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", group="g")
    structlog.get_logger("stream.worker.test").info("folded", partition=3)
    logging.getLogger("aiokafka.consumer").warning("heartbeat %s failed", 7)
    found = lines(capsys)
    assert [(line["event"], line["level"], line["group"]) for line in found] == [
        ("folded", "info", "g"),
        ("heartbeat 7 failed", "warning", "g"),
    ]
    assert found[0]["partition"] == 3
    assert found[0]["timestamp"].endswith("Z")


def test_lines_of_other_threads_have_the_fields_too(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", member="w1")
    thread = threading.Thread(target=lambda: structlog.get_logger("t").info("from a thread"))
    thread.start()
    thread.join()
    assert lines(capsys)[0]["member"] == "w1"


def test_an_exception_is_part_of_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info")
    structlog.get_logger("t").critical("a helper task failed", exc_info=ValueError("broken"))
    (line,) = lines(capsys)
    assert line["exception"][0]["exc_type"] == "ValueError"


def test_the_chatter_of_libraries_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info")
    logging.getLogger("faust.app").info("chatter")
    logging.getLogger("stream.worker").debug("detail")
    assert lines(capsys) == []


def test_what_a_library_repeats_is_written_some_times_and_then_counted(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info")
    now_s = 100.0
    (handler,) = logging.getLogger().handlers
    handler.filters[:] = [Repetitions(lambda: now_s)]
    library = logging.getLogger("aiokafka")
    for node in range(SAID_MOST + 20):
        library.warning("no connection to %s", node)
    library.warning("something else")
    assert [line["event"] for line in lines(capsys)] == [
        *(f"no connection to {node}" for node in range(SAID_MOST)),
        "something else",
    ]
    now_s += SAID_IN_S
    for node in range(SAID_MOST + 1):
        library.warning("no connection to %s", node)
    first, *others = lines(capsys)
    assert first["event"] == "no connection to 0 (and 20 more in the 10 s before)"
    assert len(others) == SAID_MOST - 1


def test_our_own_lines_and_critical_ones_always_pass(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info")
    for _ in range(SAID_MOST + 5):
        structlog.get_logger("stream.worker.assignment").info("partition live")
        logging.getLogger("faust").critical("it ends")
    assert len(lines(capsys)) == 2 * (SAID_MOST + 5)


def test_what_was_said_is_remembered_for_so_many_messages_only() -> None:
    repetitions = Repetitions(lambda: 1.0)
    for number in range(3 * MESSAGES_MAX):
        assert repetitions.filter(logging.LogRecord("faust", logging.WARNING, "", 0, f"made {number}", (), None))
    assert len(repetitions._said) <= MESSAGES_MAX
