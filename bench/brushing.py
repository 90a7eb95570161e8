"""How many made-up orders the rules of suspicion find, and how many honest ones they take for such.

    python -m bench.brushing                # kinds that were kept aside, honest shows, recorded days
    python -m bench.brushing --development  # kinds that the rules were made with
    python -m bench.brushing --write        # the first, and its tables into docs/signals.md
    python -m bench.brushing --draws        # the kinds that were kept aside, a hundred times each, without a show

Attacks (`bench/brushing_attacks.py`, `bench/brushing_held_out.py`) are added to honest shows: `snap-up`, and `brushing`
without its own fakes. An order is *suspected* when a rule suspects it at the end of the show. *Unit-seconds* are
counted each second of the show: units that fakes hold or have sold, and those of suspected orders; what is suspected
late counts less there. A false alarm is a second in which claims of an honest show or a recorded day are withheld as
`suspected_fake_orders`.
"""

from __future__ import annotations

import argparse
import sys
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from msgspec import convert
from msgspec.structs import asdict

from bench.brushing_attacks import DEVELOPMENT, Fakes, Target
from bench.brushing_held_out import HELD_OUT
from bench.claims import DATA, Case, write
from stream.contract.catalogue import topic_index_of
from stream.contract.events import TOPIC_NAMES, Comment, Enter, Like, Order, OrderStatus, ProductClick
from stream.core.partition import PartitionFold
from stream.core.standing import STANDINGS
from stream.core.suspects import looks_made_up
from stream.settings import load_settings
from stream.shows import build_show
from stream.verify.suspicion import OrderSeen, People, Thresholds, suspected

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from stream.core.order_state import OrderState

T0_MS = 1_507_636_800_000
LATENCY_MS = 20
# Scenario → its scale, and its sale.
HOSTS = {
    "brushing": (0.5, Target("brushing", "serum-drop", "sku-303", 10_000, 220_000, "CNY", 1_050)),
    "snap-up": (1.0, Target("snap-up", "coat-drop", "sku-881", 15_000, 130_000, "CNY", 5_400)),
}
SEEDS = {"brushing": (1, 2, 3, 4), "snap-up": (1,)}
# As large as a minute or so can fold; in their rooms of thousands of orders one made-up order changes nothing.
HONEST = (
    *(("brushing", 1.0), ("snap-up", 1.0), ("tadu-2019", 1.0)),
    *(("viya-2017", 0.005), ("jd-midnight", 0.02), ("long-tail", 0.01)),
)
# Draws of each kind and host, without the show.
DRAWS = 100
CHANCES = 20_000
_encode = msgspec.json.Encoder().encode


class Rec(NamedTuple):
    """The parts of a record that the core reads."""

    value: bytes | None
    key: bytes | None
    offset: int
    timestamp: int
    headers: tuple[tuple[str, bytes], ...] = ()


Sent = tuple[int, int, bytes, bytes]  # when (ms), topic, key, value


class Score(msgspec.Struct):
    """Counts over some shows: orders, then unit-seconds; `alarm_s`: seconds in which claims were withheld."""

    shows: int = 0
    fakes: int = 0
    suspected: int = 0
    found: int = 0
    fake_units: int = 0
    suspected_units: int = 0
    found_units: int = 0
    alarm_s: int = 0
    alarm_rooms: int = 0
    rooms: int = 0
    orders: int = 0

    def add(self, other: Score) -> None:
        """Add another score."""
        for name in self.__struct_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


def honest(name: str, seed: int, scale: float = 1.0) -> list[Sent]:
    """The deliveries of a scenario; `brushing` without the accounts that it makes up."""
    sent = []
    for each in build_show(name, seed, None, scale).deliveries(T0_MS):
        if name == "brushing" and b'"user_id":"b' in each.value:
            continue
        sent.append((each.send_ms, TOPIC_NAMES.index(each.topic.rpartition(".")[2]), each.key, each.value))
    return sent


def attacked(show: list[Sent], target: Target, fakes: Fakes) -> list[Sent]:
    """The deliveries of a show with an attack in it."""
    key = target.room_id.encode()
    more = []
    for event in fakes.events:
        dated = msgspec.structs.replace(event, event_time_ms=T0_MS + event.event_time_ms)
        more.append((event.event_time_ms + LATENCY_MS, topic_index_of(type(event)), key, _encode(dated)))
    return sorted([*show, *more], key=lambda sent: sent[0])


