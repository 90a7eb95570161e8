"""What is refused before a worker joins its group, and what is only said."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from stream.errors import SnapupError
from stream.worker.preflight import check_policies

INPUTS = ("live.likes", "live.orders")


def test_a_checkpoint_topic_that_deletes_is_refused() -> None:
    for policy in ("delete", "compact,delete"):
        with pytest.raises(SnapupError, match=rf"live\.checkpoints has cleanup\.policy={policy}"):
            check_policies({"live.checkpoints": {"cleanup.policy": policy}}, INPUTS, "live.checkpoints")


def test_timestamps_of_the_producers_are_said_aloud() -> None:
    configs = {
        "live.checkpoints": {"cleanup.policy": "compact"},
        "live.likes": {"message.timestamp.type": "CreateTime"},
        "live.orders": {"message.timestamp.type": "LogAppendTime"},
    }
    with capture_logs() as lines:
        check_policies(configs, INPUTS, "live.checkpoints")
    assert [(line["log_level"], line["topics"]) for line in lines] == [("warning", ["live.likes"])]


def test_settings_that_nobody_may_read_are_no_reason_not_to_start() -> None:
    with capture_logs() as lines:
        check_policies({}, INPUTS, "live.checkpoints")
    assert lines == []
