"""Shares as the worker counts them: their sum, who shared, and by which channel.

Rows: one for each sharer (key: the user), until there are more than the bound and a sketch takes their place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from msgspec import Struct

from stream.core.distinct import Distinct
from stream.core.mechanic import Batch, Mechanic, Scope
from stream.mechanics.shares.events import Share
from stream.mechanics.shares.section import Channel, Shares

if TYPE_CHECKING:
    from collections.abc import Mapping


class SharerRow(Struct, array_like=True, frozen=True):
    """Somebody who shared: the key says who."""


class SavedShares(Struct, array_like=True):
    """The sums. `channels`: name → shares, of those counted by name; `sketch`: of sharers beyond the bound."""

    shares: int
    not_said: int
    channels: dict[str, int]
    sketch: bytes | None = None


SHARED = SharerRow()


class ShareFold(Mechanic):
    """Shares of one session."""

    NAME = "shares"
    KINDS = (Share,)
    SAVED = SavedShares
    ROW = SharerRow
    LIMITS: ClassVar[Mapping[str, int]] = {"sharers_max": 65_536, "channels_max": 16}

    def __init__(self, scope: Scope) -> None:
        super().__init__(scope)
        self.shares = self.not_said = 0
        self.channels: dict[str, int] = {}  # by name: those of the names that `_rank` puts first
        self.sharers = Distinct(scope.limit("sharers_max"))
        self._channels_max = scope.limit("channels_max")

    # -- what happens --------------------------------------------------------------------------------------------------
    def fold(self, batch: Batch) -> None:
        """As `Mechanic.fold`: every share counts."""
        for share in batch.events:
            self.shares += 1
            if share.user_id not in self.scope.strangers:
                self._shared(share.user_id)
            if share.channel is None:
                self.not_said += 1
            else:
                self._by(share.channel)

    def _shared(self, user_id: str) -> None:
        if user_id in self.sharers:
            return
        # Beyond the bound a sketch takes everybody's place, and the rows go.
        many = self.sharers.exact and len(self.sharers.members) >= self.sharers.exact_max
        gone = list(self.sharers.members) if many else []
        self.sharers.add(user_id)
        if self.sharers.exact:
            self.touch(user_id)
        else:
            self.scope.beyond("sharers_max")
        for each in gone:
            self.touch(each)

    def _by(self, channel: str) -> None:
        """Whatever the order is, the same names are left: one that is let go never would have come back."""
        self.channels[channel] = self.channels.get(channel, 0) + 1
        if len(self.channels) > self._channels_max:
            self.scope.beyond("channels_max", self.channels.pop(max(self.channels, key=_rank)))

    # -- what is shown -------------------------------------------------------------------------------------------------
    def section(self, as_of_ms: int) -> Shares:  # noqa: ARG002 — time changes nothing of it
        """As `Mechanic.section`."""
        most_first = sorted(self.channels.items(), key=lambda each: (-each[1], _rank(each[0])))
        return Shares(
            self.shares,
            self.sharers.published(),
            [Channel(name, shares) for name, shares in most_first],
            self.not_said,
            self.shares - self.not_said - sum(self.channels.values()),
        )

    # -- what is saved -------------------------------------------------------------------------------------------------
    def saved(self) -> SavedShares:
        """As `Mechanic.saved`."""
        sketch = None if self.sharers.exact else self.sharers.encoded_sketch()
        return SavedShares(self.shares, self.not_said, dict(sorted(self.channels.items())), sketch)

    def row(self, key: str) -> SharerRow | None:
        """As `Mechanic.row`."""
        return SHARED if key in self.sharers else None

    def restore(self, saved: SavedShares, rows: Mapping[str, SharerRow]) -> None:
        """As `Mechanic.restore`."""
        self.shares, self.not_said, self.channels = saved.shares, saved.not_said, dict(saved.channels)
        self.sharers.restore_members(rows)
        if saved.sketch is not None:
            self.sharers.restore_sketch(saved.sketch)


def _rank(channel: str) -> tuple[int, str]:
    """Decides which channels are counted by name, if there are too many: the platform's own have short names."""
    return len(channel), channel
