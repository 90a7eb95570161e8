"""What is refused before a worker joins its group, and what is only said."""

from __future__ import annotations

from collections import Counter

import pytest
from structlog.testing import capture_logs

from stream import topics
from stream.errors import SnapupError
from stream.exits import Exit
from stream.settings import Settings
from stream.worker.checkpoint import OutputTopics
from stream.worker.preflight import ABSENT_LOOKS, check_counts, check_limits, check_policies, check_present
from stream.worker.tasks import FatalError

INPUTS = ("live.likes", "live.orders")
SIGNAL_MAX: int = Settings.model_fields["signal_max_bytes"].default


def test_a_checkpoint_topic_that_deletes_is_refused() -> None:
    for policy in ("delete", "compact,delete"):
        with pytest.raises(SnapupError, match=rf"live\.checkpoints has cleanup\.policy={policy}"):
            check_policies({"live.checkpoints": {"cleanup.policy": policy}}, INPUTS, "live.checkpoints")


def test_an_input_topic_that_is_compacted_is_refused() -> None:
    for policy in ("compact", "compact,delete"):
        with pytest.raises(SnapupError, match=rf"live\.orders has cleanup\.policy={policy}: the key is the room"):
            check_policies({"live.orders": {"cleanup.policy": policy}}, INPUTS, "live.checkpoints")


@pytest.mark.parametrize("name", ["journal", "signals", "dead-letters"])
def test_another_topic_that_is_written_and_compacted_is_refused(name: str) -> None:
    """The journal has no keys, dead letters need not have one: a broker that compacts takes no record without."""
    logs = ["live.dead-letters", "live.signals", "live.journal"]
    with pytest.raises(SnapupError, match=rf"live\.{name} has cleanup\.policy=compact: of several records"):
        check_policies({f"live.{name}": {"cleanup.policy": "compact"}}, INPUTS, "live.checkpoints", logs)


def test_timestamps_of_the_producers_are_said_aloud() -> None:
    configs = {
        "live.checkpoints": {"cleanup.policy": "compact"},
        "live.likes": {"message.timestamp.type": "CreateTime"},
        "live.orders": {"message.timestamp.type": "LogAppendTime"},
    }
    with capture_logs() as lines:
        check_policies(configs, INPUTS, "live.checkpoints")
    assert [(line["log_level"], line.get("topics")) for line in lines] == [
        ("warning", None),  # of two kinds among the inputs
        ("warning", ["live.likes"]),
    ]


def test_settings_that_nobody_may_read_are_no_reason_not_to_start() -> None:
    with capture_logs() as lines:
        check_policies({}, INPUTS, "live.checkpoints")
    assert lines == []


def test_a_topic_that_stays_away_ends_the_process() -> None:
    absences: Counter[str] = Counter()
    for _ in range(ABSENT_LOOKS - 1):
        check_present({"live.likes": 4}, INPUTS, absences)
    check_present(dict.fromkeys(INPUTS, 4), INPUTS, absences)  # a broker that had just started
    for _ in range(ABSENT_LOOKS - 1):
        check_present({"live.likes": 4}, INPUTS, absences)
    with pytest.raises(FatalError, match=r"is not there any more\. Was the topic deleted") as caught:
        check_present({"live.likes": 4}, INPUTS, absences)
    assert caught.value.code is Exit.NOT_COPARTITIONED


def test_a_topic_with_other_partitions_than_at_the_start_ends_the_process() -> None:
    check_counts({"live.likes": 4, "live.orders": 4}, 4)
    check_counts({}, 4)
    with pytest.raises(FatalError, match=r"live\.orders has 6 partitions now, 4 when this worker started") as caught:
        check_counts({"live.likes": 4, "live.orders": 6}, 4)
    assert caught.value.code is Exit.FOREIGN_CHECKPOINT


def test_an_output_topic_that_takes_only_small_batches_is_refused_with_what_it_must_take() -> None:
    outputs = OutputTopics.of("live")
    declared = {spec.name: spec.config for spec in topics.declared("live") if spec.kind == "output"}
    check_limits(declared, outputs, SIGNAL_MAX)
    check_limits({}, outputs, SIGNAL_MAX)
    for name in ("checkpoints", "signals", "dead-letters", "journal", "claims"):
        small = declared | {f"live.{name}": {"max.message.bytes": "524288"}}
        with pytest.raises(
            SnapupError, match=rf"live\.{name} has max\.message\.bytes=524288, it must be at least \d+:"
        ):
            check_limits(small, outputs, SIGNAL_MAX)
    with pytest.raises(SnapupError, match=r"live\.checkpoints has max\.message\.bytes=1048588, it must be at least 80"):
        check_limits(declared | {"live.checkpoints": {"max.message.bytes": "1048588"}}, outputs, SIGNAL_MAX)
    with pytest.raises(SnapupError, match=r"live\.signals has max\.message\.bytes=1048576, it must be at least 30"):
        check_limits(declared, outputs, 3_000_000)
