from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pytest

from stream.errors import SnapupError
from stream.sources.accounts import Accounts, RefusedRow
from stream.sources.rows import MAX_LINE_BYTES, Row, RowReader

if TYPE_CHECKING:
    from pathlib import Path


def read(path: Path, content: bytes, encoding: str = "utf-8") -> tuple[list[Row], Accounts]:
    path.write_bytes(content)
    accounts = Accounts()
    return list(RowReader(path, accounts, encoding)), accounts


def test_rows_are_numbered_by_line_and_blank_lines_are_no_rows(tmp_path: Path) -> None:
    rows, accounts = read(tmp_path / "a.csv", b'a,b\r\n\r\n"x, y",2\n')
    assert [(row.line, row.fields) for row in rows] == [(1, ["a", "b"]), (3, ["x, y", "2"])]
    assert (accounts.rows, accounts.blank_lines) == (2, 1)
    assert not accounts.remarks


def test_a_byte_order_mark_is_no_part_of_the_first_field(tmp_path: Path) -> None:
    rows, _ = read(tmp_path / "a.csv", b"\xef\xbb\xbfa,b\n")
    assert rows[0].fields == ["a", "b"]


def test_a_last_line_without_end_is_torn_and_said(tmp_path: Path) -> None:
    rows, accounts = read(tmp_path / "a.csv", b"a,b\nc,d")
    assert [row.torn for row in rows] == [False, True]
    assert any("(2) has no line end" in remark for remark in accounts.remarks)


@pytest.mark.parametrize("end", ['c,"d', "c,€".encode()[:-1].decode("latin-1")])
def test_a_last_line_that_is_cut_in_a_quote_or_a_character_is_refused(tmp_path: Path, end: str) -> None:
    rows, accounts = read(tmp_path / "a.csv", b"a,b\n" + end.encode("latin-1"))
    assert [row.line for row in rows] == [1]
    assert accounts.refused == {RefusedRow.CUT_OFF: 1}
    assert accounts.rows == 2


def test_a_stray_quote_costs_one_row_only(tmp_path: Path) -> None:
    rows, accounts = read(tmp_path / "a.csv", b'a,b\n"c,d\ne,f\n')
    assert [row.line for row in rows] == [1, 3]
    assert accounts.refused == {RefusedRow.NOT_CSV: 1}


def test_an_endless_line_is_refused_and_the_next_one_read(tmp_path: Path) -> None:
    rows, accounts = read(tmp_path / "a.csv", b"a\n" + b"x" * (3 * MAX_LINE_BYTES) + b"\nb\n")
    assert [(row.line, row.fields) for row in rows] == [(1, ["a"]), (3, ["b"])]
    assert accounts.refused == {RefusedRow.LINE_TOO_LONG: 1}


def test_an_endless_last_line_is_one_row(tmp_path: Path) -> None:
    rows, accounts = read(tmp_path / "a.csv", b"a\n" + b"x" * (2 * MAX_LINE_BYTES + 7))
    assert len(rows) == 1
    assert accounts.rows == 2
    assert accounts.refused.total() == 1


def test_another_encoding_is_read_when_named(tmp_path: Path) -> None:
    rows, _ = read(tmp_path / "a.csv", "a,£5\n".encode("latin-1"), "latin-1")
    assert rows[0].fields == ["a", "£5"]
    rows, _ = read(tmp_path / "a.csv", "a,直播\n".encode("gb18030"), "gb18030")
    assert rows[0].fields == ["a", "直播"]


@pytest.mark.parametrize(
    ("content", "encoding", "says"),
    [
        (b"", "utf-8", "is empty"),
        (b"a,b\nc,\xa35\n", "utf-8", "line 2, byte 0xa3.*--encoding"),
        (b"PK\x03\x04rest", "utf-8", "spreadsheet"),
        ("a,b\n".encode("utf-16"), "utf-8", "UTF-16"),
        (gzip.compress(b"a,b\n", mtime=0), "utf-8", "is gzip: name it .gz"),
        (b"a,b\n", "klingon", "no text encoding called 'klingon'"),
        (b"a,b\n", "utf-16", "cannot be read line by line"),
    ],
)
def test_a_file_of_another_kind_is_one_clear_line(tmp_path: Path, content: bytes, encoding: str, says: str) -> None:
    with pytest.raises(SnapupError, match=says):
        read(tmp_path / "a.csv", content, encoding)


def test_a_missing_file_and_a_folder_are_clear_lines(tmp_path: Path) -> None:
    with pytest.raises(SnapupError, match="No such file"):
        RowReader(tmp_path / "none.csv", Accounts())
    with pytest.raises(SnapupError, match="is a folder"):
        RowReader(tmp_path, Accounts())


def test_a_packed_file_is_read_and_a_torn_one_up_to_its_tear(tmp_path: Path) -> None:
    packed = gzip.compress(b"".join(b"row,%d\n" % number for number in range(20_000)), mtime=0)
    rows, accounts = read(tmp_path / "a.csv.gz", packed)
    assert len(rows) == 20_000
    rows, accounts = read(tmp_path / "a.csv.gz", packed[: len(packed) // 2])
    assert 0 < len(rows) < 20_000
    assert any("ends in the middle" in remark for remark in accounts.remarks)
    with pytest.raises(SnapupError, match="is not gzip"):
        read(tmp_path / "a.csv.gz", b"a,b\n")
