"""`encore`: a shop that rehearses, errs and takes it back, and sells the same coat in a second round.

6 000 people, a coat in two rounds under one `sale_id`, a scarf beside it. The show holds everything that a host may say
and take back, and everything that can become of a unit. All figures are assumptions.

    0 s   a rehearsal, which counts in nothing         80 s   the second round is announced
    6 s   the show begins                              86 s   the scarf's end is put off by fifty minutes, by mistake
    18 s  600 coats are on sale                        90 s   240 coats; the first refunds say "not coming back"
    24 s  2 000 scarves are announced, by mistake      94 s   the scarf's end is corrected
    30 s  there are 200                                104 s  its sale is closed by mistake
    48 s  all coats are taken, some not paid for, or   109 s  it was not
          on delivery; the coat's holds last 80 s
    56 s  150 more                                     116 s  all coats of the second round are taken
    66 s  these are taken too; carts are emptied       136 s  both sales end
    78 s  the first round is over                      137 s  one coat of some pairs is sent back, or some money
                                                      147 s  the show is over; some coats are still not paid for
"""

from __future__ import annotations

from bisect import bisect_right
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from stream.contract.events import Event, OrderLine
from stream.shows.delivery import Disturbance
from stream.shows.lines import line
from stream.shows.one_room import show_of_room
from stream.shows.plan import PartTaken, RoomPlan

if TYPE_CHECKING:
    from stream.shows.show import Show

NAME = "encore"
DURATION_MS = 150_000
REHEARSED_MS, BEGINS_MS, FIRST_ENTER_MS, QUIET_FROM_MS, OVER_MS = 2_000, 6_000, 9_000, 140_000, 147_000
PEOPLE, LIKES, COMMENTS, CLICKS = 6_000, 5_000, 1_500, 2_500

COAT_SALE, COAT, COAT_MINOR, COAT_LIST_MINOR = "coat-encore", "sku-881", 39_900, 89_900
FIRST_ROUND, RESTOCKED, SECOND_ROUND, PER_USER_LIMIT = 600, 150, 240, 2
FIRST_SAID_MS, FIRST_OPENS_MS, FIRST_ENDS_MS = 13_000, 18_000, 78_000
RESTOCK_MS, SECOND_SAID_MS, SECOND_OPENS_MS, SECOND_ENDS_MS = 56_000, 80_000, 90_000, 136_000

SCARF_SALE, SCARF, SCARF_MINOR, SCARF_LIST_MINOR = "scarf-encore", "sku-412", 5_900, 9_900
SCARVES_MISSAID, SCARVES, SCARVES_SOLD = 2_000, 200, 70
SCARF_SAID_MS, SCARF_OPENS_MS, SET_DOWN_MS = 24_000, 26_000, 30_000
SCARF_ENDS_MS, SCARF_ENDS_LATER_MS, MISSAID_END_MS = 120_000, 136_000, 3_120_000
PUT_OFF_MS, CORRECTED_MS, CLOSED_MS, UNCLOSED_MS = 86_000, 94_000, 104_000, 109_000

PAIRS_SHARE = 0.2
# What becomes of the coats' orders, by turns.
UNPAID_EACH, CANCELLED_EACH, REFUNDED_EACH, PART_OF_EACH = 12, 40, 30, 7
# After both sales, so that what can be bought in them stays as it was.
PARTS_MS, BUTTON_MINOR = (136_500, 139_500), 2_000
# Who has not paid by then may: half of those have until the end of the coat's own hold, the others pay on delivery.
COAT_HOLD_MS, ON_DELIVERY_EACH = 80_000, 24
# An order of the first round is undone before the second begins, or refunded in it.
REFUNDS_MS = {FIRST_OPENS_MS: (92_000, 130_000), SECOND_OPENS_MS: (126_000, 136_000)}
# Nobody cancels until all are taken.
REGRET_AFTER_MS = 3_000
# Later than any held-back cart-add arrives.
EMPTIED_FROM_MS, EMPTIED_UNTIL_MS = 66_000, 84_000
LOOKERS, EMPTY_THEIRS, TAKE_ONE_OUT, CARTED_AND_GONE_EACH = 260, 150, 30, 45


