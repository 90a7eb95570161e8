from __future__ import annotations

from stream.verify.seen_ids import ANY_TOPIC, SeenIds


def test_an_id_is_known_in_its_topic_and_room_alone() -> None:
    seen = SeenIds()
    seen.see("r", "a", "likes", 5)
    assert seen.last_ms("r", "a", "likes") == 5
    assert seen.last_ms("r", "a", "orders") is None
    assert seen.last_ms("q", "a", "likes") is None


def test_what_a_worker_of_old_folded_is_known_in_every_topic_and_what_it_asks_for_may_be_of_any() -> None:
    seen = SeenIds()
    seen.see("r", "a", ANY_TOPIC, 5)
    seen.see("r", "a", "likes", 7)
    seen.see("r", "b", "orders", 9)
    assert [seen.last_ms("r", "a", topic) for topic in ("likes", "orders", ANY_TOPIC)] == [7, 5, 7]
    assert [seen.last_ms("r", "b", topic) for topic in ("likes", "orders", ANY_TOPIC)] == [None, 9, 9]


def test_what_is_used_in_another_topic_is_told_but_not_of_topics_that_nobody_knows() -> None:
    seen = SeenIds()
    seen.see("r", "a", "likes", 5)
    seen.see("r", "b", ANY_TOPIC, 5)
    assert not seen.is_elsewhere("r", "a", "likes")
    assert seen.is_elsewhere("r", "a", "orders")
    assert not seen.is_elsewhere("r", "b", "orders")


def test_old_ones_are_forgotten() -> None:
    seen = SeenIds()
    seen.see("r", "a", "likes", 5)
    seen.see("r", "b", "orders", 6)
    seen.forget(6)
    assert len(seen) == 1
    assert seen.last_ms("r", "b", "orders") == 6
