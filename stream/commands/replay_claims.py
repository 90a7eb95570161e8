"""A recording replayed with every claim checked: the core makes the documents, the recount says what they must hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from stream.contract.reading import read_overlay
from stream.mechanics.folds import INSTALLED
from stream.mechanics.recounts import COUNTED_AGAIN
from stream.replay.recording import Replay
from stream.verify.claim_check import ClaimChecker, Tally
from stream.verify.claim_parts import claim_settings_of
from stream.verify.rulebook import assumptions_of_rules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from stream.contract.overlay import Overlay
    from stream.contract.recording import RecordedRecord
    from stream.core.publishing import Published
    from stream.core.rules import Rules


class CheckedReplay:
    """Follows a replay. `tally`: the claims checked so far.

    Args:
        rules: the rules of the core.
        prefix: the prefix of the topics.
        look: called with each document and its checker, before its claims are counted.
        began: called with each checker before it reads anything.
    """

    def __init__(
        self,
        rules: Rules,
        prefix: str,
        look: Callable[[Overlay, ClaimChecker], None] = lambda _overlay, _checker: None,
        began: Callable[[ClaimChecker], None] = lambda _: None,
    ) -> None:
        said = msgspec.structs.asdict(rules)
        self.tally = Tally()
        self._assumptions, self._settings = assumptions_of_rules(said), claim_settings_of(said)
        self._prefix = prefix
        self._look, self._began = look, began
        self._checkers: dict[int, ClaimChecker] = {}

    def fold(self, partition: int, topic: str, records: Sequence[RecordedRecord]) -> None:
        """Fold records that the replay folded."""
        checker = self._checkers.get(partition)
        if checker is None:
            checker = ClaimChecker(partition, self._prefix, self._assumptions, self._settings, COUNTED_AGAIN)
            self._checkers[partition] = checker
            self._began(checker)
        checker.fold(topic, records)

    def move(self, clock_ms: int) -> None:
        """Move the clock with the replay's."""
        for checker in self._checkers.values():
            checker.move(clock_ms)

    def published(self, published: Published) -> None:
        """Check a document of the replay."""
        overlay = read_overlay(published.document)
        if (checker := self.checker_of(published.room_id)) is not None:
            self._look(overlay, checker)
            self.tally.add(f"room {overlay.room_id} at {overlay.as_of_ms}", checker.check(overlay))

    def checker_of(self, room_id: str) -> ClaimChecker | None:
        """The checker of a room's partition; None if none knows the room."""
        return next((checker for checker in self._checkers.values() if room_id in checker.rooms), None)


def check_recording(
    records: Iterable[RecordedRecord], rules: Rules, prefix: str, every_ms: int, settle_ms: int = 0
) -> Tally:
    """The tally of the claims in a replay of these records, which must be in order.

    Raises:
        SnapupError: the recount contradicts itself.
    """
    checked = CheckedReplay(rules, prefix)
    Replay(rules, prefix, every_ms, checked.published, checked, mechanics=INSTALLED).run(records, settle_ms)
    return checked.tally
