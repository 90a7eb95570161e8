"""A recording replayed with every claim checked: the core makes the documents, the recount says what they must hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from stream.contract.reading import read_overlay
from stream.mechanics.recounts import COUNTED_AGAIN
from stream.sources.replay import Replay
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
    """Follows a replay. `tally`: what was right so far.

    Args:
        rules: of the core.
        prefix: of the topics.
        look: is given each document and its checker, before its claims are counted.
        began: is given each checker before it has read anything.
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
        """Records were folded."""
        checker = self._checkers.get(partition)
        if checker is None:
            checker = ClaimChecker(partition, self._prefix, self._assumptions, self._settings, COUNTED_AGAIN)
            self._checkers[partition] = checker
            self._began(checker)
        checker.fold(topic, records)

    def move(self, clock_ms: int) -> None:
        """The clock was moved."""
        for checker in self._checkers.values():
            checker.move(clock_ms)

    def published(self, published: Published) -> None:
        """A document became due."""
        overlay = read_overlay(published.document)
        if (checker := self.checker_of(published.room_id)) is not None:
            self._look(overlay, checker)
            self.tally.add(f"room {overlay.room_id} at {overlay.as_of_ms}", checker.check(overlay))

    def checker_of(self, room_id: str) -> ClaimChecker | None:
        """Who follows the partition of a room."""
        return next((checker for checker in self._checkers.values() if room_id in checker.rooms), None)


def check_recording(
    records: Iterable[RecordedRecord], rules: Rules, prefix: str, every_ms: int, settle_ms: int = 0
) -> Tally:
    """How many claims were right in a replay of these records, which are in order.

    Raises:
        SnapupError: the recount contradicts itself.
    """
    checked = CheckedReplay(rules, prefix)
    Replay(rules, prefix, every_ms, checked.published, checked).run(records, settle_ms)
    return checked.tally
