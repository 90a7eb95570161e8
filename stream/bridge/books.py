"""The books of a bridge: every message gave events or has a reason.

`messages = gave + reasons`, checked by `unaccounted`. Notes are about messages that gave events.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from stream.contract.catalogue import type_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stream.bridge.reasons import Note, Reason
    from stream.contract.events import Event

# Enough of a line to find it by eye.
MAX_SHOWN_CHARS = 160
# Kinds that map to nothing are named, up to so many: platforms add some monthly.
MAX_KINDS = 200
OTHER_KINDS = "(others)"


class Books:
    """Counts of a bridge since its start.

    Attributes:
        lines: lines read; blank ones are left out.
        messages: messages in them.
        gave: messages that gave events.
        by_type: events by type.
        reasons: messages without events, by reason.
        notes: what was read into messages, by note.
        kinds: messages of kinds that map to nothing, by kind.
        first: reason → number of the first line with it, and its beginning.
    """

    def __init__(self) -> None:
        self.lines = 0
        self.messages = 0
        self.gave = 0
        self.by_type: Counter[str] = Counter()
        self.reasons: Counter[Reason] = Counter()
        self.notes: Counter[Note] = Counter()
        self.kinds: Counter[str] = Counter()
        self.first: dict[Reason, tuple[int, str]] = {}

    @property
    def events(self) -> int:
        """Number of events made."""
        return self.by_type.total()

    def note_events(self, events: Sequence[Event], notes: Counter[Note]) -> None:
        """A message gave these events."""
        self.gave += 1
        self.by_type.update(type_name(type(event)) for event in events)
        self.notes += notes

    def note_reason(self, reason: Reason, line: bytes) -> None:
        """A message gave none."""
        self.reasons[reason] += 1
        if reason not in self.first:
            self.first[reason] = self.lines, line[: 4 * MAX_SHOWN_CHARS].decode(errors="replace")[:MAX_SHOWN_CHARS]

    def note_kind(self, kind: str) -> None:
        """A message of a kind that maps to nothing."""
        name = kind[:MAX_SHOWN_CHARS] or "(none)"
        self.kinds[name if name in self.kinds or len(self.kinds) < MAX_KINDS else OTHER_KINDS] += 1

    def unaccounted(self) -> int:
        """Number of messages in no account: must be 0."""
        return self.messages - self.gave - self.reasons.total()