def measured(sent: Iterable[Sent], fakes: set[str], t0_ms: int, every_ms: int = 1_000, *, moves: bool = True) -> Score:
    """The score of a show, folded second by second; `moves`: whether to move the clock, for holds that run out."""
    fold = PartitionFold(0, load_settings().rules(), [f"live.{name}" for name in TOPIC_NAMES])
    score, offsets, waiting = Score(shows=1), [0] * len(TOPIC_NAMES), [[] for _ in TOPIC_NAMES]  # type: ignore[var-annotated]
    until_ms, alarms = -1, set[str]()
    orders: dict[str, OrderState] = {}
    for at_ms, topic, key, value in sent:
        if until_ms < 0:
            until_ms = at_ms + every_ms
        while at_ms >= until_ms:
            _fold(fold, waiting, t0_ms + until_ms if moves else None)
            _look(fold, fakes, score, orders, alarms)
            until_ms = max(until_ms + every_ms, at_ms // every_ms * every_ms)
        waiting[topic].append(Rec(value, key, offsets[topic], t0_ms + at_ms))
        offsets[topic] += 1
    _fold(fold, waiting, t0_ms + until_ms if moves else None)
    _look(fold, fakes, score, orders, alarms)
    suspects = {order.order_id for order in orders.values() if order.suspicion}
    score.orders, score.fakes = len(orders), len(fakes & orders.keys())
    score.suspected, score.found = len(suspects), len(suspects & fakes)
    score.rooms, score.alarm_rooms = len(fold.rooms), len(alarms)
    return score


def _fold(fold: PartitionFold, waiting: list[list[Rec]], now_ms: int | None) -> None:
    for topic, records in enumerate(waiting):
        if records:
            fold.fold(topic, records)
            waiting[topic] = []
    if now_ms is not None:
        fold.advance(now_ms, "tick")


def _look(fold: PartitionFold, fakes: set[str], score: Score, orders: dict[str, OrderState], alarms: set[str]) -> None:
    for room_id, room in fold.rooms.items():
        if not room.ledgers:
            continue
        overlay = fold.overlay(room_id)
        if overlay is not None and any(each.reason == "suspected_fake_orders" for each in overlay.withheld):
            score.alarm_s += 1
            alarms.add(room_id)
        orders |= room.orders
        for order in room.orders.values():
            is_fake = order.order_id in fakes
            if not (is_fake or order.suspicion):
                continue
            standing = STANDINGS[order.mask]
            units = sum(quantity for _, _, quantity in order.lines) * (standing.held + standing.sold)
            score.fake_units += units * is_fake
            score.suspected_units += units * bool(order.suspicion)
            score.found_units += units * (is_fake and bool(order.suspicion))


def attacks(kinds: dict[str, Any]) -> dict[str, Score]:
    """The score of each kind, hidden in each host."""
    scores = {kind: Score() for kind in kinds}
    for name, (scale, target) in HOSTS.items():
        for seed in SEEDS[name]:
            show = honest(name, seed, scale)
            for kind, attack in kinds.items():
                fakes = Fakes(target, Random(f"{kind}/{name}/{seed}"))
                attack(fakes)
                scores[kind].add(measured(attacked(show, target, fakes), fakes.order_ids, T0_MS))
                print(f"{kind} in {name} seed {seed}", file=sys.stderr, flush=True)
    return scores


def drawn(attack: Callable[[Fakes], None], target: Target, draw: str) -> tuple[int, int]:
    """Fakes of one attack, and how many of them the rules suspect at its end, by the recount's rules.

    Without the show, which need only tell that whoever pays is seen. So nothing is folded, and many can be drawn.
    """
    fakes = Fakes(target, Random(draw))
    attack(fakes)
    seen: dict[str, set[str]] = {"enter": set(), "click": set(), "engaged": set()}
    orders: dict[str, OrderSeen] = {}
    for event in fakes.events:
        at_ms = T0_MS + event.event_time_ms
        if isinstance(event, Order):
            products = frozenset((line.sale_id or "", line.sku_id) for line in event.lines)
            new = OrderSeen(
                event.order_id, event.user_id, event.device_id, products, at_ms, paid=False, undone_ms=None, here=True
            )
            order = orders.get(event.order_id, new)
            if event.status is OrderStatus.PAID:
                order = order._replace(paid=True)
            elif event.status is not OrderStatus.PLACED:
                order = order._replace(undone_ms=at_ms)
            orders[event.order_id] = order
        elif isinstance(event, Enter | ProductClick | Comment | Like):
            kind = "enter" if isinstance(event, Enter) else "click" if isinstance(event, ProductClick) else "engaged"
            seen[kind].add(event.user_id)
    honest_payers = {f"honest-{number}" for number in range(target.orders)}
    people = People(honest_payers, seen["enter"] | honest_payers, seen["click"], seen["engaged"])
    thresholds = convert(asdict(load_settings().rules()), Thresholds)
    return len(orders), len(suspected(orders.values(), people, thresholds))


def recalls(kinds: Mapping[str, Callable[[Fakes], None]]) -> list[str]:
    """A row for each kind and host: the share found at the end, over many draws, and in the worst draw."""
    lines = ["| kind | in | draws | fakes | recall | least of a draw |", "|---|---|---:|---:|---:|---:|"]
    for kind, attack in kinds.items():
        for name, (_, target) in HOSTS.items():
            counts = [drawn(attack, target, f"{kind}/{name}/draw {number}") for number in range(DRAWS)]
            fakes, found = map(sum, zip(*counts, strict=True))
            least = min(each / max(of, 1) for of, each in counts)
            lines.append(f"| `{kind}` | `{name}` | {DRAWS} | {fakes} | {_share(found, fakes)} | {least:.3f} |")
    return lines


def by_chance(count: int, within_s: int) -> float:
    """The share of people with this many orders of one product at random moments whom the rules suspect."""
    random, rules = Random(f"{count}/{within_s}"), load_settings().rules()
    times = (sorted(random.randrange(within_s) for _ in range(count)) for _ in range(CHANCES))
    return sum(looks_made_up(seconds, rules) for seconds in times) / CHANCES


def chance_table() -> list[str]:
    """A row for each number of orders."""
    spans_s = (60, 180, 600)
    lines = ["| orders | " + " | ".join(f"within {span_s} s" for span_s in spans_s) + " |", "|---:|---:|---:|---:|"]
    shares = {count: [f"{by_chance(count, span_s):.3f}" for span_s in spans_s] for count in (2, 3, 4, 5)}
    lines += [f"| {count} | " + " | ".join(row) + " |" for count, row in shares.items()]
    return lines


def recorded_day(path: Path) -> Iterable[Sent]:
    """The records of an imported file; each product of each order gets a sale, for without one no rule looks at it."""
    for record in Case(path.stem, path=path).records():
        topic, value = TOPIC_NAMES.index(record.topic), record.value or b""
        if record.topic == "orders":
            order = msgspec.json.decode(value)
            for line in order["lines"]:
                line["sale_id"] = "day"
            value = _encode(order)
        yield record.timestamp, topic, record.key or b"", value


def quiet() -> dict[str, Score]:
    """The scores of honest shows and recorded days."""
    scores = {}
    for name, scale in HONEST:
        what = f"`{name}`" if scale == 1 else f"`{name}`, {scale:g} of it"
        scores[what] = measured(honest(name, 1, scale), set(), T0_MS)
        print(name, file=sys.stderr, flush=True)
    for path in sorted(DATA.glob("*.csv")):
        # A day has hundreds of sales, so it is looked at once: an order once suspected stays so.
        scores[path.name] = measured(recorded_day(path), set(), 0, 10 * 24 * 3_600_000, moves=False)
        print(path.name, file=sys.stderr, flush=True)
    return scores


def attack_table(scores: dict[str, Score]) -> list[str]:
    """A row for each kind."""
    lines = [
        "| kind | shows | fakes | suspected | precision | recall | precision, unit-seconds | recall, unit-seconds |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for kind, s in scores.items():
        cells = (s.shows, s.fakes, s.suspected, _share(s.found, s.suspected), _share(s.found, s.fakes))
        cells += (_share(s.found_units, s.suspected_units), _share(s.found_units, s.fake_units))  # type: ignore[assignment]
        lines.append(f"| `{kind}` | " + " | ".join(str(cell) for cell in cells) + " |")
    return lines


def quiet_table(scores: dict[str, Score]) -> list[str]:
    """A row for each show or day."""
    lines = ["| what | orders | suspected | rooms | rooms with a false alarm |", "|---|---:|---:|---:|---:|"]
    for name, s in scores.items():
        lines.append(f"| {name} | {s.orders} | {s.suspected} | {s.rooms} | {s.alarm_rooms} |")
    return lines


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.3f}" if whole else "–"


def main() -> int:
    """The exit code; measures and prints."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--development", action="store_true", help="kinds that the rules were made with, no more")
    parser.add_argument("--write", action="store_true", help="write the tables into docs/signals.md")
    parser.add_argument("--draws", action="store_true", help="recall over many draws, no more")
    asked = parser.parse_args()
    if asked.draws:
        print(*recalls(HELD_OUT), *chance_table(), sep="\n")
        return 0
    if asked.development:
        print(*attack_table(attacks(DEVELOPMENT)), sep="\n")
        return 0
    tables = {"draws": recalls(HELD_OUT), "chance": chance_table(), "honest": quiet_table(quiet())}
    tables["attacks"] = attack_table(attacks(HELD_OUT))
    for lines in tables.values():
        print(*lines, sep="\n")
    has_days = any(DATA.glob("*.csv"))
    if not has_days:
        print(f"recorded days are MISSING: there is no {DATA}")
    if asked.write and has_days:
        write(tables)
    return 0


if __name__ == "__main__":
    sys.exit(main())