class _Purchase(NamedTuple):
    """`regret_ms`: the order is not cancelled before."""

    at_ms: int
    quantity: int
    regret_ms: int


class _Person(NamedTuple):
    enter_ms: int
    user_id: str


def build(seed: int, room_id: str = NAME) -> Show:
    """The show of one seed."""
    rng = Random(f"{NAME}/{seed}")
    plan = RoomPlan(room_id, f"en{seed}", DURATION_MS)
    plan.open_room(f"{NAME}-{seed}", BEGINS_MS)
    people = _audience(plan, rng)
    _host(plan)
    buyers = _Buyers(people, rng)
    _rush(plan, buyers, FIRST_ROUND, (FIRST_OPENS_MS + 300, 30_000), FIRST_OPENS_MS)
    _rush(plan, buyers, RESTOCKED, (RESTOCK_MS + 400, 10_000), FIRST_OPENS_MS)
    _rush(plan, buyers, SECOND_ROUND, (SECOND_OPENS_MS + 300, 26_000), SECOND_OPENS_MS)
    _scarves(plan, buyers)
    _lookers(plan, buyers)
    _crowd(plan, people, rng)
    plan.close_room(f"{NAME}-{seed}", OVER_MS)
    plan.events += _rehearsal(room_id, seed)
    disturbance = Disturbance(
        seed=seed, duration_ms=DURATION_MS, repeated_per_10k=200, held_back_per_10k=150, from_ms=FIRST_ENTER_MS
    )
    return show_of_room(NAME, seed, plan, disturbance)


def _rehearsal(room_id: str, seed: int) -> list[Event]:
    """What the crew tries before the show: a plan of its own, unknown to the show's figures."""
    plan = RoomPlan(room_id, f"en{seed}r", DURATION_MS)
    for number in range(6):
        user_id = f"crew{number}"
        plan.visit(user_id, [(100 * number, REHEARSED_MS)])
        plan.comment(user_id, 700 + 100 * number, "test test")
        plan.like(user_id, 800 + 100 * number, 99)
    lines = [OrderLine(sku_id=SCARF, quantity=3, amount_minor=3 * SCARF_MINOR)]
    plan.order("crew0", lines, "CNY", placed_ms=1_200, paid_ms=1_500)
    return plan.events


def _host(plan: RoomPlan) -> None:
    """Everything that the host says, in order of time."""
    price = {"price_minor": COAT_MINOR, "list_price_minor": COAT_LIST_MINOR, "currency": "CNY"}
    coat = {**price, "per_user_limit": PER_USER_LIMIT, "hold_ms": COAT_HOLD_MS}
    first = {"offered": FIRST_ROUND, "starts_at_ms": FIRST_OPENS_MS, "ends_at_ms": FIRST_ENDS_MS}
    second = {"offered": SECOND_ROUND, "starts_at_ms": SECOND_OPENS_MS, "ends_at_ms": SECOND_ENDS_MS}
    plan.open_sale(COAT_SALE, COAT, FIRST_SAID_MS, **first, **coat)
    plan.open_sale(
        SCARF_SALE,
        SCARF,
        SCARF_SAID_MS,
        offered=SCARVES_MISSAID,
        starts_at_ms=SCARF_OPENS_MS,
        ends_at_ms=SCARF_ENDS_MS,
        price_minor=SCARF_MINOR,
        list_price_minor=SCARF_LIST_MINOR,
        currency="CNY",
    )
    plan.set_down(SCARF_SALE, SCARF, SET_DOWN_MS, SCARVES)
    plan.restock(COAT_SALE, COAT, RESTOCK_MS, RESTOCKED)
    plan.open_sale(COAT_SALE, COAT, SECOND_SAID_MS, **second, **coat)
    plan.extend_sale(SCARF_SALE, SCARF, PUT_OFF_MS, MISSAID_END_MS)
    plan.extend_sale(SCARF_SALE, SCARF, CORRECTED_MS, SCARF_ENDS_LATER_MS, corrects="ends_at_ms")
    plan.close_sale(SCARF_SALE, SCARF, CLOSED_MS)
    plan.extend_sale(SCARF_SALE, SCARF, UNCLOSED_MS, SCARF_ENDS_LATER_MS, corrects="closed_at_ms")


