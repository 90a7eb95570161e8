"""Seconds in each level of urgency, and in how many of them somebody had just bought: edition 1 beside edition 2.

    python -m bench.urgency            # all scenarios, three seeds each, and the kinds below; some minutes on two cores
    python -m bench.urgency --small    # few
    python -m bench.urgency --write    # into docs/signals.md too

A show is folded as a worker does that has read all there is, second by second. A level of a sale stands for a second
from the moment at which it was found; `bought` counts the seconds at whose end an order of that sale was placed or paid
at most 10 s before. The scenarios are those of `snapup simulate`; the other kinds were written for this table and set
no threshold.
"""

from __future__ import annotations

import argparse
import math
from collections import Counter, defaultdict
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from bench import measuring
from stream.contract.events import TOPIC_NAMES, Order, OrderStatus
from stream.contract.overlay import FIRST_SIGNALS, SIGNALS_EDITION, Level
from stream.core.partition import PartitionFold
from stream.settings import load_settings
from stream.shows import build_show

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from stream.core.rules import Rules

T0_MS = 1_507_636_800_000
SOON_MS = 10_000
SETTLE_S = 900
DRAMA: tuple[Level, ...] = ("rush", "snap_up", "last_call")
LEVELS: tuple[Level, ...] = ("calm", "warming", "brisk", *DRAMA)
# Name → scale: the share of each scenario that is played.
SCALES = {
    "snap-up": 1.0,
    "encore": 1.0,
    "jd-midnight": 0.005,
    "viya-2017": 0.001,
    "tadu-2019": 1.0,
    "long-tail": 0.005,
    "brushing": 1.0,
}
SEEDS = (1, 2, 3)
KIND_SEEDS = (1, 2, 3, 4, 5)
PAGE = Path(__file__).resolve().parents[1] / "docs" / "signals.md"
BEGIN, END = "<!-- measured: levels -->", "<!-- end of levels -->"

_order = msgspec.json.Decoder(Order).decode
_encode = msgspec.json.Encoder().encode


class Rec(NamedTuple):
    """The parts of a record that the core reads."""

    value: bytes
    key: bytes
    offset: int
    timestamp: int
    headers: tuple[tuple[str, bytes], ...] = ()


class Sent(NamedTuple):
    """A record on its way."""

    at_ms: int
    topic: str
    key: bytes
    value: bytes


Seconds = Counter[tuple[str, str]]  # (level, "all", "bought" or "paid") → seconds


# -- kinds of their own ------------------------------------------------------------------------------------------------
class _Sale:
    """Writes the records of one sale."""

    def __init__(self, random: Random, offered: int, minutes: float) -> None:
        self.random = random
        self.end_s = minutes * 60
        self.sent: list[Sent] = []
        self._orders = 0
        terms = {"offered": offered, "starts_at_ms": T0_MS, "ends_at_ms": T0_MS + int(self.end_s * 1_000)}
        self.write(0, "sales", "sale_opened", **terms)

    def write(self, at_s: float, topic: str, kind: str, **fields: Any) -> None:
        at_ms = T0_MS + int(at_s * 1_000)
        event: dict[str, Any] = {"type": kind, "event_id": f"e{len(self.sent)}", "room_id": "r", "event_time_ms": at_ms}
        if kind != "order":
            event |= {"sale_id": "s", "sku_id": "k"}
        self.sent.append(Sent(at_ms, topic, b"r", _encode(event | fields)))

    def cart(self, at_s: float, person: str) -> None:
        self.write(at_s, "cart-adds", "cart_add", user_id=person, quantity=1)

    def order(self, at_s: float, *, paid_after_s: float | None = 3.0, undone_after_s: float | None = None) -> None:
        self._orders += 1
        lines = [{"sku_id": "k", "sale_id": "s", "quantity": 1, "amount_minor": 100}]
        of = {"order_id": f"o{self._orders}", "user_id": f"b{self._orders}", "lines": lines, "currency": "CNY"}
        self.write(at_s, "orders", "order", status="placed", **of)
        if paid_after_s is not None:
            self.write(at_s + paid_after_s, "orders", "order", status="paid", **of)
        if undone_after_s is not None:
            self.write(at_s + undone_after_s, "orders", "order", status="refunded", **of)

    def arrivals(self, rate: Callable[[float], float], until_s: float) -> Iterator[float]:
        """Moments of a Poisson process, by thinning in steps of a tenth of a second."""
        for step in range(int(until_s * 10)):
            if self.random.random() < rate(step / 10) / 10:
                yield step / 10


