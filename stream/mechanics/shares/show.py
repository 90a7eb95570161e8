"""`shares`: a room that is passed on, by a few channels much and by many a little.

The plan decides how often each channel is used and who shares before it writes an event: so the totals are known
beforehand. All figures and shapes are assumptions. Nobody in it buys anything.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from stream.contract.people import UNKNOWN_USER
from stream.mechanics.shares.events import Share
from stream.shows.delivery import Disturbance
from stream.shows.one_room import show_of_room
from stream.shows.plan import RoomPlan
from stream.shows.planned import Planned

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stream.contract.sections import Plain
    from stream.shows.show import Show

NAME = "shares"
DURATION_MS = 180_000
VIEWERS, SHARERS, UNKNOWN, NOT_SAID = 2_000, 260, 15, 40
CHANNELS_MAX = 16
# Channel → about how many shares. None of them comes near another, so that their order is known as well.
USED = {"wechat": 400, "link": 160, "weibo": 80, "qq": 40, "douyin": 20}
# Somebody's own: with those above eight more than are counted by name. Their names are longer, and equally long.
OWN = tuple(f"campaign-{letter}" for letter in "abcdefghijklmnopqrs")
OWN_SHARES = 3


class SharesPlanned(Planned):
    """The shares of one room.

    Args:
        room_id: the room.
        tag: begins every event id.
        by: channel → how often it is used.
        not_said: shares that name no channel.
        sharers: who shares; each at least once.
        unknown: of all shares, those of nobody in particular.
    """

    NAME = "shares"

    def __init__(
        self, room_id: str, tag: str, by: Mapping[str, int], not_said: int, sharers: Sequence[str], unknown: int
    ) -> None:
        self._room_id, self._tag = room_id, tag
        self._by, self._not_said, self._sharers, self._unknown = dict(by), not_said, list(sharers), unknown
        self._shares = sum(by.values()) + not_said
        if self._shares < len(sharers) + unknown:
            raise ValueError(f"{self._shares} shares are too few for {len(sharers)} sharers and {unknown} unknown")
        self._events: list[Share] = []

    def write(self, rng: Random, until_ms: int) -> None:
        """Make the events: everybody's first share, those of nobody, and the rest by anybody; channels at random."""
        people = [*self._sharers, *[UNKNOWN_USER] * self._unknown]
        people += rng.choices(self._sharers, k=self._shares - len(people))
        channels: list[str | None] = [channel for channel, shares in self._by.items() for _ in range(shares)]
        channels += [None] * self._not_said
        rng.shuffle(channels)
        self._events = [
            Share(
                event_id=f"{self._tag}-{number:x}",
                room_id=self._room_id,
                event_time_ms=rng.randrange(until_ms),
                user_id=user_id,
                channel=channel,
            )
            for number, (user_id, channel) in enumerate(zip(people, channels, strict=True))
        ]

    def events(self) -> Sequence[Share]:
        """As `Planned.events`."""
        return self._events

    def figures(self) -> dict[str, Plain]:
        """As `Planned.figures`."""
        named = sorted(self._by, key=lambda channel: (len(channel), channel))[:CHANNELS_MAX]
        figures: dict[str, Plain] = {
            "shares": self._shares,
            "sharers": len(self._sharers),
            "not_said": self._not_said,
            "other": sum(shares for channel, shares in self._by.items() if channel not in named),
        }
        named.sort(key=lambda channel: (-self._by[channel], len(channel), channel))
        for place, channel in enumerate(named, 1):
            figures[f"channels.{place}.channel"] = channel
            figures[f"channels.{place}.shares"] = self._by[channel]
        return figures


def build(seed: int, room_id: str = NAME) -> Show:
    """The show of one seed."""
    rng = Random(f"{NAME}/{seed}")
    plan = RoomPlan(room_id, f"sh{seed}", DURATION_MS)
    viewers = [f"{rng.choice('abcdefghijklmnop')}{number:04d}" for number in range(VIEWERS)]
    for user_id in viewers:
        plan.visit(user_id, [(rng.randrange(60_000), None)])
        if rng.random() < 0.4:
            plan.like(user_id, 60_000 + rng.randrange(90_000), rng.randint(1, 40))
    by = {channel: shares + rng.randrange(shares // 4) for channel, shares in USED.items()}
    by |= dict.fromkeys(OWN, OWN_SHARES)
    shares = SharesPlanned(room_id, f"shs{seed}", by, NOT_SAID, rng.sample(viewers, SHARERS), UNKNOWN)
    shares.write(rng, DURATION_MS)
    plan.add(shares)
    disturbance = Disturbance(seed=seed, duration_ms=DURATION_MS, repeated_per_10k=300, held_back_per_10k=0)
    return show_of_room(NAME, seed, plan, disturbance)