# Shapes are numbers in the functions that draw them: shares and milliseconds, assumed, and named by their use there.
def _audience(plan: RoomPlan, rng: Random) -> list[_Person]:
    """All visitors, in order of coming. A third leaves again, some with a coat in the cart; no one comes twice."""
    span_ms = QUIET_FROM_MS - 10_000 - FIRST_ENTER_MS
    arrivals = sorted(FIRST_ENTER_MS + int(span_ms * rng.betavariate(1.1, 3.2)) for _ in range(PEOPLE))
    people = [_Person(at_ms, f"u{number:04d}") for number, at_ms in enumerate(arrivals)]
    for number, person in enumerate(people):
        leave_ms = person.enter_ms + 15_000 + int(rng.expovariate(1 / 40_000))
        leaves = number % 3 == 0 and leave_ms < QUIET_FROM_MS
        source = rng.choice(("feed", "follow", "search", "share"))
        plan.visit(person.user_id, [(person.enter_ms, leave_ms if leaves else None)], source=source)
        if leaves and number % CARTED_AND_GONE_EACH == 0:
            plan.cart(person.user_id, person.enter_ms + 8_000, COAT, 1, COAT_SALE)
    return people


class _Buyers:
    """Picks people who have been there for a while and stay, no one twice."""

    def __init__(self, people: list[_Person], rng: Random) -> None:
        self.rng = rng
        self._staying = [person for number, person in enumerate(people) if number % 3]
        self._enter_ms = [person.enter_ms for person in self._staying]
        self._taken: set[int] = set()

    def pick(self, at_ms: int) -> _Person:
        there = bisect_right(self._enter_ms, at_ms - 1_500)
        free = [number for number in range(there) if number not in self._taken]
        number = self.rng.choice(free)
        self._taken.add(number)
        return self._staying[number]


def _rush(plan: RoomPlan, buyers: _Buyers, units: int, when_ms: tuple[int, int], round_ms: int) -> None:
    """This many coats are ordered, slowly, faster, and the last ones slowly again."""
    from_ms, span_ms = when_ms
    quantities: list[int] = []
    while (left := units - sum(quantities)) > 0:
        quantities.append(min(left, 2 if buyers.rng.random() < PAIRS_SHARE else 1))
    moments = sorted(from_ms + int(span_ms * buyers.rng.betavariate(2.2, 1.8)) for _ in quantities)
    turn = buyers.rng.randrange(1_000)
    for number, (at_ms, quantity) in enumerate(zip(moments, quantities, strict=True), turn):
        _order(plan, buyers, _Purchase(at_ms, quantity, from_ms + span_ms + REGRET_AFTER_MS), number, round_ms)


def _order(plan: RoomPlan, buyers: _Buyers, purchase: _Purchase, number: int, round_ms: int) -> None:
    """One order for the coat: a click, a cart, and what becomes of it."""
    rng = buyers.rng
    placed_ms, quantity, regret_ms = purchase
    person = buyers.pick(placed_ms)
    cart_ms = max(person.enter_ms + 500, placed_ms - 500 - int(rng.expovariate(1 / 2_500)))
    plan.click(person.user_id, max(person.enter_ms + 200, cart_ms - 1_500), COAT)
    plan.cart(person.user_id, cart_ms, COAT, quantity, COAT_SALE)
    lines = [OrderLine(sku_id=COAT, quantity=quantity, amount_minor=quantity * COAT_MINOR, sale_id=COAT_SALE)]
    paid_ms = placed_ms + 900 + min(9_000, int(rng.expovariate(1 / 3_000)))
    if number % UNPAID_EACH == 0:
        terms = "cash_on_delivery" if number % ON_DELIVERY_EACH == 0 else None
        plan.order(person.user_id, lines, "CNY", placed_ms=placed_ms, payment_terms=terms)
        return
    if number % CANCELLED_EACH == 1:
        cancelled_ms = max(paid_ms, regret_ms) + rng.randrange(6_000)
        plan.order(person.user_id, lines, "CNY", placed_ms=placed_ms, paid_ms=paid_ms, cancelled_ms=cancelled_ms)
        return
    if number % REFUNDED_EACH != 2:
        part = None if number % PART_OF_EACH else _part(number, quantity)
        plan.order(person.user_id, lines, "CNY", placed_ms=placed_ms, paid_ms=paid_ms, part=part)
        return
    refunded_ms = rng.randrange(*REFUNDS_MS[round_ms])
    turn = number // REFUNDED_EACH % 3
    plan.order(
        person.user_id,
        lines,
        "CNY",
        placed_ms=placed_ms,
        paid_ms=paid_ms,
        refunded_ms=refunded_ms,
        # The parcel is lost; it is found after all; the host says nothing, so the unit is for sale again.
        comes_back=None if turn == 2 else False,
        back_after_all_ms=refunded_ms + 3_000 if turn == 1 else None,
    )


