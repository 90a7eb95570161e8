"""Candles counted again, by their rules alone: see `candles`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stream.verify.recounted import Recounted
from tests.support.candles import Candle, CandleFold, Snuff

if TYPE_CHECKING:
    from stream.contract.events import Event
    from stream.contract.sections import Plain


class CandlesAgain(Recounted):
    """Each word kept, as it came."""

    NAME = "candles"
    KINDS = (Candle, Snuff)
    LIMITS = CandleFold.LIMITS

    def __init__(self, limits: dict[str, int]) -> None:
        super().__init__(limits)
        self._lit: dict[str, int] = {}  # candle → until when it burns
        self._away: set[str] = set()

    def note(self, event: Event, effective_ms: int) -> bool:
        assert isinstance(event, Candle | Snuff)
        name = event.candle_id
        if name in self._away:
            return False
        if isinstance(event, Snuff):
            self._away.add(name)
            return True
        until_ms = effective_ms + 1_000 * event.burns_s
        if until_ms <= self._lit.get(name, -1):
            return False
        self._lit[name] = until_ms
        return True

    def figures(self, as_of_ms: int) -> dict[str, Plain]:
        left_ms = [until_ms - as_of_ms for name, until_ms in self._lit.items() if name not in self._away]
        if not left_ms and not self._away:
            return {}
        burning = [each for each in left_ms if each > 0]
        return {
            "burning": len(burning),
            "burnt": len(left_ms) - len(burning),
            "away": len(self._away),
            "left_s": -(-max(burning, default=0) // 1_000),
        }
