"""A mechanic for tests alone: people pick apples. It stands in where any mechanic would do."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from msgspec import Struct

from stream.contract.catalogue import Catalogue, Forms, KindExamples
from stream.contract.events import Like, PersonEvent
from stream.contract.overlay import Count
from stream.shows.planned import Planned
from stream.verify.recounted import Mechanics, Recounted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from stream.contract.events import Event
    from stream.contract.sections import Plain


class Apple(PersonEvent, frozen=True, gc=False, kw_only=True, tag="apple"):
    """Somebody says how many apples of a tree they have picked so far."""

    tree: str
    picked: int


class Picker(Struct):
    """Somebody who picked."""

    who: str
    apples: int


class Apples(Struct):
    """What documents show."""

    apples: int
    pickers: Count
    cheers: int
    top: list[Picker]


class ApplesAgain(Recounted):
    """Keeps every word; the greatest of a person and tree counts. Likes are cheers."""

    NAME = "apples"
    KINDS = (Apple,)
    HEARS = (Like,)
    LIMITS: ClassVar[Mapping[str, int]] = {"top": 2}

    def __init__(self, limits: Mapping[str, int]) -> None:
        super().__init__(limits)
        self._said: list[tuple[str, str, int, int]] = []
        self._cheers = 0

    def note(self, event: Event, effective_ms: int) -> bool:
        if isinstance(event, Like):
            self._cheers += event.count
            return True
        assert isinstance(event, Apple)
        before = self._greatest(effective_ms).get((event.user_id, event.tree), 0)
        self._said.append((event.user_id, event.tree, event.picked, effective_ms))
        return event.picked > before

    def _greatest(self, as_of_ms: int) -> dict[tuple[str, str], int]:
        found: dict[tuple[str, str], int] = {}
        for user, tree, picked, at_ms in self._said:
            if at_ms <= as_of_ms:
                found[user, tree] = max(picked, found.get((user, tree), 0))
        return found

    def figures(self, as_of_ms: int) -> dict[str, Plain]:
        if not self._said:
            return {}
        of_user: dict[str, int] = {}
        for (user, _), picked in self._greatest(as_of_ms).items():
            of_user[user] = of_user.get(user, 0) + picked
        top = sorted(of_user.items(), key=lambda each: (-each[1], each[0]))[: self.limits["top"]]
        figures: dict[str, Plain] = {
            "apples": sum(of_user.values()),
            "pickers": len(of_user),
            "cheers": self._cheers,
        }
        for place, (who, apples) in enumerate(top, 1):
            figures |= {f"top.{place}.who": who, f"top.{place}.apples": apples}
        return figures


class ApplesPlanned(Planned):
    """This many pickers, each of whom says "1", "2", "3" and then "2" again."""

    NAME = "apples"

    def __init__(self, room_id: str, pickers: int) -> None:
        self._room_id, self._pickers = room_id, pickers
        self.repeated = pickers

    def events(self) -> Iterable[Event]:
        for number in range(self._pickers):
            for place, picked in enumerate((1, 2, 3, 2)):
                yield Apple(
                    event_id=f"apple-{number}-{place}",
                    room_id=self._room_id,
                    event_time_ms=1_000 * place + number,
                    user_id=f"u{number}",
                    tree="old",
                    picked=picked,
                )

    def figures(self) -> dict[str, Plain]:
        return {"apples": 3 * self._pickers, "pickers": self._pickers}


EXAMPLES = KindExamples({"tree": "old", "picked": 3}, {}, {})
CATALOGUE = Catalogue((Forms("apples", (Apple,), Apples, {"apple": EXAMPLES}),))
KNOWN = (("apples", ()),)  # in `Assumptions`
MECHANICS = Mechanics((ApplesAgain,), CATALOGUE)
