"""One JSON line an event, whoever writes it."""

from __future__ import annotations

import json
import logging
import threading
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from stream.worker.logs import configure_logging

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
