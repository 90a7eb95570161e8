"""A report as one HTML page that loads nothing: no script, no font, no picture.

Equal reports give equal bytes. Every text from outside is cleaned and escaped.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from stream.view.report_before import compared_rows
from stream.view.report_curve import curves, strip, utc_date, utc_time
from stream.view.report_style import STYLE
from stream.view.report_words import WORDS, ReportWords
from stream.view.strings import LANGUAGES, Strings
from stream.view.words import clean, duration, grouped, money, share, span

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from stream.contract.report import Amounts, Ledger, Product, Report, SaidClaim, Step

# Greatest number of rows in a table. The JSON has all.
ROWS_MAX = 2_000
MINUTE_MS = 60_000
# Fields of a host's event that have a column of their own.
TOLD_APART = ("sale_id", "sku_id", "event_time_ms")
# The policy forbids every script and every fetch, whatever a text may contain.
POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def report_page(made: Report, lang: str) -> str:
    """The page as HTML. `lang`: a key of `WORDS`; any other counts as English."""
    return _Page(made, WORDS.get(lang, WORDS["en"]), LANGUAGES.get(lang, LANGUAGES["en"]), lang).html()


class _Page:
    """One page while it is made."""

    def __init__(self, made: Report, words: ReportWords, strings: Strings, lang: str) -> None:
        self._made = made
        self._words = words
        self._strings = strings
        self._lang = lang if lang in WORDS else "en"

    def html(self) -> str:
        """The whole page."""
        made, words = self._made, self._words
        title = words.title.format(room=clean(made.room_id))
        parts = [
            f'<!doctype html>\n<html lang="{self._lang}">\n<head>\n<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
            '<meta name="viewport" content="width=device-width,initial-scale=1">',
            f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>",
            self._head(title),
            self._verdict(),
            self._tiles(),
            self._compared(),
            self._curves(),
            self._products(),
            self._sources(),
            self._claims(),
            self._withheld(),
            self._corrections(),
            self._quality(),
            self._log(),
            self._rules(),
            self._foot(),
            "</main>\n</body>\n</html>\n",
        ]
        return "\n".join(part for part in parts if part)

    # -- the head ------------------------------------------------------------------------------------------------------
    def _head(self, title: str) -> str:
        session, words = self._made.session, self._words
        told = []
        if session.show_id is not None:
            told.append(words.show.format(show=clean(session.show_id)))
        told.append(f"{words.began} {_moment(session.began_at_ms)}")
        if session.ended_at_ms is None:
            told.append(f"{words.goes_on}, {words.as_of} {_moment(session.as_of_ms)}")
        else:
            how = words.ended_by.get(session.ended_by or "", clean(session.ended_by or ""))
            told.append(f"{words.ended} {_moment(session.ended_at_ms)}, {how}")
        told.append(duration(session.as_of_ms - session.began_at_ms))
        return f'<header><h1>{escape(title)}</h1><p class="dim">{escape(" · ".join(told))}</p></header>'

    def _verdict(self) -> str:
        check, words = self._made.check, self._words
        right, claims = check.figures - len(check.differences), self._claims_told()
        if check.holds:
            told = words.holds.format(figures=grouped(check.figures))
            return f'<div class="verdict">{escape(told)}<br>{escape(claims)}</div>'
        told = words.incomplete
        if check.differences:
            total = right + len(check.differences)
            told = words.differs.format(wrong=grouped(len(check.differences)), figures=grouped(total))
        items = [claims, *(clean(problem) for problem in check.problems)]
        items += [
            clean(f"{each.name}: {words.recounted} {each.recounted}, {words.published} {each.published}")
            for each in check.differences[:ROWS_MAX]
        ]
        items += [clean(text) for text in check.claims.told]
        listed = "".join(f"<li>{escape(item)}</li>" for item in items)
        return f'<div class="verdict bad">{escape(told)}<ul>{listed}</ul></div>'

    def _claims_told(self) -> str:
        checked, words = self._made.check.claims, self._words
        if checked.why_not is not None:
            return words.claims_unknown.format(why=clean(checked.why_not))
        if checked.wrong:
            return words.claims_wrong.format(wrong=grouped(checked.wrong), claims=grouped(checked.claims))
        counts = {"right": checked.right, "claims": checked.claims, "documents": checked.documents}
        return words.claims_right.format(**{name: grouped(count) for name, count in counts.items()})

    def _tiles(self) -> str:
        totals, words = self._made.totals, self._words
        orders = totals.orders
        tiles: list[tuple[str, str, tuple[str, ...]]] = []
        for each in sorted(totals.money, key=lambda amounts: (-amounts.paid_minor, amounts.currency)):
            net = words.net.format(amount=money(each.net_minor, each.currency))
            placed = words.placed.format(amount=money(each.placed_minor, each.currency))
            tiles.append((words.paid, money(each.paid_minor, each.currency), (net, placed)))
        told = words.orders_of.format(**{name: grouped(orders[name]) for name in ("placed", "cancelled", "refunded")})
        in_part = orders.get("partly_undone", 0)
        more = (words.orders_in_part.format(count=grouped(in_part)),) if in_part else ()
        tiles.append((words.orders, grouped(orders["paid"]), (told, *more)))
        if totals.peak is not None:
            at = words.peak_at.format(time=_clock(min(totals.peak.at_ms, self._made.session.as_of_ms)))
            tiles.append((words.peak, grouped(totals.peak.watching), (at,)))
        tiles.append((words.viewers, grouped(totals.viewers), (f"{grouped(totals.views)} {words.views}",)))
        others = [(words.likes, totals.likes), (words.comments, totals.comments), (words.cart_adds, totals.cart_adds)]
        tiles.append(
            (others[0][0], grouped(others[0][1]), tuple(f"{name} {grouped(count)}" for name, count in others[1:]))
        )
        rates = [
            f"{self._strings.rates.get(rate.name, clean(rate.name))} {self._rate(rate.name, rate.num, rate.den)}"
            for rate in self._made.rates
            if rate.currency is None and rate.den
        ]
        drawn = "".join(
            f'<div class="tile"><span>{escape(name)}</span><b>{escape(figure)}</b>'
            f"{''.join(f'<span>{escape(line)}</span>' for line in below)}</div>"
            for name, figure, below in tiles
        )
        told = f'<p class="note rates">{escape(words.rates)}: {escape(" · ".join(rates))}</p>' if rates else ""
        return f'<div class="tiles">{drawn}</div>\n{told}'

    def _compared(self) -> str:
        before, words = self._made.before, self._words
        if before is None:
            return ""
        note = words.compared_note.format(began=_moment(before.session.began_at_ms))
        note += "" if before.holds else f" {words.compared_differs}"
        head = [words.figure, words.this_show, words.show_before, words.change]
        table = _table(head, compared_rows(self._made, before, words), numbers=(1, 2, 3))
        return self._section(words.compared, table, note)

    @staticmethod
    def _rate(name: str, num: int, den: int) -> str:
        if name == "orders_per_viewer":
            return f"{num / den:.3f} ({grouped(num)}/{grouped(den)})"
        return f"{share(num, den)} ({grouped(num)}/{grouped(den)})"

    # -- curves --------------------------------------------------------------------------------------------------------
    def _curves(self) -> str:
        made, words = self._made, self._words
        steps, step_ms = made.minutes, MINUTE_MS
        if made.curve is not None:
            steps, step_ms = made.curve.steps, made.curve.step_ms
        drawing = curves(steps, step_ms, made.corrections, words)
        if not made.minutes:
            return ""
        currencies = sorted({amounts.currency for step in made.minutes for amounts in step.money})
        head = [words.minute, *(words.gmv.format(currency=each) for each in currencies)]
        head += [words.orders_paid, words.views, words.watching, words.comments, words.likes, words.cart_adds]
        table = _table(head, (self._minute(step, currencies) for step in made.minutes), numbers=range(1, len(head)))
        note = words.curve_note.format(step=words.seconds.format(n=step_ms // 1000))
        return self._section(
            words.curve,
            f'<div class="scroll curves">{drawing}</div><details><summary>{escape(words.table)}</summary>'
            f"{table}{self._more(made.minutes)}</details>",
            note,
        )

    @staticmethod
    def _minute(step: Step, currencies: Sequence[str]) -> list[str]:
        paid = {amounts.currency: amounts.paid_minor for amounts in step.money}
        counts = (step.orders_paid, step.views, step.watching, step.comments, step.likes, step.cart_adds)
        amounts = [_amount(paid.get(currency, 0), currency) for currency in currencies]
        return [_moment(step.start_ms), *amounts, *map(grouped, counts)]

    # -- tables --------------------------------------------------------------------------------------------------------
    def _products(self) -> str:
        words, products = self._words, self._made.products
        if not products:
            return ""
        head = [words.product, words.sale, words.orders, words.units_paid, words.cancelled, words.refunded]
        head += [words.units_net, words.cart_adds, words.paid, words.net_short]
        rows = [self._bought(product) for product in products]
        sold = _table(head, rows, ids=(0, 1), numbers=range(2, len(head)))
        stock = [self._stock(product, ledger) for product in products if (ledger := product.ledger) is not None]
        head = [words.product, words.sale, words.status, words.offered, words.restocked, words.sold, words.held]
        head += [words.left, words.oversold, words.released, words.gone]
        kept = _table(head, stock, ids=(0, 1), numbers=range(3, len(head))) if stock else ""
        note = f'<h3>{escape(words.stock)}</h3><p class="note">{escape(words.stock_note)}</p>' if stock else ""
        return self._section(words.products, sold + note + kept + self._more(products), words.products_note)

    def _named(self, product: Product) -> list[str]:
        name = self._words.rest if product.sku_id is None else clean(product.sku_id)
        return [name, "–" if product.sale_id is None else clean(product.sale_id)]

    def _bought(self, product: Product) -> list[str]:
        units = (
            product.orders_paid,
            product.units_paid,
            product.units_cancelled,
            product.units_refunded,
            product.units_net,
            product.cart_adds,
        )
        amounts = (_amounts(product.money, "paid_minor"), _amounts(product.money, "net_minor"))
        return [*self._named(product), *map(grouped, units), *amounts]

    def _stock(self, product: Product, ledger: Ledger) -> list[str]:
        units = (ledger.offered, ledger.restocked, ledger.sold, ledger.held, ledger.available, ledger.oversold)
        told = ["–" if each is None else grouped(each) for each in (*units, ledger.released, ledger.gone)]
        status = self._strings.statuses.get(ledger.status) or clean(ledger.status)  # type: ignore[call-overload]
        if ledger.former is not None:
            status += f" · {self._words.round.format(n=ledger.former.rounds + 1, sold=grouped(ledger.former.sold))}"
        return [*self._named(product), status, *told]

    def _sources(self) -> str:
        words, sources = self._words, self._made.sources
        if not sources:
            return ""
        views = sum(each.views for each in sources)
        rows = [
            [
                words.other if each.other else words.not_named if each.source is None else clean(each.source),
                grouped(each.views),
                share(each.views, views),
                grouped(each.clicks),
            ]
            for each in sources
        ]
        head = [words.source, words.views, "%", words.clicks]
        return self._section(words.sources, _table(head, rows, ids=(0,), numbers=(1, 2, 3)))

    # -- claims --------------------------------------------------------------------------------------------------------
    def _claims(self) -> str:
        words, claims = self._words, self._made.claims
        if not claims:
            return self._section(words.said, _none(words), words.said_note)
        head = [words.claim, words.sale, words.timeline, words.how_long, words.documents]
        head += [f"{words.first} → {words.last}", f"{words.least} – {words.most}", words.evidence]
        rows = [self._claim(claim) for claim in claims]
        table = _table(head, rows, ids=(1,), numbers=(4,), mono=(7,), when=(2, 3, 5, 6), raw=(0, 2, 7))
        return self._section(words.said, table + self._more(claims), words.said_note)

    def _claim(self, claim: SaidClaim) -> list[str]:
        session = self._made.session
        name = self._strings.claim_names.get(claim.claim) or clean(claim.claim)  # type: ignore[call-overload]
        since_ms, until_ms = session.began_at_ms, max(session.as_of_ms, claim.last_until_ms)
        evidence = "<br>".join(
            escape(f"{clean(each.topic)}/{each.partition}@{each.first_offset}..{each.next_offset}")
            for each in claim.evidence
        )
        from_to = escape(f"{_clock(claim.first_at_ms)} – {_clock(claim.last_until_ms)}")
        return [
            f'{escape(name)}<br><span class="mono dim">{escape(clean(claim.rule))}</span>',
            self._subject(claim.sale_id, claim.sku_id),
            f"{strip(claim.intervals, since_ms, until_ms)}{from_to}",
            _how_long(claim.said_ms, claim.spans),
            grouped(claim.documents),
            f"{_value(claim.first, claim.unit)} → {_value(claim.last, claim.unit)}",
            f"{_value(claim.least, claim.unit)} – {_value(claim.most, claim.unit)}",
            evidence,
        ]

    def _subject(self, sale_id: str | None, sku_id: str | None) -> str:
        named = [clean(each) for each in (sale_id, sku_id) if each is not None]
        return " / ".join(named) or self._words.whole_room

    def _withheld(self) -> str:
        words, withheld = self._words, self._made.withheld
        if not withheld:
            return self._section(words.withheld, _none(words), words.withheld_note)
        head = [words.claim, words.sale, words.reason, words.from_to, words.how_long, words.documents]
        rows = [
            [
                self._strings.claim_names.get(each.claim) or clean(each.claim),  # type: ignore[call-overload]
                self._subject(each.sale_id, each.sku_id),
                self._reason(each.claim, each.reason),
                f"{_clock(each.first_at_ms)} – {_clock(each.last_until_ms)}",
                _how_long(each.withheld_ms, each.spans),
                grouped(each.documents),
            ]
            for each in withheld
        ]
        table = _table(head, rows, ids=(1,), numbers=(5,), when=(3, 4))
        return self._section(words.withheld, table + self._more(withheld), words.withheld_note)

    def _reason(self, claim: str, reason: str) -> str:
        known: dict[Any, str] = {**self._strings.withheld, **self._strings.withheld_of}
        return known.get((claim, reason)) or known.get(reason) or clean(reason)

    def _corrections(self) -> str:
        words, made = self._words, self._made
        if not made.corrections:
            return self._section(words.corrections, _none(words), words.corrections_note)
        rows = [
            [
                _moment(each.at_ms),
                words.kinds.get(each.kind, clean(each.kind)),
                self._subject(each.said.get("sale_id"), each.said.get("sku_id")),
                ", ".join(_said(name, value) for name, value in each.said.items() if name not in TOLD_APART) or "–",
                clean(f"{each.topic}/{each.partition}@{each.offset}"),
            ]
            for each in made.corrections
        ]
        table = _table([words.at, words.word, words.sale, words.said_so, words.record], rows, mono=(4,), when=(0,))
        more = len(made.corrections) - ROWS_MAX if len(made.corrections) > ROWS_MAX else 0
        more += made.corrections_left_out
        told = f'<p class="note">{escape(words.more.format(n=grouped(more)))}</p>' if more else ""
        return self._section(words.corrections, self._taken_back() + table + told, words.corrections_note)

    def _taken_back(self) -> str:
        """A table of what the newest host events took back, product by product."""
        words = self._words
        rows = []
        for product in self._made.products:
            for each in product.ledger.corrections if product.ledger is not None else ():
                was, now = (_corrected(each.what, value, words.none_said) for value in (each.before, each.now))
                rows.append([_moment(each.said_at_ms), *self._named(product), words.taken_back[each.what], was, now])
        if not rows:
            return ""
        head = [words.at, words.product, words.sale, words.what_changed, words.before, words.since_then]
        return _table(head, rows, ids=(1, 2), when=(0,))

    # -- the end -------------------------------------------------------------------------------------------------------
    def _quality(self) -> str:
        words, quality = self._words, self._made.quality
        head = [words.topic, words.received, words.applied, words.duplicates, words.dead_letters, words.retimed]
        rows = [
            [each.topic, *map(grouped, (each.received, each.applied, each.duplicate, each.dead_lettered, each.retimed))]
            for each in quality.topics
        ]
        whole = (quality.received, quality.applied, quality.duplicate, quality.dead_lettered, quality.retimed)
        rows.append(["Σ", *map(grouped, whole)])
        body = _table(head, rows, numbers=range(1, 6))
        if quality.dead_letters:
            told = ", ".join(f"{clean(reason)} {grouped(count)}" for reason, count in quality.dead_letters.items())
            body += f'<p class="note">{escape(words.refused_for)}: {escape(told)}</p>'
        if quality.forgettable:
            body += f'<p class="note">{escape(words.forgettable.format(n=grouped(quality.forgettable)))}</p>'
        return self._section(words.quality, body, words.quality_note)

    def _log(self) -> str:
        words, log = self._words, self._made.log
        rows = [
            [
                f"{each.topic}/{each.partition}",
                f"{each.first_offset}..{each.next_offset}",
                grouped(each.records),
                each.sha256,
            ]
            for each in log.topics
        ]
        rows.append(["Σ", "", grouped(log.records), log.sha256])
        table = _table([words.topic, words.offsets, words.records, words.hash], rows, numbers=(2,), mono=(1, 3))
        return self._section(words.log, table, words.log_note)

    def _rules(self) -> str:
        words = self._words
        parts = []
        for rules in self._made.rules:
            told = words.rules_of.get(rules.source, rules.source)
            source = told.format(where=clean(rules.where), version=clean(rules.version))
            listed = "".join(
                f"<div><dt>{escape(clean(name))}</dt><dd>{escape(clean(str(value)))}</dd></div>"
                for name, value in sorted(rules.rules.items())
            )
            parts.append(f'<p class="note">{escape(source)}</p><dl>{listed}</dl>')
        return self._section(words.rules, "".join(parts))

    def _foot(self) -> str:
        made = self._made
        told = self._words.made_by.format(version=clean(made.snapup_version), source=clean(made.documents_from))
        return f"<footer>{escape(told)}</footer>"

    # -- within --------------------------------------------------------------------------------------------------------
    @staticmethod
    def _section(title: str, body: str, note: str = "") -> str:
        told = f'<p class="note">{escape(note)}</p>' if note else ""
        return f"<section>\n<h2>{escape(title)}</h2>{told}\n{body}\n</section>"

    def _more(self, rows: Sequence[Any]) -> str:
        if len(rows) <= ROWS_MAX:
            return ""
        return f'<p class="note">{escape(self._words.more.format(n=grouped(len(rows) - ROWS_MAX)))}</p>'


def _table(
    head: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    ids: Iterable[int] = (),
    numbers: Iterable[int] = (),
    mono: Iterable[int] = (),
    when: Iterable[int] = (),
    raw: Iterable[int] = (),
) -> str:
    """A table. The keyword arguments list columns by place: their looks, and in `raw` those that already hold HTML."""
    looks = dict.fromkeys(ids, "id") | dict.fromkeys(numbers, "n") | dict.fromkeys(mono, "mono")
    looks |= dict.fromkeys(when, "when")
    as_they_are = set(raw)

    def cell(tag: str, place: int, text: str) -> str:
        look = f' class="{looks[place]}"' if place in looks else ""
        return f"<{tag}{look}>{text}</{tag}>"

    top = "".join(cell("th", place, escape(text)) for place, text in enumerate(head))
    body = []
    for number, row in enumerate(rows):
        if number >= ROWS_MAX:
            break
        cells = (cell("td", at, text if at in as_they_are else escape(text)) for at, text in enumerate(row))
        body.append(f"<tr>{''.join(cells)}</tr>")
    lines = "\n".join(body)
    return f'<div class="scroll"><table>\n<thead><tr>{top}</tr></thead>\n<tbody>\n{lines}\n</tbody></table></div>'


def _none(words: ReportWords) -> str:
    return f"<p>{escape(words.none_of_these)}</p>"


def _amount(minor: int, currency: str) -> str:
    """The amount without its currency, which the head of the column names."""
    return money(minor, currency).removeprefix(f"{currency} ")


def _amounts(of: Sequence[Amounts], name: str) -> str:
    return ", ".join(money(getattr(each, name), each.currency) for each in of) or "–"


def _value(value: Any, unit: str) -> str:
    if isinstance(value, list):
        return span(int(value[0]), int(value[-1])) if value else "–"
    if not isinstance(value, int | float):
        return clean(str(value))
    if unit == "ms":
        return duration(int(value))
    return grouped(int(value))


def _corrected(what: str, value: int | None, none_said: str) -> str:
    if value is None:
        return none_said
    return grouped(value) if what == "offered" else _moment(value)


def _said(name: str, value: Any) -> str:
    """A field of a host's event as text. Times are written as times."""
    told = clean(str(value))
    if isinstance(value, int):
        told = _moment(value) if name.endswith("_at_ms") else grouped(value)
    return f"{clean(name).removesuffix('_ms')} {told}"


def _how_long(span_ms: int, spans: int) -> str:
    return f"{duration(span_ms)}{f' ({spans}×)' if spans > 1 else ''}"


def _moment(epoch_ms: int) -> str:
    """The moment as `2026-11-27 20:33:11`."""
    return f"{utc_date(epoch_ms)} {utc_time(epoch_ms)}"


def _clock(epoch_ms: int) -> str:
    return utc_time(epoch_ms)