def _part(number: int, quantity: int) -> PartTaken:
    """One coat of a pair is sent back, or lost on its way; a single coat lacks a button, and gets cheaper."""
    at_ms = PARTS_MS[0] + number * 37 % (PARTS_MS[1] - PARTS_MS[0])
    if quantity == 1:
        return PartTaken(at_ms, 0, BUTTON_MINOR, comes_back=True)
    return PartTaken(at_ms, 1, COAT_MINOR, comes_back=number // PART_OF_EACH % 2 == 0)


def _scarves(plan: RoomPlan, buyers: _Buyers) -> None:
    """One scarf now and then, all of them paid for; none while the sale was closed by mistake."""
    from_ms, until_ms = SCARF_OPENS_MS + 500, SCARF_ENDS_LATER_MS - 3_000
    for number in range(SCARVES_SOLD):
        placed_ms = from_ms + (until_ms - from_ms) * number // SCARVES_SOLD
        if CLOSED_MS <= placed_ms < UNCLOSED_MS:
            placed_ms += UNCLOSED_MS - CLOSED_MS
        user_id = buyers.pick(placed_ms).user_id
        plan.cart(user_id, placed_ms - 400, SCARF, 1, SCARF_SALE)
        lines = [OrderLine(sku_id=SCARF, quantity=1, amount_minor=SCARF_MINOR, sale_id=SCARF_SALE)]
        plan.order(user_id, lines, "CNY", placed_ms=placed_ms, paid_ms=placed_ms + 900)


def _lookers(plan: RoomPlan, buyers: _Buyers) -> None:
    """People who cart the coat and do not get it: most empty the cart again, some take one of two out."""
    rng = buyers.rng
    for number in range(LOOKERS):
        carted_ms = FIRST_OPENS_MS + 2_000 + rng.randrange(38_000)
        user_id = buyers.pick(carted_ms).user_id
        plan.cart(user_id, carted_ms, COAT, 2, COAT_SALE)
        emptied_ms = rng.randrange(EMPTIED_FROM_MS, EMPTIED_UNTIL_MS)
        if number < EMPTY_THEIRS:
            plan.take_out(user_id, emptied_ms, COAT, sale_id=COAT_SALE if number % 2 else None)
        elif number < EMPTY_THEIRS + TAKE_ONE_OUT:
            plan.take_out(user_id, emptied_ms, COAT, 1, COAT_SALE)


def _crowd(plan: RoomPlan, people: list[_Person], rng: Random) -> None:
    """Clicks, taps and words of all visitors, until shortly before the end."""

    def somebody() -> tuple[str, int]:
        at_ms = FIRST_ENTER_MS + 2_000 + rng.randrange(QUIET_FROM_MS - FIRST_ENTER_MS - 2_000)
        return people[rng.randrange(max(1, bisect_right(people, (at_ms - 300, ""))))].user_id, at_ms

    for _ in range(CLICKS):
        user_id, at_ms = somebody()
        plan.click(user_id, at_ms, COAT if rng.random() < 0.7 else SCARF)
    for _ in range(LIKES):
        user_id, at_ms = somebody()
        plan.like(user_id, at_ms, 1 + min(59, int(rng.expovariate(1 / 11))))
    for _ in range(COMMENTS):
        user_id, at_ms = somebody()
        plan.comment(user_id, at_ms, line(rng))
