"""`snapup replay` and `snapup import` as processes would use them, in this one."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import msgspec
import pytest
from typer.testing import CliRunner

from stream.cli import app
from stream.contract.overlay import Overlay
from stream.contract.recording import RecordedRecord, read_recording, write_recording
from stream.errors import SnapupError
from stream.verify.kept_claims import KeptClaims

if TYPE_CHECKING:
    from pathlib import Path

    from typer.testing import Result

    from stream.contract.overlay import Rate

ROWS = [
    "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country",
    "536365,85123A,HEART,6,2010-12-01 08:26:00,2.55,17850.0,United Kingdom",
    "536366,22633,WARMER,6,2010-12-01 08:25:00,1.85,17850.0,United Kingdom",
    "536367,22633,WARMER,-1,2010-12-01 08:28:00,1.85,17850.0,United Kingdom",
    "C536379,D,Discount,-1,2010-12-01 09:41:00,27.5,14527.0,United Kingdom",
]


def run(*words: object) -> Result:
    result = CliRunner().invoke(app, [str(word) for word in words])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def refusal(*words: object) -> str:
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert isinstance(result.exception, SnapupError), result.output
    assert "\n" not in result.exception.message
    return result.exception.message


@pytest.fixture
def csv_file(tmp_path: Path) -> Path:
    path = tmp_path / "day.csv"
    path.write_text("\n".join([*ROWS, ""]))
    return path


@pytest.fixture
def recording(csv_file: Path, tmp_path: Path) -> Path:
    path = tmp_path / "day.ndjson.gz"
    assert run("import", "uci", csv_file, "--room", "shop", "--to", path).exit_code == 0
    return path


def test_import_writes_a_recording_in_time_order_and_says_what_became_of_each_row(
    csv_file: Path, tmp_path: Path
) -> None:
    target, report = tmp_path / "day.ndjson", tmp_path / "report.ndjson"
    result = run("import", "uci", csv_file, "--room", "shop", "--to", target, "--report", report)
    said = " ".join(result.output.split())
    assert "4 rows = 3 events + 0 merged into the events of their order + 1 refused" in said
    records = list(read_recording(target))
    assert [msgspec.json.decode(record.value or b"")["order_id"] for record in records] == [
        "536366",
        "536365",
        "C536379",
    ]
    assert {record.key for record in records} == {b"shop"}
    assert all(msgspec.json.decode(record.value or b"")["event_time_ms"] == record.timestamp for record in records)
    entries = [msgspec.json.decode(line) for line in report.read_bytes().splitlines()]
    assert [(entry["line"], entry["reason"]) for entry in entries] == [(4, "negative_quantity")]


def test_importing_twice_gives_the_same_bytes(csv_file: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "other-name.csv"
    elsewhere.write_bytes(csv_file.read_bytes())
    for source, target in ((csv_file, "a.ndjson.gz"), (elsewhere, "b.ndjson.gz")):
        run("import", "uci", source, "--room", "shop", "--to", tmp_path / target)
    assert (tmp_path / "a.ndjson.gz").read_bytes() == (tmp_path / "b.ndjson.gz").read_bytes()


def test_import_refuses_what_cannot_be_meant(csv_file: Path, recording: Path, tmp_path: Path) -> None:
    to = ("--room", "shop", "--to", tmp_path / "x.ndjson")
    assert "is there already" in refusal("import", "uci", csv_file, "--room", "shop", "--to", recording)
    assert "no room id" in refusal("import", "uci", csv_file, "--room", "no room", "--to", tmp_path / "x.ndjson")
    assert "--to takes" in refusal("import", "uci", csv_file, "--room", "shop", "--to", "x.csv")
    assert "There is no folder" in refusal(
        "import", "uci", csv_file, "--room", "shop", "--to", tmp_path / "no/x.ndjson"
    )
    assert "No such file" in refusal("import", "uci", tmp_path / "none.csv", *to)
    assert "no time zone" in refusal("import", "uci", csv_file, *to, "--timezone", "Mars/Olympus")
    assert "Not a UserBehavior file: line 1" in refusal("import", "taobao", csv_file, *to)
    (tmp_path / "empty.csv").touch()
    assert "is empty" in refusal("import", "uci", tmp_path / "empty.csv", *to)
    (tmp_path / "head.csv").write_text(ROWS[0] + "\n")
    assert "has no rows" in refusal("import", "uci", tmp_path / "head.csv", *to)
    (tmp_path / "head.csv").write_text("\n".join([ROWS[0], ROWS[3], ""]))
    assert "No row could be used" in refusal("import", "uci", tmp_path / "head.csv", *to)


def test_a_failed_import_leaves_no_file(tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_bytes("\n".join(ROWS[:2]).encode() + b"\n5,\xff\n")
    assert "--encoding" in refusal(
        "import", "uci", tmp_path / "bad.csv", "--room", "s", "--to", tmp_path / "x.ndjson", "--order", "file"
    )
    assert {path.name for path in tmp_path.iterdir()} == {"bad.csv"}


def test_a_strict_import_says_so_by_its_exit_code(csv_file: Path, tmp_path: Path) -> None:
    words = ("import", "uci", csv_file, "--room", "shop", "--to", tmp_path / "x.ndjson", "--strict")
    assert run(*words).exit_code == 3


def test_replay_prints_totals_and_writes_every_document(recording: Path, tmp_path: Path) -> None:
    result = run("replay", recording, "--signals", tmp_path / "s.ndjson.gz")
    assert result.exit_code == 0
    assert "2 placed, 2 paid, 0 cancelled, 1 refunded" in result.output
    assert "GBP: placed 26.40, paid 26.40, net 26.40" in result.output
    documents = [
        msgspec.json.decode(line, type=Overlay)
        for line in gzip.decompress((tmp_path / "s.ndjson.gz").read_bytes()).splitlines()
    ]
    assert documents[-1].totals.orders.paid == 2
    revisions = [document.rev for document in documents]
    assert revisions == sorted(set(revisions))  # cuts use some up


def test_the_same_replay_gives_the_same_bytes(recording: Path, tmp_path: Path) -> None:
    for name in ("a.ndjson.gz", "b.ndjson.gz"):
        run("replay", recording, "--signals", tmp_path / name)
    assert (tmp_path / "a.ndjson.gz").read_bytes() == (tmp_path / "b.ndjson.gz").read_bytes()
    assert run("replay", recording).output == run("replay", recording).output


def test_replay_gives_its_documents_to_a_pipe(recording: Path) -> None:
    last = run("replay", recording, "--json").stdout_bytes.splitlines()
    every = run("replay", recording, "--signals", "-").stdout_bytes.splitlines()
    assert len(last) == 1
    assert len(every) > 1
    assert msgspec.json.decode(last[0], type=Overlay).totals == msgspec.json.decode(every[-1], type=Overlay).totals


def test_replay_writes_the_claims_that_a_worker_would_keep(tmp_path: Path) -> None:
    show, files = tmp_path / "show.ndjson", [tmp_path / "a.ndjson", tmp_path / "b.ndjson.gz"]
    assert run("simulate", "brushing", "--scale", "0.02", "--to", show).exit_code == 0
    for path in files:
        assert run("replay", show, "--claims", path).exit_code == 0
    told = files[0].read_bytes()
    assert gzip.decompress(files[1].read_bytes()) == told
    reader = KeptClaims()
    standing = [there for line in told.splitlines() if (there := reader.take(line)) is not None]
    assert len(standing) > 50
    assert {claim.state for there in standing for claim in there.claims.values()} == {"said", "withheld"}
    seconds = [there.room.as_of_ms // 1_000 for there in standing]
    assert len(seconds) - len({*seconds}) <= 1, "as a worker, a cut each second; and one at the end"
    assert "all want stdout" in refusal("replay", show, "--claims", "-", "--signals", "-")


def test_replay_refuses_what_cannot_be_meant(recording: Path, tmp_path: Path) -> None:
    assert "No such file" in refusal("replay", tmp_path / "none.ndjson")
    assert "No sale coat opens" in refusal("replay", recording, "--offered", "coat=5")
    assert "say SALE=N" in refusal("replay", recording, "--offered", "coat=many")
    assert "say SALE=N" in refusal("replay", recording, "--offered", "=5")
    assert "No room 'x'" in refusal("replay", recording, "--room", "x")
    assert "choose one" in refusal("replay", recording, "--json", "--signals", "-")
    assert "HOLD_MS" in refusal("replay", recording, "--hold-ms", 99_999_999)
    (tmp_path / "empty.ndjson").touch()
    assert "holds no records" in refusal("replay", tmp_path / "empty.ndjson")
    (tmp_path / "bad.ndjson").write_bytes(gzip.decompress(recording.read_bytes()) + b"{]\n")
    assert "line 4" in refusal("replay", tmp_path / "bad.ndjson")
    (tmp_path / "s.ndjson").touch()
    assert "is there already" in refusal("replay", recording, "--signals", tmp_path / "s.ndjson")


def test_a_torn_recording_is_replayed_up_to_its_tear_and_said(recording: Path, tmp_path: Path) -> None:
    torn = tmp_path / "torn.ndjson"
    torn.write_bytes(gzip.decompress(recording.read_bytes())[:-9])
    result = run("replay", torn)
    assert result.exit_code == 0
    assert "is cut off: 2 whole records were read" in " ".join(result.output.split())


def test_one_row_of_another_century_is_named_and_is_not_the_end_of_the_session(tmp_path: Path) -> None:
    """C6: the row was accepted, the clock leapt, and a replay showed 0 of everything."""
    rows = [f"{number % 50},{number % 7},5,pv,{1_511_848_894 + number}" for number in range(2_000)]
    file, recorded, with_it = tmp_path / "rows.csv", tmp_path / "rows.ndjson", tmp_path / "all.ndjson"
    file.write_text("\n".join([*rows[:1_000], "1,1,5,pv,2114380800", *rows[1_000:]]) + "\n")
    told = " ".join(run("import", "taobao", file, "--room", "tb", "--to", recorded).stderr.split())
    assert "Line 1001 was refused: its time is 2037-01-01T00:00:00Z, 6974 days from all others." in told
    (shown,) = run("replay", recorded, "--json").stdout.splitlines()
    assert msgspec.json.decode(shown)["as_of_ms"] == 1_511_850_893_000
    run("import", "taobao", file, "--room", "tb", "--to", with_it, "--any-time")
    said = refusal("replay", with_it)
    assert said.startswith(f"{with_it}: record 2001 has timestamp_ms 2114380800000, 2037-01-01T00:00:00Z")
    assert "--any-time" in said
    run("replay", with_it, "--any-time")


@pytest.mark.parametrize(("days", "net"), [("7", "GBP 2.50"), ("90", "GBP -7.50")])
def test_what_came_back_after_months_is_deducted_from_an_order_that_is_remembered(
    days: str, net: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [
        "540001,85123A,HEART,10,2011-01-04 10:00:00,2.50,17850.0,United Kingdom",
        "C548000,85123A,HEART,-4,2011-03-29 10:00:00,2.50,17850.0,United Kingdom",
        "548001,85123A,HEART,1,2011-03-29 11:00:00,2.50,12345.0,United Kingdom",
    ]
    months = tmp_path / "months.csv"
    months.write_text("\n".join([ROWS[0], *rows, ""]))
    run("import", "uci", months, "--room", "shop", "--to", tmp_path / "months.ndjson")
    monkeypatch.setenv("SNAPUP_REMEMBER_ORDERS_MS", str(int(days) * 86_400_000))
    assert net in run("replay", tmp_path / "months.ndjson").output


def test_of_people_who_carted_and_ordered_a_sketch_says_that_there_are_so_many_at_least(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 4 899 carters 82 order, most of them an hour later: beyond the bound nobody remembers who did both."""
    carters, buyers, begin_ms, later_ms = 4_899, 82, 1_511_539_200_000, 3_600_000
    records: list[RecordedRecord] = []

    def add(topic: str, at_ms: int, kind: str, user: int, **fields: object) -> None:
        number = f"{kind}-{user}"
        event = {"type": kind, "event_id": number, "room_id": "r", "event_time_ms": at_ms, "user_id": f"u{user}"}
        value = msgspec.json.encode(event | fields)
        records.append(RecordedRecord(topic=topic, timestamp=at_ms, value=value, key=b"r"))

    for user in range(carters):
        add("visits", begin_ms + user, "enter", user)
    for user in range(carters):
        add("cart-adds", begin_ms + 10_000 + user, "cart_add", user, sku_id="k", quantity=1)
    line = {"sku_id": "k", "quantity": 1, "amount_minor": 100}
    for user in range(buyers):
        of_order = {"order_id": f"o{user}", "status": "paid", "currency": "CNY", "lines": [line]}
        add("orders", begin_ms + later_ms * (user % 3 > 0) + 20_000 + user, "order", user, **of_order)
    file = tmp_path / "visits.ndjson"
    write_recording(file, sorted(records, key=lambda record: record.timestamp))

    def of_session() -> Rate:
        (line,) = run("replay", file, "--json").stdout.splitlines()
        overlay = msgspec.json.decode(line, type=Overlay)
        return next(rate for rate in overlay.rates if (rate.name, rate.window_ms) == ("cart_to_order_uv", None))

    exact = of_session()
    assert (exact.num, exact.den, exact.method, exact.bound) == (buyers, carters, "exact", None)
    monkeypatch.setenv("SNAPUP_DISTINCT_EXACT_MAX", "1000")
    rate = of_session()
    assert (rate.method, rate.bound, rate.note) == ("sketch", "lower", None)
    assert rate.num < buyers, "it holds the truth only as the bound that it says it is"
    assert rate.error_95 is not None
    assert rate.den == pytest.approx(carters, rel=2 * rate.error_95)
