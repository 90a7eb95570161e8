"""What must never go back: where a transaction lands, and what an earlier owner had saved.

A topic that is deleted and made anew takes a worker's writes as if nothing had happened. An empty checkpoint topic
looks like a first start. Other facts reveal both: offsets only grow, and an owner leaves traces in the journal and
among the group's offsets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stream.exits import Exit
from stream.worker.tasks import FatalError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stream.worker.fetching import LogEnds


class Landings:
    """Where the batches of one owner landed. `least`: topic → the offset before which no later batch may land."""

    def __init__(self) -> None:
        self.least: dict[str, int] = {}

    def check(self, topic: str, partition: int, offset: int, state_topic: str) -> None:
        """Note where a batch landed. Call this before the commit, so that nothing is committed to a wrong log.

        Args:
            topic: the batch's topic.
            partition: the batch's partition.
            offset: the offset of its first record; -1 where the broker took the batch for a repetition.
            state_topic: the topic with the checkpoints.

        Raises:
            FatalError: the batch landed before an earlier one.
        """
        least = self.least.get(topic, 0)
        if 0 <= offset < least:
            what = (
                "The saved state is gone. Restore the topic, or start once with --accept-data-loss: then all that the "
                "input topics still hold is counted anew"
                if topic == state_topic
                else "What it held is gone, and with it what a replay would need; the counts are right. Start again to "
                "go on"
            )
            raise FatalError(
                Exit.DATA_LOSS,
                f"DATA LOSS: {topic}, partition {partition}, has gone back: a checkpoint would begin at offset "
                f"{offset}, the one before had reached {least}. Nothing was written. Was the topic made anew, or cut "
                f"off? {what}.",
            )
        self.least[topic] = max(least, offset + 1)


def refuse_lost_state(
    topics: Sequence[str], partition: int, ends: LogEnds, checkpoints: str, beside: Mapping[str, int]
) -> None:
    """Raise where no state is saved although an earlier owner saved some.

    Args:
        topics: full names of the input topics.
        partition: the partition.
        ends: the ends of the input topics, and the offsets that the group had committed.
        checkpoints: the topic without state.
        beside: topic → offset of its first record, for other topics that each owner writes.

    Raises:
        FatalError: an earlier owner left traces; the error names the first.
    """
    traces = [f"{topic} begins at offset {offset}" for topic, offset in beside.items()]
    traces += [
        f"the group had saved {topic} up to {committed}"
        for topic, begin, committed in zip(topics, ends.begin, ends.committed or (), strict=False)
        if committed > begin
    ]
    if traces:
        raise FatalError(
            Exit.DATA_LOSS,
            f"DATA LOSS: {checkpoints}, partition {partition}, holds no state, but an owner was there before: "
            f"{traces[0]}. Was the topic made anew? Restore it, or start once with --accept-data-loss: then all that "
            "the input topics still hold is counted anew. Delete the keys in Redis first, for epochs begin at 1 again.",
        )
