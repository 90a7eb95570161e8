"""A mechanic for tests alone: people light candles, which burn down. It does everything that a mechanic may do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from msgspec import Meta, Struct

from stream.contract import examples
from stream.contract.catalogue import Catalogue, Forms, KindExamples
from stream.contract.events import Id, PersonEvent
from stream.core.mechanic import NEVER_MS, Batch, Installed, Mechanic, Scope
from stream.core.partition import PartitionFold
from stream.core.rules import Rules
from tests.support.events import Log, at
from tests.support.rooms import TOPICS

if TYPE_CHECKING:
    from collections.abc import Mapping


class Candle(PersonEvent, frozen=True, gc=False, kw_only=True, tag="candle"):
    """Somebody lights a candle, or puts a longer one in its place."""

    candle_id: Id
    burns_s: Annotated[int, Meta(ge=1, le=3_600)]


class Snuff(PersonEvent, frozen=True, gc=False, kw_only=True, tag="snuff"):
    """Somebody puts a candle away for ever."""

    candle_id: Id


class Candles(Struct):
    """What documents show: how many burn, have burnt down, were put away; seconds that the longest has left."""

    burning: int
    burnt: int
    away: int
    left_s: int


class CandleRow(Struct, array_like=True):
    """The moment until which a candle burns."""

    until_ms: int


class SavedCandles(Struct, array_like=True):
    """Which candles were put away, and how often time came."""

    away: list[str]
    elapsed: int = 0


class CandleFold(Mechanic):
    """Candles of one session."""

    NAME = "candles"
    KINDS = (Candle, Snuff)
    SAVED = SavedCandles
    ROW = CandleRow
    LIMITS: ClassVar[Mapping[str, int]] = {"candles_max": 50, "away_max": 1_000}

    def __init__(self, scope: Scope) -> None:
        super().__init__(scope)
        self.until_ms: dict[str, int] = {}
        self.burning: set[str] = set()
        self.away: set[str] = set()

    def fold(self, batch: Batch) -> list[bool]:
        return [self._take(event, at_ms) for event, at_ms in zip(batch.events, batch.at_ms, strict=True)]

    def _take(self, event: Candle | Snuff, at_ms: int) -> bool:
        name = event.candle_id
        if name in self.away:
            return False
        if isinstance(event, Snuff):
            if len(self.away) >= self.scope.limit("away_max"):
                self.scope.beyond("away_max")
                return False
            self.away.add(name)
            self.burning.discard(name)
            if self.until_ms.pop(name, None) is not None:
                self.touch(name)
            return True
        until_ms = at_ms + 1_000 * event.burns_s
        before_ms = self.until_ms.get(name)
        if before_ms is None and len(self.until_ms) >= self.scope.limit("candles_max"):
            self.scope.beyond("candles_max")
            return False
        if before_ms is not None and until_ms <= before_ms:
            return False
        self.until_ms[name] = until_ms
        self.burning.add(name)
        self.touch(name)
        return True

    def due_ms(self) -> int:
        return min((self.until_ms[name] for name in self.burning), default=NEVER_MS)

    def elapse(self, now_ms: int) -> None:
        self.burning = {name for name in self.burning if self.until_ms[name] > now_ms}

    def section(self, as_of_ms: int) -> Candles | None:
        if not self.until_ms and not self.away:
            return None
        left_ms = max((self.until_ms[name] for name in self.burning), default=as_of_ms) - as_of_ms
        burnt = len(self.until_ms) - len(self.burning)
        return Candles(len(self.burning), burnt, len(self.away), -(-left_ms // 1_000))

    def holds_until_ms(self, as_of_ms: int) -> int:
        if not self.burning:
            return NEVER_MS
        left_ms = max(self.until_ms[name] for name in self.burning) - as_of_ms
        return as_of_ms + (left_ms - 1) % 1_000 + 1

    def saved(self) -> SavedCandles:
        return SavedCandles(sorted(self.away))

    def row(self, key: str) -> CandleRow | None:
        until_ms = self.until_ms.get(key)
        return None if until_ms is None else CandleRow(until_ms)

    def restore(self, saved: SavedCandles, rows: Mapping[str, CandleRow]) -> None:
        self.away = set(saved.away)
        self.until_ms = {name: row.until_ms for name, row in rows.items()}
        self.burning = {name for name, until_ms in self.until_ms.items() if until_ms > self.scope.clock_ms}


_ID = ("/candle_id", "")
EXAMPLES = {
    "candle": KindExamples({**examples.PERSON, "candle_id": "red", "burns_s": 60}, {}, {"no-name": _ID}),
    "snuff": KindExamples({**examples.PERSON, "candle_id": "red"}, {}, {"no-name": _ID}),
}
FORMS = Forms("candles", (Candle, Snuff), Candles, EXAMPLES)
CANDLES = Installed(Catalogue((FORMS,)), (CandleFold,))

RULES = Rules(remember_sales_ms=9_000_000, ids_by_topic=True, mechanics=CANDLES.limits({}))


def new_log(rules: Rules = RULES) -> Log:
    """A partition that knows candles, at the beginning of its time."""
    log = Log(fold=PartitionFold(3, rules, TOPICS, mechanics=CANDLES))
    log.fold.advance(at(0), "tick")
    return log


def candle(name: str = "red", burns_s: int = 60, s: float = 0, number: int = 0) -> Any:
    """The event that lights a candle."""
    event_id = f"candle-{name}-{s}-{number}"
    return Candle(event_id=event_id, room_id="r1", event_time_ms=at(s), user_id="u1", candle_id=name, burns_s=burns_s)


def snuff(name: str = "red", s: float = 0) -> Any:
    """The event that puts a candle away."""
    return Snuff(event_id=f"snuff-{name}-{s}", room_id="r1", event_time_ms=at(s), user_id="u1", candle_id=name)


def section(log: Log) -> Candles | None:
    """What a document shows of candles now."""
    return getattr(log.overlay(), "candles", None)
