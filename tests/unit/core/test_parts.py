"""What is kept of parts, without their room; what they do to it is in `test_part_folds.py`."""

from __future__ import annotations

from itertools import permutations

from stream.core.order_state import OrderState
from stream.core.parts import MOVES_MAX, Parts, Word, word_of
from stream.core.standing import CANCELLED, PAID, PLACED, REFUNDED
from tests.unit.core.test_part_folds import part

LINES = (("s1", "k1", 3), ("s1", "k2", 1))


def order(mask: int = PAID) -> OrderState:
    return OrderState("o1", "u1", "CNY", 400, LINES, mask)


def word(units: int, amount: int = 0, of_units: int = 0, sku: str = "k1") -> Word:
    return Word(amount, units, (("s1", sku, units),) if units else (), of_units)


def test_a_word_has_what_touches_stock_and_the_money_of_all_lines() -> None:
    assert word_of(part(units=2, amount=50)) == Word(50, 2, (("s1", "k1", 2),), 0, (("k1", 50),))
    assert word_of(part(units=0, amount=50, restock=False)) == Word(50, 0, (), 1, (("k1", 50),))
    assert word_of(part(restock=True)) > word_of(part(restock=False)) > word_of(part())


def test_what_is_kept_of_many_words_does_not_depend_on_their_order() -> None:
    words = [("p1", word(1, 10)), ("p1", word(2, 5)), ("p2", word(1)), ("p3", word(1)), ("p0", word(1))]
    kept = set()
    for arranged in permutations(words):
        parts = Parts(LINES)
        for part_id, said in arranged:
            if parts.is_news(part_id, said, 3):
                parts.take(part_id, said, 3)
        kept.add(tuple(sorted(parts.said.items())))
    assert kept == {(("p0", word(1)), ("p1", word(1, 10)), ("p2", word(1)))}


def test_of_a_line_what_came_back_goes_first_and_no_more_than_there_is() -> None:
    parts, known = Parts(LINES), order()
    for part_id, said in (("p1", word(2, 0, 1)), ("p2", word(2)), ("p3", word(1, sku="k9"))):
        parts.take(part_id, said, 20)
    parts.cut(known)
    assert known.lines == (("s1", "k1", 0), ("s1", "k2", 1))
    keys = [line[:2] for line in LINES]
    for mask, units in (
        (PAID, [(0, 0, 2, 1), (0, 1, 0, 0)]),
        (PAID | REFUNDED, [(0, 0, 2, 1), (0, 0, 1, 0)]),
        (PLACED, [(0, 0, 2, 1), (1, 0, 0, 0)]),
        (CANCELLED, [(0, 0, 0, 0)] * 2),
    ):
        assert parts.stand(known, mask).units == dict(zip(keys, units, strict=True))


def test_moves_are_of_one_session_and_bounded() -> None:
    parts = Parts(LINES, 5, [(LINES[0][:2], 1, 1, 1, 1)])
    assert [*parts.moves_of(6)] == []
    for second in range(MOVES_MAX + 1):
        parts.note_move((LINES[0][:2], second, -1, -1, 0), 5)
    assert len([*parts.moves_of(5)]) == MOVES_MAX
    parts.note_move((LINES[0][:2], 1, -1, -1, 0), 6)
    assert [*parts.moves_of(6)] == [(LINES[0][:2], 1, -1, -1, 0)]
