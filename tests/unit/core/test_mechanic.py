"""What a mechanic is, and which of them a partition was handed."""

from __future__ import annotations

import msgspec
import pytest

from stream.contract.catalogue import BUILT_IN, Catalogue
from stream.core.mechanic import NEVER_MS, NO_MECHANICS, Installed, Mechanic
from stream.core.rules import Rules
from tests.support.candles import CANDLES, FORMS, Candle, CandleFold, CandleRow, SavedCandles, Snuff


def test_catalogue_and_folds_name_the_same_mechanics() -> None:
    assert CANDLES.of_name == {"candles": CandleFold}
    assert CANDLES.name_of == {Candle: "candles", Snuff: "candles"}
    for catalogue, folds in ((BUILT_IN, [CandleFold]), (Catalogue((FORMS,)), [])):
        with pytest.raises(ValueError, match="the folds are"):
            Installed(catalogue, folds)
    with pytest.raises(ValueError, match="the folds are"):
        Installed(Catalogue((FORMS._replace(kinds=(Candle,)),)), [CandleFold])


def test_rules_say_which_are_known() -> None:
    assert CANDLES.under(Rules()).of_name == {}
    assert CANDLES.under(Rules()).catalogue is BUILT_IN
    assert CANDLES.under(Rules(mechanics={"candles": {}, "later": {}})) is CANDLES
    assert NO_MECHANICS.under(Rules(mechanics={"candles": {}})) is NO_MECHANICS


def test_limits_are_rules() -> None:
    assert CANDLES.limits({}) == {"candles": {"candles_max": 50, "away_max": 1_000}}
    assert CANDLES.limits({"candles.away_max": 7}) == {"candles": {"candles_max": 50, "away_max": 7}}
    assert CandleFold.LIMITS["away_max"] == 1_000


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (
            {"candles.no_such": 1},
            "no limit is called 'candles.no_such'; there are: candles.away_max, candles.c",
        ),
        ({"others.away_max": 1}, "no limit is called 'others.away_max'"),
        ({"away_max": 1}, "no limit is called 'away_max'"),
        ({"candles.away_max": 0}, "candles.away_max is 0, the least is 1"),
    ],
)
def test_a_limit_that_is_none_is_told(said: dict[str, int], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        CANDLES.limits(said)


def test_what_is_saved_is_read_back() -> None:
    saved = msgspec.msgpack.encode((1, SavedCandles(["a"])))
    assert CANDLES.saved_decoder("candles").decode(saved) == (1, SavedCandles(["a"]))
    # As a version wrote it that had one field less.
    assert CANDLES.saved_decoder("candles").decode(msgspec.msgpack.encode((1, (["a"],)))) == (1, SavedCandles(["a"]))
    assert CANDLES.row_of("candles", msgspec.msgpack.encode(CandleRow(5))) == CandleRow(5)
    assert CANDLES.row_of("candles", msgspec.Raw(msgspec.msgpack.encode(None))) is None


def test_a_plain_mechanic_does_nothing_by_time() -> None:
    class Plain(CandleFold):
        due_ms = Mechanic.due_ms
        holds_until_ms = Mechanic.holds_until_ms
        row = Mechanic.row  # type: ignore[assignment]
        elapse = Mechanic.elapse

    plain = Plain(scope=None)  # type: ignore[arg-type]
    assert plain.due_ms() == plain.holds_until_ms(5) == NEVER_MS
    assert plain.row("any") is None
    plain.elapse(5)
    plain.touch("a")
    plain.touch("a")
    assert list(plain.changed) == ["a"]
