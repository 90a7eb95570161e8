"""How an order came to its statuses; which orders the rules suspect is tested in `test_suspicion.py`, room by room."""

from __future__ import annotations

import pytest

from stream.core.order_state import OrderState
from stream.core.rules import Rules
from stream.core.standing import EXPIRED, HELD_AGAIN, KEPT, PAID, PLACED
from stream.core.suspects import Facts, facts_of, moves_of_session, note_move, was_placed_in
from tests.support.events import T0_S


@pytest.mark.parametrize(
    ("bits", "expected"),
    [
        ((1, 2), [(1, 1, 0), (2, 0, 1)]),  # placed, paid
        ((2, 1), [(1, 1, 1)]),  # paid, placed
        ((1, 16, 2), [(1, 1, 0), (2, -1, 0), (3, 1, 1)]),  # placed, run out, paid
        ((4, 1), []),  # cancelled before it was placed
        ((2, 8), [(1, 1, 1), (2, -1, -1)]),  # paid, refunded
        ((2, 8 | 32), [(1, 1, 1), (2, 0, -1)]),  # refunded, and it does not come back
        ((2, 8 | 32, 64), [(1, 1, 1), (2, 0, -1), (3, -1, 0)]),  # but later
        ((2, 4 | 64, 32), [(1, 1, 1), (2, -1, -1)]),  # it came back, whatever is said later
    ],
)
def test_moves_say_what_an_order_did_to_the_pace(bits: tuple[int, ...], expected: list[tuple[int, int, int]]) -> None:
    state = OrderState("o1", "u1", "CNY", 1, (("s1", "k1", 1),))
    for second, bit in enumerate(bits, 1):
        state.mask |= bit
        note_move(state, bit, second, 7)
    assert list(moves_of_session(state, 7)) == expected
    assert list(moves_of_session(state, 8)) == []


def test_moves_of_an_earlier_session_are_not_those_of_this_one() -> None:
    state = OrderState("o1", "u1", "CNY", 1, (("s1", "k1", 1),))
    state.mask = 1
    note_move(state, 1, T0_S, 7)
    assert was_placed_in(state, 7)
    state.mask = 3
    note_move(state, 2, T0_S + 9, 8)
    assert list(moves_of_session(state, 8)) == [(T0_S + 9, 0, 1)]
    assert not was_placed_in(state, 8)


@pytest.mark.parametrize("here", [7, 8])
def test_a_hold_that_goes_on_after_it_ran_out_is_a_move_also_where_it_ran_out_between_sessions(here: int) -> None:
    state = OrderState("o1", "u1", "CNY", 1, (("s1", "k1", 1),))
    state.mask = PLACED
    note_move(state, PLACED, 1, 7)
    if here == 7:
        state.mask |= EXPIRED
        note_move(state, EXPIRED, 2, 7)
    state.mask = PLACED | KEPT
    note_move(state, HELD_AGAIN, 3, here)
    state.mask |= PAID
    note_move(state, PAID, 4, here)
    before = [(1, 1, 0), (2, -1, 0)] if here == 7 else []
    assert list(moves_of_session(state, here)) == [*before, (3, 1, 0), (4, 0, 1)]
    assert facts_of(state, Rules()) == Facts(1, unpaid=False, undone=False)
