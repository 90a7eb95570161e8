"""A report's products and minutes as CSV for spreadsheets: UTF-8, commas, a head, money in minor units by currency.

Equal reports give equal bytes.
"""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

from stream.view.report_curve import utc_date, utc_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from stream.contract.report import Amounts, Product, Report, Step

MONEY = ("placed_minor", "paid_minor", "net_minor")
UNITS = ("orders_paid", "units_placed", "units_paid", "units_cancelled", "units_refunded", "units_net", "cart_adds")
LEDGER = ("status", "offered", "restocked", "available", "held", "sold", "released", "gone", "oversold")
MINUTE = ("views", "watching", "comments", "likes", "cart_adds", "orders_placed", "orders_paid")
# Spreadsheets take a cell with such a start for a formula. An id may begin with a dash.
FORMULAS = ("=", "+", "-", "@")


def products_csv(made: Report) -> bytes:
    """A row for each product, by sale. `rest`: all products beyond the bound together."""
    currencies = _currencies(product.money for product in made.products)
    head = ["sku_id", "sale_id", *UNITS, *LEDGER, *_money_head(currencies)]
    return _written(head, [_product(product, currencies) for product in made.products])


def minutes_csv(made: Report) -> bytes:
    """A row for each minute of the session. Times are UTC."""
    currencies = _currencies(step.money for step in made.minutes)
    head = ["start_ms", "start_utc", *MINUTE, *_money_head(currencies)]
    return _written(head, [_minute(step, currencies) for step in made.minutes])


def _product(product: Product, currencies: Sequence[str]) -> list[Any]:
    ledger = product.ledger
    stock = ["" if ledger is None else getattr(ledger, name) for name in LEDGER]
    name = "rest" if product.sku_id is None else product.sku_id
    counts = [getattr(product, unit) for unit in UNITS]
    return [_text(name), _text(product.sale_id or ""), *counts, *stock, *_money(product.money, currencies)]


def _minute(step: Step, currencies: Sequence[str]) -> list[Any]:
    begins = f"{utc_date(step.start_ms)}T{utc_time(step.start_ms)}Z"
    return [step.start_ms, begins, *(getattr(step, name) for name in MINUTE), *_money(step.money, currencies)]


def _text(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULAS) else text


def _currencies(of: Iterable[Sequence[Amounts]]) -> list[str]:
    return sorted({amounts.currency for money in of for amounts in money})


def _money_head(currencies: Sequence[str]) -> list[str]:
    return [f"{name}.{currency}" for currency in currencies for name in MONEY]


def _money(money: Sequence[Amounts], currencies: Sequence[str]) -> list[int]:
    of = {amounts.currency: amounts for amounts in money}
    return [getattr(of[each], name) if each in of else 0 for each in currencies for name in MONEY]


def _written(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(head)
    writer.writerows(["" if cell is None else cell for cell in row] for row in rows)
    return out.getvalue().encode()
