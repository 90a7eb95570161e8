"""The auditor's own reading of the journal: under which rules each record was folded and each document published."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec import structs

from stream.commands.verdict_view import rules_told
from stream.contract.events import TOPIC_NAMES
from stream.contract.overlay import Overlay
from stream.core.rules import Rules
from stream.core.saved.growth import TOPICS_1
from stream.core.saved.journal import Segment, Steps, encode_segment
from stream.verify.compare import compare
from stream.verify.recount import Accounts, Recount
from stream.verify.room_count import Assumptions
from stream.verify.rulebook import Rulebook
from stream.verify.verdict import Verdict
from tests.support.rooms import new_fold, random_log, restarted

TOPIC = "live.journal"
HERE = Assumptions(hold_ms=7)


def segment(epoch: int, seq: int, rules: Rules | None, positions: list[int] | None = None) -> bytes:
    """As an owner writes it: with its rules when it claims."""
    before = [0] * len(TOPIC_NAMES) if positions is None else positions
    steps = Steps(before, -1, [], before, -1, [], None)
    told = {} if rules is None else structs.asdict(rules)
    return encode_segment(Segment(epoch, seq, rules is not None, steps, "0.1.0" if rules else "", told))


def book(*segments: bytes, partition: int = 0) -> Rulebook:
    found = Rulebook(HERE)
    for offset, value in enumerate(segments):
        found.add(TOPIC, partition, offset, value)
    return found


def verdict(rulebook: Rulebook, partitions: int) -> Verdict:
    return Verdict(
        cut=[],
        rooms=[],
        problems=[],
        accounts=Accounts(),
        records_cut={},
        checkpoints=0,
        documents=0,
        dead_letters=0,
        waited_s=0,
        rules=rulebook.used(partitions),
        rules_unread=rulebook.unread,
    )


def test_the_workers_rules_hold_and_not_those_that_are_set_here() -> None:
    rules = Rules(room_idle_ms=60_000, hold_ms=5_000, allowed_lateness_ms=0, remember_ids_ms=20_000)
    found = book(segment(1, 1, rules), segment(1, 2, None))
    expected = Assumptions(room_idle_ms=60_000, hold_ms=5_000, allowed_lateness_ms=0, remember_ids_ms=10_000)
    assert structs.replace(found.at(0, "likes", 5), presence_timeout_ms=expected.presence_timeout_ms) == expected
    assert found.of_epoch(0, 1) == found.at(0, "likes", 5)
    assert found.greatest("room_idle_ms") == 60_000


NUMBERS = {*Assumptions.__struct_fields__} & {*Rules.__struct_fields__} - {"mechanics"}


@pytest.mark.parametrize("name", sorted(NUMBERS))
def test_every_rule_that_a_recount_knows_is_read_from_the_journal(name: str) -> None:
    """Also one that is added to both later."""
    value = getattr(Rules(), name) + 2_000
    found = book(segment(1, 1, structs.replace(Rules(), **{name: value})))
    assert getattr(found.of_epoch(0, 1), name) == (value // 2 if name == "remember_ids_ms" else value)


def test_limits_of_mechanics_are_read_from_the_journal_by_name() -> None:
    found = book(segment(1, 1, structs.replace(Rules(), mechanics={"b": {"y": 2, "x": 1}, "a": {}})))
    assert found.of_epoch(0, 1).mechanics == (("a", ()), ("b", (("x", 1), ("y", 2))))


def test_without_a_journal_the_settings_here_have_to_do() -> None:
    found = book()
    assert found.at(3, "orders", 9) == found.of_epoch(3, 9) == HERE
    assert found.all() == [HERE]


def test_each_record_and_each_document_has_the_rules_of_its_own_owner() -> None:
    first, second = Rules(hold_ms=1_000), Rules(hold_ms=2_000)
    positions = [10 * number for number in range(len(TOPIC_NAMES))]
    found = book(segment(1, 1, first), segment(2, 1, first), segment(3, 1, second, positions), segment(4, 1, second))
    topic = TOPIC_NAMES[2]
    assert [found.at(0, topic, offset).hold_ms for offset in (0, 19, 20, 400)] == [1_000, 1_000, 2_000, 2_000]
    assert [found.of_epoch(0, epoch).hold_ms for epoch in (1, 2, 3, 4, 9)] == [1_000, 1_000, 2_000, 2_000, 2_000]
    assert [era.epoch for era in found.eras[0]] == [1, 3]  # as many as there were changes, not owners


def test_where_retention_took_the_first_owner_the_oldest_known_rules_hold() -> None:
    found = book(segment(7, 40, None), segment(8, 1, Rules(hold_ms=3_000), [5] * len(TOPIC_NAMES)))
    assert (found.at(0, "likes", 0).hold_ms, found.of_epoch(0, 7).hold_ms) == (3_000, 3_000)


def test_a_checkpoint_topic_that_was_made_anew_begins_the_book_anew() -> None:
    found = book(segment(5, 1, Rules(hold_ms=3_000)), segment(1, 1, Rules(hold_ms=4_000)))
    assert (found.at(0, "likes", 0).hold_ms, found.of_epoch(0, 1).hold_ms) == (4_000, 4_000)


def test_a_rule_that_an_older_worker_did_not_know_has_its_old_behaviour() -> None:
    old = structs.asdict(Rules(hold_ms=3_000))
    del old["presence_timeout_ms"]
    steps = Steps([0] * TOPICS_1, -1, [], [0] * TOPICS_1, -1, [], None)  # as many topics as there once were
    found = book(encode_segment(Segment(1, 1, claim=True, steps=steps, version="0.1.0", rules=old)))
    assert found.of_epoch(0, 1).presence_timeout_ms == Assumptions().presence_timeout_ms
    assert found.at(0, TOPIC_NAMES[0], 4).hold_ms == 3_000


def test_a_record_is_read_under_the_edition_of_the_contract_that_its_worker_knew() -> None:
    """A sale that ends before it begins was taken under the first edition, and is refused under the second."""
    event: dict[str, Any] = {"type": "sale_opened", "event_id": "e", "room_id": "r", "event_time_ms": 1_795_780_000_000}
    event |= {"sale_id": "s", "sku_id": "k", "offered": 5}
    event |= {"starts_at_ms": 1_795_780_000_000, "ends_at_ms": 1_795_779_000_000}
    value = msgspec.json.encode(event)
    positions = [10] * len(TOPIC_NAMES)
    known = book(segment(1, 1, Rules()), segment(2, 1, Rules(contract_edition=2), positions))
    recount = Recount(rulebook=known)
    rooms = [
        recount.add("sales", value, b"r", event["event_time_ms"], partition=0, offset=offset) for offset in (9, 10)
    ]
    assert rooms == ["r", None]
    assert [(refusal.offset, refusal.reason) for refusal in recount.refusals] == [(10, "impossible_time")]


@pytest.mark.parametrize("value", [None, b"", b"\x01", b"\x02" + segment(1, 1, Rules())[1:], b"junk junk junk"])
def test_what_is_no_record_of_the_journal_is_named_and_stops_nothing(value: bytes | None) -> None:
    found = book(value or b"", segment(1, 1, Rules(hold_ms=3_000)))
    assert found.unread.startswith("live.journal/0@0: ")
    assert found.of_epoch(0, 1).hold_ms == 3_000


def test_it_is_said_which_rules_were_used_and_who_says_so() -> None:
    found = Rulebook(HERE)
    for partition in (0, 1, 3):
        found.add(TOPIC, partition, 0, segment(1, 1, Rules(room_idle_ms=60_000)))
    found.add(TOPIC, 3, 1, segment(2, 1, Rules(room_idle_ms=90_000)))
    assert rules_told(verdict(found, 4), every_rule=False) == [
        (
            "Rules of partitions 0-1, 3 from the journal (live.journal/0@0, Snapup 0.1.0, from epoch 1 on): "
            "allowed_lateness_ms 60 000, hold_ms 60 000, room_idle_ms 60 000."
        ),
        (
            "Rules of partition 2 from the settings here, as no journal says others: "
            "allowed_lateness_ms 60 000, hold_ms 7, room_idle_ms 21 600 000."
        ),
        (
            "Rules of partition 3 from the journal (live.journal/3@1, Snapup 0.1.0, from epoch 2 on): "
            "allowed_lateness_ms 60 000, hold_ms 60 000, room_idle_ms 90 000."
        ),
    ]
    assert all("presence_timeout_ms" in text for text in rules_told(verdict(found, 4), every_rule=True))


def over_a_change_of_rules(seed: int) -> tuple[int, int]:
    """Two owners, the second under other rules: figures that differ with both known, and with the first one's alone."""
    rules = Rules(hold_ms=4_000, allowed_lateness_ms=2_000), Rules(hold_ms=9_000, allowed_lateness_ms=30_000)
    fold = new_fold(rules[0])
    books = book(segment(1, 1, rules[0]), partition=3), book(segment(1, 1, rules[0]), partition=3)
    recounts = [Recount(rulebook=known) for known in books]
    log = [(record.timestamp, topic, record) for topic, each in enumerate(random_log(seed, 400)) for record in each]
    for number, (at_ms, topic, record) in enumerate(sorted(log, key=lambda item: item[:2])):
        if number == len(log) // 2:
            fold = restarted(fold, {}, rules[1])
            books[0].add(TOPIC, fold.partition, 1, segment(2, 1, rules[1], list(fold.positions)))
        fold.fold(topic, [record])
        fold.advance(at_ms, "tick")
        for recount in recounts:
            name, partition = TOPIC_NAMES[topic], fold.partition
            recount.add(name, record.value, record.key, at_ms, partition=partition, offset=record.offset)
    wrong = [0, 0]
    for room_id in fold.rooms:
        overlay = fold.overlay(room_id, 2)
        assert isinstance(overlay, Overlay)
        for number, (recount, known) in enumerate(zip(recounts, books, strict=True)):
            figures = compare(recount.room(room_id, overlay.as_of_ms, known.of_epoch(fold.partition, 2)), overlay)
            assert len(figures) > 40
            wrong[number] += sum(1 for figure in figures if not figure.agrees)
    return wrong[0], wrong[1]


def test_a_recount_over_a_change_of_rules_is_what_the_workers_had() -> None:
    found = [over_a_change_of_rules(seed) for seed in range(8)]
    assert [with_both for with_both, _ in found] == [0] * 8
    assert sum(with_one for _, with_one in found) > 0