def lookers(sale: _Sale) -> None:
    """Three hundred carts, a dozen orders in the first minute, and no one else buys."""
    for person in range(300):
        sale.cart(sale.random.uniform(0, 120), f"c{person}")
    for _ in range(12):
        sale.order(sale.random.uniform(5, 60))


def slow(sale: _Sale) -> None:
    """Much is carted, and every 6 to 30 seconds someone buys."""
    for person in range(200):
        sale.cart(sale.random.uniform(0, 600), f"c{person}")
    at_s = 5.0
    while at_s < sale.end_s:
        sale.order(at_s)
        at_s += sale.random.uniform(6, 30)


def taper(sale: _Sale) -> None:
    """A rush that dies away."""
    half_s = sale.random.uniform(20, 90)
    for at_s in sale.arrivals(lambda t: 8 * math.exp(-t / half_s), sale.end_s):
        sale.cart(at_s, f"c{at_s}")
        sale.order(at_s + 1, paid_after_s=None if sale.random.random() < 0.1 else sale.random.uniform(1, 20))


def unpaid(sale: _Sale) -> None:
    """A ring of accounts orders each minute and pays nothing; a few others buy."""
    for minute in range(int(sale.end_s // 60)):
        for _ in range(40):
            sale.order(minute * 60 + sale.random.uniform(0, 15), paid_after_s=None)
    for at_s in sale.arrivals(lambda _: 0.02, sale.end_s):
        sale.order(at_s)


def regret(sale: _Sale) -> None:
    """Waves of orders, most of which are refunded within the minute."""
    for minute in range(0, int(sale.end_s // 60), 3):
        for _ in range(50):
            undone_s = sale.random.uniform(8, 40) if sale.random.random() < 0.9 else None
            sale.order(minute * 60 + sale.random.uniform(0, 20), paid_after_s=2, undone_after_s=undone_s)


def late(sale: _Sale) -> None:
    """Orders paid minutes later, or after their hold has run out."""
    for at_s in sale.arrivals(lambda t: 2 if t % 240 < 30 else 0.05, sale.end_s):
        sale.order(at_s, paid_after_s=sale.random.uniform(20, 300))


def closing(sale: _Sale) -> None:
    """Orders in bursts, the last of them before the sale's end, with pauses of up to a minute."""
    for at_s in sale.arrivals(lambda t: 3 if t % 90 < 30 else 0, sale.end_s):
        sale.order(at_s)


# Kind → how it is written, units offered, minutes.
KINDS: dict[str, tuple[Callable[[_Sale], None], int, float]] = {
    "lookers": (lookers, 150, 20),
    "slow": (slow, 120, 20),
    "taper": (taper, 900, 15),
    "unpaid ring": (unpaid, 2_000, 15),
    "regret": (regret, 400, 20),
    "paid late": (late, 600, 20),
    "closing": (closing, 2_000, 10),
}


# -- the table ---------------------------------------------------------------------------------------------------------
class Case(NamedTuple):
    """One show."""

    name: str
    seed: int

    def records(self) -> Iterable[Sent]:
        """The records in the order of sending."""
        if self.name in KINDS:
            write, offered, minutes = KINDS[self.name]
            sale = _Sale(Random(f"{self.name}/{self.seed}"), offered, minutes)
            write(sale)
            return sorted(sale.sent)
        show = build_show(self.name, self.seed, None, SCALES[self.name])
        sent = show.deliveries(T0_MS)
        return (Sent(T0_MS + each.send_ms, each.topic, each.key, each.value) for each in sent)


def rules_of(edition: int) -> Rules:
    """The rules of a worker that follows an edition of the signals."""
    return msgspec.structs.replace(load_settings().rules(), signals_edition=edition)


class _Watch:
    """Folds one show under several editions, and looks at all levels each second."""

    def __init__(self, editions: Iterable[int]) -> None:
        topics = tuple(f"live.{name}" for name in TOPIC_NAMES)
        self._folds = {edition: PartitionFold(0, rules_of(edition), topics) for edition in editions}
        self.seconds: dict[int, Seconds] = {edition: Counter() for edition in editions}
        self._latest_ms: dict[tuple[str, str, str, str], int] = {}  # what, room, sale, SKU
        self._offsets: Counter[str] = Counter()
        self._piece: defaultdict[str, list[Rec]] = defaultdict(list)
        self._second = T0_MS // 1_000

    def take(self, sent: Sent) -> None:
        """Take one record."""
        while self._second < sent.at_ms // 1_000:
            self.end_second()
        self._piece[sent.topic].append(Rec(sent.value, sent.key, self._offsets[sent.topic], sent.at_ms))
        self._offsets[sent.topic] += 1
        if sent.topic == "orders":
            self._note(_order(sent.value))

    def _note(self, order: Order) -> None:
        if order.status not in (OrderStatus.PLACED, OrderStatus.PAID):
            return
        for what in ("bought", "paid") if order.status is OrderStatus.PAID else ("bought",):
            for line in order.lines:
                if line.sale_id is not None:
                    key = (what, order.room_id, line.sale_id, line.sku_id)
                    self._latest_ms[key] = max(order.event_time_ms, self._latest_ms.get(key, 0))

    def end_second(self) -> None:
        """Fold the records of the second, and look."""
        for topic, records in self._piece.items():
            for fold in self._folds.values():
                fold.fold(TOPIC_NAMES.index(topic), records)
        self._piece.clear()
        self._second += 1
        # A level is found at the end of a second and stands until the end of the next one.
        soon_ms = (self._second + 1) * 1_000 - SOON_MS
        for edition, fold in self._folds.items():
            fold.advance(self._second * 1_000, "tick")
            seconds = self.seconds[edition]
            for room in fold.rooms.values():
                for key, urgency in room.urgencies.items():
                    seconds[urgency.level, "all"] += 1
                    for what in ("bought", "paid"):
                        seconds[urgency.level, what] += self._latest_ms.get((what, room.room_id, *key), 0) >= soon_ms


def measured(case: Case, editions: tuple[int, ...] = (FIRST_SIGNALS, SIGNALS_EDITION)) -> dict[int, Seconds]:
    """Seconds in each level, of all sales of a show, by edition."""
    watch = _Watch(editions)
    for sent in case.records():
        watch.take(sent)
    for _ in range(SETTLE_S):
        watch.end_second()
    return watch.seconds


def cases(*, small: bool) -> list[Case]:
    """The shows to measure."""
    if small:
        return [Case("lookers", 1), Case("taper", 1)]
    shows = [Case(name, seed) for name in SCALES for seed in SEEDS]
    return shows + [Case(name, seed) for name in KINDS for seed in KIND_SEEDS]


COLUMNS = ("kind", "edition", *LEVELS, "sold out or all taken", "bought within 10 s", "paid within 10 s")


def row(name: str, edition: int, seconds: Seconds) -> tuple[str, ...]:
    """One line of the table; the shares are of the seconds at rush and above."""
    drama = sum(seconds[level, "all"] for level in DRAMA)
    shares = [
        f"{100 * sum(seconds[level, what] for level in DRAMA) / drama:.1f} %" if drama else "–"
        for what in ("bought", "paid")
    ]
    gone = seconds["sold_out", "all"] + seconds["all_taken", "all"]
    return name, str(edition), *(f"{seconds[level, 'all']:,}" for level in LEVELS), f"{gone:,}", *shares


def table(found: dict[str, dict[int, Seconds]]) -> list[tuple[str, ...]]:
    """All lines: each kind, then all scenarios and all other kinds together."""
    rows = [row(name, edition, seconds) for name, of in found.items() for edition, seconds in of.items()]
    for title, names in (("all scenarios", [*SCALES]), ("all other kinds", [*KINDS])):
        of_title = [found[name] for name in names if name in found]
        editions = (FIRST_SIGNALS, SIGNALS_EDITION) if of_title else ()
        rows += [row(title, edition, sum((of[edition] for of in of_title), Counter())) for edition in editions]
    return rows


def write_into(page: Path, rows: list[tuple[str, ...]]) -> None:
    """Put the table between its marks."""
    text = page.read_text("utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    lines = [COLUMNS, ("---", "---", *["---:"] * (len(COLUMNS) - 2)), *rows]
    written = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    page.write_text(f"{before}{BEGIN}\n{written}\n{END}{after}", "utf-8")


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--write", action="store_true", help="into docs/signals.md")
    flags = parser.parse_args()
    found: dict[str, dict[int, Seconds]] = {}
    chosen = cases(small=flags.small)
    with ProcessPoolExecutor(2) as pool:
        for case, seconds in zip(chosen, pool.map(partial(measured), chosen), strict=True):
            of = found.setdefault(case.name, {edition: Counter() for edition in seconds})
            for edition, counted in seconds.items():
                of[edition].update(counted)
            print(f"{case.name} {case.seed}", flush=True)
    rows = table(found)
    measuring.show("seconds in each level", COLUMNS, rows)
    if flags.write:
        write_into(PAGE, rows)


if __name__ == "__main__":
    main()
