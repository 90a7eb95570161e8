"""`snapup report` on recordings: its files, what it says, and how it ends."""

from __future__ import annotations

import csv
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from typer.testing import CliRunner

from stream import cli
from stream.contract.report import Report
from stream.errors import SnapupError
from stream.verify.redis_documents import read_document
from tests.support.days import Days

if TYPE_CHECKING:
    from pathlib import Path

    from typer.testing import Result

HOSTILE = "x.y:z"


def evening() -> Days:
    days = Days()
    days.add(0, "room_opened", show_id="one")
    days.sale(1, offered=10)
    for number in range(12):
        days.add(2 + number, "enter", user_id=f"u{number}", source=HOSTILE)
        days.order(20 + number, "paid", f"o{number}")
    days.add(100, "sale_restocked", sale_id="s1", sku_id="k1", quantity=5)
    days.add(130, "room_closed", show_id="one")
    return days


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(cli.app, ["report", *map(str, words)])


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    evening().written(tmp_path / "show.ndjson")


def names(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in tmp_path.iterdir() if path.name != "show.ndjson")


def test_products_and_minutes_as_csv_the_same_bytes_twice(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        answer = run("show.ndjson", "--to", name, "--csv", name)
        assert answer.exit_code == 0, answer.output
    told = {path.name: path.read_bytes() for path in (tmp_path / "a").iterdir()}
    assert told == {path.name: path.read_bytes() for path in (tmp_path / "b").iterdir()}
    minutes, products = [
        [*csv.DictReader(told[name].decode().splitlines())] for name in sorted(told) if name.endswith(".csv")
    ]
    (product,) = products
    assert (product["sku_id"], product["sale_id"], product["units_paid"], product["sold"]) == ("k1", "s1", "12", "12")
    assert product["paid_minor.CNY"] == "10800"
    assert [minute["orders_paid"] for minute in minutes] == ["12", "0", "0"]
    assert sum(int(minute["paid_minor.CNY"]) for minute in minutes) == 10_800
    assert run("show.ndjson", "--to", "a", "--csv", "a").exception is not None, "nothing is replaced"
    assert "no folder" in str(run("show.ndjson", "--csv", "nowhere").exception)
    assert run("show.ndjson", "--json", "--csv", "a").exception is not None


@pytest.mark.parametrize(("lang", "said"), [("en", "Beside the show before"), ("zh-CN", "与上一场相比")])
def test_the_page_sets_two_shows_side_by_side(tmp_path: Path, lang: str, said: str) -> None:
    days = evening()
    days.add(600, "room_opened", show_id="two")
    for number in range(3):
        days.add(601 + number, "enter", user_id=f"v{number}")
        days.order(610 + number, "paid", f"p{number}")
    days.add(700, "room_closed", show_id="two")
    days.written(tmp_path / "two.ndjson")
    answer = run("two.ndjson", "--to", "two", "--lang", lang)
    assert answer.exit_code == 0, answer.output
    page = (tmp_path / "two.html").read_text("utf-8")
    assert said in page
    assert 'CNY 27.00</td><td class="n">CNY 108.00</td><td class="n">−75.0 %' in page
    assert run("two.ndjson", "--session", "1", "--to", "one").exit_code == 0
    assert said not in (tmp_path / "one.html").read_text("utf-8")


def test_two_runs_give_the_same_bytes_and_one_line(tmp_path: Path) -> None:
    answer = run("show.ndjson", "--to", "one")
    assert answer.exit_code == 0, answer.output
    assert answer.output.splitlines()[:2] == ["one.html", "one.json"]
    assert re.match(
        r"REPORT-HOLDS: room r1, session of \S+Z, show one: paid CNY 108.00 in 12 orders; ",
        answer.output.splitlines()[2],
    )
    assert run("show.ndjson", "--to", "two").exit_code == 0
    for suffix in (".html", ".json"):
        assert (tmp_path / f"one{suffix}").read_bytes() == (tmp_path / f"two{suffix}").read_bytes()


def test_files_have_names_of_their_own_and_are_not_replaced(tmp_path: Path) -> None:
    assert run("show.ndjson").exit_code == 0
    assert [re.sub(r"\d", "0", name) for name in names(tmp_path)] == [
        "report-r0-00000000T000000Z.html",
        "report-r0-00000000T000000Z.json",
    ]
    before = {name: (tmp_path / name).stat().st_mtime_ns for name in names(tmp_path)}
    again = run("show.ndjson")
    assert isinstance(again.exception, SnapupError)
    assert "is there already" in again.exception.message
    assert {name: (tmp_path / name).stat().st_mtime_ns for name in names(tmp_path)} == before
    assert run("show.ndjson", "--overwrite").exit_code == 0


@pytest.mark.parametrize(
    ("to", "written"),
    [("a.html", ["a.html"]), ("a.json", ["a.json"]), ("a", ["a.html", "a.json"]), ("v1.2", ["v1.2.html", "v1.2.json"])],
)
def test_a_path_chooses_the_files(tmp_path: Path, to: str, written: list[str]) -> None:
    assert run("show.ndjson", "--to", to).exit_code == 0
    assert names(tmp_path) == written


def test_when_one_file_may_not_be_written_none_is(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("precious", "utf-8")
    assert run("show.ndjson", "--to", "a").exit_code
    assert names(tmp_path) == ["a.json"]
    assert (tmp_path / "a.json").read_text("utf-8") == "precious"


def test_the_json_is_a_report_on_stdout_too(tmp_path: Path) -> None:
    assert run("show.ndjson", "--to", "a.json").exit_code == 0
    told = run("show.ndjson", "--json")
    assert told.stdout_bytes == (tmp_path / "a.json").read_bytes()
    made = msgspec.json.decode(told.stdout_bytes, type=Report)
    assert made.schema == "snapup.report.v1"
    assert isinstance(run("show.ndjson", "--json", "--to", "b").exception, SnapupError)


class Page(HTMLParser):
    """What a page refers to, and whether its elements are closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in ("meta", "br"):
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag


@pytest.mark.parametrize("lang", ["en", "zh-CN"])
def test_the_page_needs_nothing_beside_itself(tmp_path: Path, lang: str) -> None:
    assert run("show.ndjson", "--to", "a.html", "--lang", lang).exit_code == 0
    text = (tmp_path / "a.html").read_text("utf-8")
    page = Page(text)
    assert not {"script", "link", "img", "iframe", "object", "a", "base", "form"} & set(page.tags)
    assert not {"src", "href", "srcset", "action"} & {name for name, _ in page.attributes}
    assert not any(name.startswith("on") for name, _ in page.attributes)
    assert "url(" not in text
    assert "@import" not in text
    assert "http" not in text.replace("http-equiv", "")
    assert ("lang", lang) in page.attributes
    assert {"svg", "table", "style"} <= set(page.tags)


def test_a_figure_that_differs_is_told_loudly_and_ends_with_1(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def wrong(room_id: str, document: bytes, *more: Any) -> Any:
        overlay = read_document(room_id, document, *more)
        overlay.totals.views += 1
        return overlay

    monkeypatch.setattr("stream.verify.session_report.read_document", wrong)
    answer = run("show.ndjson", "--to", "a")
    assert answer.exit_code == 1
    assert "views: recounted 12, in the session's last document 13" in answer.output
    assert "REPORT-DIFFERS" in answer.output
    page = (tmp_path / "a.html").read_text("utf-8")
    assert "NOT those of the session" in page
    assert "recounted 12, in the document 13" in page


def test_a_file_of_several_rooms_wants_one_named(tmp_path: Path) -> None:
    days = evening()
    days.add(3, "like", room="r2", user_id="x", count=1)
    days.written(tmp_path / "show.ndjson")
    answer = run("show.ndjson")
    assert isinstance(answer.exception, SnapupError)
    assert (answer.exception.exit_code, "say --room" in answer.exception.message) == (2, True)
    assert run("show.ndjson", "--room", "r1").exit_code == 0


def test_a_file_that_is_cut_off_gives_a_report_that_says_so(tmp_path: Path) -> None:
    whole = (tmp_path / "show.ndjson").read_bytes()
    (tmp_path / "show.ndjson").write_bytes(whole[:-20])
    answer = run("show.ndjson", "--to", "a")
    assert answer.exit_code == 1
    assert "REPORT-INCOMPLETE" in answer.output
    assert "is cut off" in answer.output


def test_a_pipe_takes_a_page_as_it_is() -> None:
    assert run("show.ndjson", "--to", "/dev/null").exit_code == 0
