"""Words and figures: the same in every language file, the same as in the terminal, and the reader's own habit."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Any, get_args

import pytest

from stream.contract.overlay import ClaimKind, Level, SaleStatus, SuspicionRule, WithheldReason
from stream.view.strings import LANGUAGES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.browser.conftest import Pages

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="session")]


async def strings(pages: Pages) -> dict[str, Any]:
    page = await pages.open("/builder")
    found: dict[str, Any] = await page.evaluate("import('/static/language.js').then((all) => all.LANGUAGES)")
    return found


def leaves(words: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(words, dict):
        for key, value in words.items():
            yield from leaves(value, f"{path}.{key}")
    elif isinstance(words, str):
        yield path, words


def same(text: str) -> str:
    """Full-width marks and blanks aside: a page has room for them, a terminal does not."""
    return re.sub(r"\s", "", unicodedata.normalize("NFKC", text))


def claims_of(page: dict[str, Any]) -> dict[str, str]:
    """The words of claims; "in_carts window" is of one that names its window, which the terminal leaves out."""
    return {kind: words for kind, words in page["claims"].items() if " " not in kind}


async def test_every_language_says_everything_with_the_same_figures_in_it(pages: Pages) -> None:
    languages = await strings(pages)
    assert set(languages) == {"zh-CN", "en"}
    spoken = {tag: dict(leaves(words)) for tag, words in languages.items()}
    assert set(spoken["zh-CN"]) == set(spoken["en"])
    for path, text in spoken["en"].items():
        other = spoken["zh-CN"][path]
        assert text, path
        assert other, path
        assert set(re.findall(r"\{\w+\}", text)) == set(re.findall(r"\{\w+\}", other)), path


@pytest.mark.parametrize("tag", ["zh-CN", "en"])
async def test_pages_and_terminal_use_the_same_words(tag: str, pages: Pages) -> None:
    page, terminal = (await strings(pages))[tag], LANGUAGES[tag]
    for ours, theirs in (
        (page["levels"], terminal.levels),
        (page["statuses"], terminal.statuses),
        (claims_of(page), terminal.claims),
        (page["claimNames"], terminal.claim_names),
        (page["withheld"], terminal.withheld),
        (page["console"]["sale"]["suspicions"], terminal.suspicions),
        ({tuple(key.split()): text for key, text in page["withheldOf"].items()}, terminal.withheld_of),
    ):
        assert {key: same(text) for key, text in ours.items()} == {key: same(text) for key, text in theirs.items()}


@pytest.mark.parametrize("tag", ["zh-CN", "en"])
async def test_every_word_of_the_contract_has_one_for_people(tag: str, pages: Pages) -> None:
    page = (await strings(pages))[tag]
    assert set(page["levels"]) == set(get_args(Level))
    assert set(claims_of(page)) == set(get_args(ClaimKind))
    assert set(page["withheld"]) == set(get_args(WithheldReason))
    assert set(page["statuses"]) == set(get_args(SaleStatus))
    assert set(page["console"]["sale"]["suspicions"]) == set(get_args(SuspicionRule))
    assert set(page["console"]["saleHelp"]["suspicions"]) == set(get_args(SuspicionRule))
    rates = {
        "watch_to_buy_uv",
        "click_to_buy_uv",
        "cart_to_order_uv",
        "orders_per_viewer",
        "pay_rate",
        "engaged_uv_rate",
    }
    assert set(page["console"]["rates"]) == set(page["console"]["rateHelp"]) == rates | {"gpm_views"}


FIGURES = """
async ([tag, calls]) => {
  const text = await import("/static/text.js");
  const { LANGUAGES } = await import("/static/language.js");
  return calls.map(([name, ...given]) => text[name](...given.map((each) => (each === "$" ? LANGUAGES[tag] : each))));
}
"""


@pytest.mark.parametrize(
    ("tag", "calls"),
    [
        (
            "zh-CN",
            [
                (("compact", 9_999, "$"), "9,999"),
                (("compact", 10_000, "$"), "1 万"),
                (("compact", 123_999, "$"), "12.3 万"),
                (("compact", 9_999_999, "$"), "999 万"),
                (("compact", 123_456_789, "$"), "1.23 亿"),
                (("duration", 9_990, "$"), "9.9 秒"),
                (("span", 1_430, 2_510, "$"), "1.4–2.6 秒"),
                (("span", 50_900, 190_000, "$"), "50 秒–4 分钟"),
                (("countdown", 3 * 86_400_000, "$"), "3 天 0 小时"),
            ],
        ),
        (
            "en",
            [
                (("compact", 9_999, "$"), "9,999"),
                (("compact", 123_999, "$"), "123K"),
                (("compact", 1_009_999, "$"), "1M"),
                (("compact", 1_239_999, "$"), "1.23M"),
                (("grouped", 1_234_567, "$"), "1,234,567"),
                (("countdown", 252_999, "$"), "4:12"),
                (("countdown", 3_852_000, "$"), "1:04:12"),
                (("countdown", 9_999, "$"), "9.9"),
                (("countdown", -5, "$"), "0.0"),
                (("span", 1_430, 2_510, "$"), "1.4–2.6 s"),
                (("span", 14_900, 59_100, "$"), "14–60 s"),
                (("span", 120_000, 290_000, "$"), "2–5 min"),
                (("span", 50_900, 190_000, "$"), "50 s–4 min"),
                (("span", 999, 190_000, "$"), "0–4 min"),
                (("span", 1_800_000, 9_000_000, "$"), "30 min–3 h"),
                (("roughly", 1_430, 9_700, "$"), {"word": "under", "text": "10 s"}),
                (("roughly", 1_430, 30_001, "$"), {"word": "under", "text": "1 min"}),
                (("roughly", 50_000, 190_000, "$"), {"word": "about", "text": "2 min"}),
                (("roughly", 7_000_000, 8_000_000, "$"), {"word": "about", "text": "2 h"}),
                (("share", 4_999, 5_000), "99.9 %"),
                (("share", 5_000, 5_000), "100.0 %"),
                (("share", 1, 3_000), "0.033 %"),
                (("share", 0, 5), "0.0 %"),
                (("share", 1, 0), "–"),
                (("amount", 123_450, "CNY"), "1,234.50"),
                (("amount", -5, "CNY"), "−0.05"),
                (("amount", 1_234, "JPY"), "1,234"),
                (("amount", 1_234, "KWD"), "1.234"),
            ],
        ),
    ],
)
async def test_figures_are_rounded_down_and_written_by_the_reader_s_habit(
    tag: str, calls: list[tuple[tuple[Any, ...], str]], pages: Pages
) -> None:
    page = await pages.open("/builder")
    found = await page.evaluate(FIGURES, [tag, [list(call) for call, _ in calls]])
    assert found == [expected for _, expected in calls]


async def test_the_event_stream_is_read_in_any_pieces(pages: Pages) -> None:
    page = await pages.open("/builder")
    read = """
    async ([text, size]) => {
      const { EventStreamParser } = await import("/static/event-stream.js");
      const found = [];
      const parser = new EventStreamParser((event) => found.push(event), (ms) => found.push(ms));
      for (let at = 0; at < text.length; at += size) parser.push(text.slice(at, at + size));
      return found;
    }
    """
    text = ': ping\n\nretry: 1500\nevent: snapshot\r\nid: 7-1\r\ndata: {"a":\r\ndata:1}\r\n\r\n'
    text += "data: x\r\rid:\nevent: e\n\ndata\n\n"
    expected = [
        1500,
        {"type": "snapshot", "data": '{"a":\n1}', "id": "7-1"},
        {"type": "message", "data": "x", "id": "7-1"},
        {"type": "message", "data": "", "id": ""},
    ]
    for size in (1, 2, 3, 5, 1_000):
        assert await page.evaluate(read, [text, size]) == expected


@pytest.mark.parametrize(
    ("wanted", "readers", "expected"),
    [
        ("en", ["zh"], "en"),
        ("zh", ["en"], "zh-CN"),
        ("", ["fr", "en-GB"], "en"),
        ("xx", [], "zh-CN"),
        (None, None, "zh-CN"),
    ],
)
async def test_the_language_that_was_asked_for_else_the_reader_s_else_chinese(
    wanted: str | None, readers: list[str] | None, expected: str, pages: Pages
) -> None:
    page = await pages.open("/builder")
    choose = "([wanted, readers]) => import('/static/language.js').then((all) => all.languageOf(wanted, readers))"
    assert await page.evaluate(choose, [wanted, readers]) == expected
