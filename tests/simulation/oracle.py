"""What must hold, asked by code that knows nothing of the fold: counts by plain addition, and the order of every log.

Some of it is looked at while it happens (what Redis shows, what is folded, what is kept over a rebalance), the rest
when everything has come to rest.
"""

from __future__ import annotations

import json
import sys
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from msgspec import Struct

from stream.contract.events import EDITION, TOPIC_NAMES
from stream.contract.overlay import Session, SourceViews, room_key
from stream.contract.sections import overlay_with
from stream.verify.compare import compare
from stream.verify.recount import Recount
from stream.verify.room_count import Assumptions
from stream.verify.rulebook import Rulebook, assumptions_of_rules
from stream.verify.saved import CheckpointLog, DeadLetters
from tests.simulation import claims_told, sessions
from tests.simulation.kafka_log import Outcome
from tests.simulation.mechanics import AGAIN
from tests.simulation.workload import INTERACTIONS, NAMED_SOURCES, TOPICS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stream.core.rules import Rules
    from tests.simulation.kafka_log import Cluster, Kept, PartitionLog, Transaction
    from tests.simulation.redis_server import RedisServer

META_KEY = b"m"
MOST_PROBLEMS = 20
# What is counted, and the topic that it comes from.
COUNTED = (
    ("likes", "live.likes"),
    ("comments", "live.comments"),
    ("cart_adds", "live.cart-adds"),
    ("views", "live.visits"),
    ("placed", "live.orders"),
    ("paid", "live.orders"),
    ("cancelled", "live.orders"),
    ("refunded", "live.orders"),
    ("partly_undone", "live.orders"),
    *((f"views from {source}", "live.visits") for source in NAMED_SOURCES),
)


class _Orders(Struct):
    placed: int
    paid: int
    cancelled: int
    refunded: int
    partly_undone: int = 0


class _Totals(Struct):
    likes: int
    comments: int
    cart_adds: int
    views: int
    orders: _Orders

    def counts(self) -> tuple[int, ...]:
        orders = self.orders
        return (
            self.likes,
            self.comments,
            self.cart_adds,
            self.views,
            orders.placed,
            orders.paid,
            orders.cancelled,
            orders.refunded,
            orders.partly_undone,
        )


class _Shown(Struct):
    """What is looked at of a document, each time."""

    room_id: str
    epoch: int
    rev: int
    as_of_ms: int
    totals: _Totals
    session: Session | None = None
    sources: list[SourceViews] = []

    def counts(self) -> tuple[int, ...]:
        views = {each.source: each.views for each in self.sources if not each.other}
        return (*self.totals.counts(), *(views.get(source, 0) for source in NAMED_SOURCES))


class _Saved(Struct):
    epoch: int
    seq: int
    owner: str
    claim: bool
    positions: dict[str, int]


class _Seen(NamedTuple):
    at_s: float
    wipes: int
    shown: _Shown


_shown_of = msgspec.json.Decoder(_Shown).decode
_saved_of = msgspec.json.Decoder(_Saved).decode
_overlay_of = msgspec.json.Decoder(overlay_with(AGAIN.sections)).decode
# Compaction leaves these as they are.
WRITTEN_ONCE = ("live.dead-letters", "live.signals", "live.journal")


class Oracle:
    """Watches one run. `problems`: everything that may never be."""

    def __init__(self, cluster: Cluster, redis: RedisServer, rules: Rules) -> None:
        self._rules = rules
        self._cluster = cluster
        self._redis = redis
        self.problems: list[str] = []
        self.committed: dict[tuple[str, int], list[Kept]] = defaultdict(list)
        self.saved: dict[int, _Saved] = {}
        self._ends_asked_s: dict[tuple[str, int], float] = {}  # (owner, partition) → when
        self._claimed_s: dict[tuple[int, int], float] = {}  # (partition, epoch) → when it asked for the log ends
        self._seen: dict[str, _Seen] = {}
        self._shown_at: list[tuple[str, dict[str, int], _Shown]] = []
        self._recounted: Recount | None = None
        self._told: dict[int, int] = defaultdict(int)  # partition → signals of which the recount knows the sessions
        self._newest_sessions: dict[str, Session | None] = {}
        self.documents = 0
        self.sessions = 0  # that have ended, and of which the last document is committed
        cluster.when_committed.append(self._committed)
        redis.when_written.append(self._written)

    def complain(self, problem: str) -> None:
        """Something that may never be."""
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(problem)

    # -- while it happens ----------------------------------------------------------------------------------------------

    def folds(self, log: PartitionLog, position: int, records: Sequence[Any]) -> None:
        """What a fold is given must be exactly what follows in the log: nothing twice, nothing left out."""
        expected, _ = log.read(position, len(records), committed=False)
        if [record.offset for record in expected] != [record.offset for record in records]:
            given = f"{records[0].offset} to {records[-1].offset}"
            self.complain(f"{log.topic}/{log.partition}: {given} is folded into state that stands at {position}")

    def keeps(
        self, host: str, partition: int, history: Mapping[int, Mapping[int, list[str]]], last: int, now: int
    ) -> None:
        """State that is kept over a rebalance must not have been somebody else's to change meanwhile."""
        for generation in range(last, now + 1):
            owners = history.get(generation, {}).get(partition, [host])
            # It was ours to the end of the last one, and is from the beginning of this one.
            owners = owners[-1:] if generation == last else owners[:1] if generation == now else owners
            if owners != [host]:
                self.complain(f"{host} keeps partition {partition}, which generation {generation} gave to {owners}")

    def asked_for_ends(self, host: str, partition: int) -> None:
        """A new owner has just learned where the logs end: what was shown up to now lies before."""
        self._ends_asked_s[host, partition] = self._redis.now_s()

    def _committed(self, transaction: Transaction) -> None:
        for log, first in transaction.first_offsets.items():
            records = log.records
            for index in range(bisect_left(records, first, key=lambda record: record.offset), len(records)):
                record = records[index]
                if record.transaction is transaction and not record.marker:
                    self.committed[log.topic, log.partition].append(record)
                    if record.key == META_KEY and record.value is not None:
                        self._checkpointed(log.partition, _saved_of(record.value))

    def _checkpointed(self, partition: int, saved: _Saved) -> None:
        self.saved[partition] = saved
        if saved.claim:
            self._claimed_s[partition, saved.epoch] = self._ends_asked_s[saved.owner, partition]

    def _written(self, key: str, version: tuple[int, int], document: bytes, positions: str) -> None:
        shown, (epoch, rev) = _shown_of(document), version
        self.documents += 1
        at = dict(zip(TOPICS, map(int, positions.split(",")), strict=False))  # zeros at the end are left out
        self._shown_at.append((key, at, shown))
        if (shown.epoch, shown.rev) != (epoch, rev):
            self.complain(f"{key}: written as {epoch}/{rev}, but says {shown.epoch}/{shown.rev}")
        before = self._seen.get(key)
        if before is not None:
            old = before.shown
            if before.wipes == self._redis.wipes:
                if (epoch, rev) <= (old.epoch, old.rev):
                    self.complain(f"{key}: {epoch}/{rev} is written over {old.epoch}/{old.rev}")
            elif (epoch, rev) <= (old.epoch, old.rev):
                # Redis forgot what was there: a word of an earlier owner, or of this one that was long on its way,
                # stands until the next one of the owner.
                return
            if _begins_earlier(old, shown):
                self.complain(f"{key}: {shown.epoch}/{shown.rev} goes back to {sessions.named(shown.session)}")
            if _goes_back(old, shown) and not self._had_gone_ahead(before, shown):
                self.complain(f"{key}: counts go back from {old.counts()} to {shown.counts()}")
        self._seen[key] = _Seen(self._redis.now_s(), self._redis.wipes, shown)

    def _had_gone_ahead(self, before: _Seen, shown: _Shown) -> bool:
        """An owner that is fenced off and does not know it may be ahead of the next one, once that one has claimed."""
        partition = int(shown.room_id.split("-")[1])
        claimed_s = self._claimed_s.get((partition, shown.epoch))
        return claimed_s is not None and before.shown.epoch < shown.epoch and before.at_s >= claimed_s

    # -- at rest -------------------------------------------------------------------------------------------------------

    def is_all_saved(self) -> bool:
        """Whether the committed checkpoints cover the input logs."""
        return not any(
            (saved := self.saved.get(log.partition)) is None or saved.positions.get(log.topic, 0) < log.end
            for log in self._inputs()
        )

    def _inputs(self) -> list[PartitionLog]:
        return [log for log in self._cluster.logs.values() if log.topic in TOPICS and log.end > 0]

    def differences(self) -> list[str]:
        """Figures of the newest documents that are not those of the recount; they may still be on their way."""
        recount = self._recount()
        self._tell_sessions(recount)
        found: list[str] = []
        for room in recount.room_ids():
            key = room_key("live", room, "overlay")
            document = self._redis.carry_out([("get", key)])[0]
            if document is None:
                found.append(f"{room}: no document")
                continue
            overlay = _overlay_of(document)
            if not sessions.is_same(overlay.session, self._newest_sessions.get(room)):
                newest = sessions.named(self._newest_sessions.get(room))
                found.append(f"{room}: Redis shows {sessions.named(overlay.session)}, signals {newest}")
                continue
            counted = recount.room(room, overlay.as_of_ms, session=overlay.session)
            figures = compare(counted, overlay, mechanics=AGAIN)
            found += [
                f"{room} {figure.name}: recounted {figure.recounted}, published {figure.published}"
                for figure in figures
                if not figure.agrees
            ]
        return found

    def _recount(self) -> Recount:
        """Counted once: nothing is sent any more when this is asked."""
        if self._recounted is not None:
            return self._recounted
        rules = self._rules
        assumptions = Assumptions(
            hold_ms=rules.hold_ms,
            room_idle_ms=rules.room_idle_ms,
            remember_sales_ms=rules.remember_sales_ms,
            contract_edition=EDITION,
            signals_edition=rules.signals_edition,
            ids_by_topic=rules.ids_by_topic,
            sources_max=rules.sources_max,
            products_max=rules.products_max,
            mechanics=assumptions_of_rules(msgspec.to_builtins(rules)).mechanics,
        )
        recount = self._recounted = Recount(rulebook=Rulebook(assumptions, AGAIN))
        self._tell_sessions(recount)
        for log in self._inputs():
            for record in log.records:
                recount.add(
                    log.topic,
                    record.value,
                    record.key,
                    record.timestamp,
                    partition=log.partition,
                    offset=record.offset,
                    headers=record.headers,
                )
        return recount

    def _tell_sessions(self, recount: Recount) -> None:
        """Where sessions begin the committed signals say, as they do to the audit."""
        for (topic, partition), records in self.committed.items():
            if topic != "live.signals":
                continue
            for record in records[self._told[partition] :]:
                assert record.value is not None
                shown = _shown_of(record.value)
                self._newest_sessions[shown.room_id] = session = shown.session
                if session is not None:
                    first = dict(zip(TOPIC_NAMES, session.first_offsets, strict=True))
                    end = dict(zip(TOPIC_NAMES, session.next_offsets, strict=False))
                    is_over = session.ended_at_ms is not None
                    recount.begins(shown.room_id, session.began_at_ms, first, end if is_over else None)
            self._told[partition] = len(records)

    def conclude(self) -> None:
        """Everything that can be said at the end."""
        for difference in self.differences():
            self.complain(difference)
        if not self.is_all_saved():
            self.complain("the last checkpoints do not cover the input logs")
        self._look_at_outputs()
        self._look_at_checkpoints()
        self._look_at_dead_letters()
        counts = _PlainCounts(self._inputs())
        self._look_at_documents(counts)
        self._look_at_signals(counts)
        for difference in claims_told.differences(self.committed):
            self.complain(difference)

    def _look_at_outputs(self) -> None:
        """A reader sees what was committed: all of each such transaction, and nothing of another one."""
        for (topic, partition), log in self._cluster.logs.items():
            if topic in WRITTEN_ONCE:
                committed = {record.offset for record in self.committed[topic, partition]}
                seen = {record.offset for record in log.visible()}
                # Their markers are on the way.
                seen |= {record.offset for record in log.records if _will_be_seen(record, log)}
                for offset in sorted(committed ^ seen):
                    said = "is not committed, and seen" if offset in seen else "is committed, and not seen"
                    self.complain(f"{topic}/{partition}@{offset} {said}")

    def _look_at_checkpoints(self) -> None:
        log = CheckpointLog()
        for (topic, partition), records in self.committed.items():
            if topic == "live.checkpoints":
                for record in sorted(records, key=lambda record: record.offset):
                    log.add(partition, record.offset, record.key, record.value)
        for problem in log.problems.said:
            self.complain(problem)

    def _look_at_dead_letters(self) -> None:
        letters = DeadLetters()
        for (topic, partition), records in self.committed.items():
            if topic == "live.dead-letters":
                for record in records:
                    letters.add(_Letter(partition, record.offset, record.key, record.value, record.headers))
        for refusal in self._recount().refusals:
            letters.expect(refusal)
        for problem in letters.differences():
            self.complain(problem)

    def _look_at_documents(self, counts: _PlainCounts) -> None:
        """Each document that Redis ever accepted must say what its offsets say, counted by plain addition."""
        for key, at, shown in self._shown_at:
            counted = counts.between(shown.room_id, sessions.first_offsets(shown.session), at)
            if counted != shown.counts():
                self.complain(f"{key} {shown.epoch}/{shown.rev}: counted {counted}, shown {shown.counts()}")

    def _look_at_signals(self, counts: _PlainCounts) -> None:
        """So must each committed one what its checkpoint's offsets say."""
        transactions: dict[Transaction, _Saved] = {}
        signals: list[tuple[int, Kept]] = []
        for (topic, partition), records in self.committed.items():
            for record in records:
                if topic == "live.checkpoints" and record.key == META_KEY and record.value is not None:
                    assert record.transaction is not None
                    transactions[record.transaction] = _saved_of(record.value)
                elif topic == "live.signals":
                    signals.append((partition, record))
        of_partition: dict[int, list[sessions.Signal]] = defaultdict(list)
        for partition, record in sorted(signals, key=lambda signal: (signal[0], signal[1].offset)):
            assert record.transaction is not None
            assert record.value is not None
            shown, saved = _shown_of(record.value), transactions[record.transaction]
            where = f"signals/{partition}@{record.offset} of {shown.room_id}"
            if shown.epoch != saved.epoch:
                self.complain(f"{where} is of epoch {shown.epoch}, its checkpoint of {saved.epoch}")
            session, until = shown.session, saved.positions
            if session is not None and session.ended_by is not None:
                until = sessions.next_offsets(session)
                self.sessions += 1
            counted = counts.between(shown.room_id, sessions.first_offsets(session), until)
            if counted != shown.counts():
                self.complain(f"{where}: counted {counted}, signalled {shown.counts()}")
            version = (shown.epoch, shown.rev)
            of_partition[partition].append(sessions.Signal(where, shown.room_id, version, session))
        self._look_at_sessions(of_partition, counts)

    def _look_at_sessions(self, of_partition: Mapping[int, list[sessions.Signal]], counts: _PlainCounts) -> None:
        """One after the other in each room, none without its end, and begun and ended where a word says so."""
        for signals in of_partition.values():
            of_room: dict[str, list[sessions.Signal]] = defaultdict(list)
            for signal in signals:
                of_room[signal.room_id].append(signal)
            for room_signals in of_room.values():
                for problem in sessions.look_at_room(room_signals, counts.has_between):
                    self.complain(problem)
        for log in self._inputs():
            if log.topic == TOPICS[INTERACTIONS]:
                for problem in sessions.look_at_words(log.partition, log.records, of_partition[log.partition]):
                    self.complain(problem)


class _Letter(NamedTuple):
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


def _will_be_seen(record: Kept, log: PartitionLog) -> bool:
    transaction = record.transaction
    return transaction is not None and transaction.outcome is Outcome.COMMITTED and log in transaction.pending


def _began_ms(shown: _Shown) -> int:
    return -1 if shown.session is None else shown.session.began_at_ms


def _begins_earlier(old: _Shown, new: _Shown) -> bool:
    """Another owner may see a silence where this one saw none, until one of them has saved what it saw."""
    return old.epoch == new.epoch and _began_ms(new) < _began_ms(old)


def _goes_back(old: _Shown, new: _Shown) -> bool:
    """Whether a count falls within a session.

    Until it is saved, the next owner may find another place among the topics for a word or a silence: what comes from
    a topic is compared where the session begins at the same record of it.
    """
    if _began_ms(old) != _began_ms(new):
        return False
    firsts = sessions.first_offsets(old.session), sessions.first_offsets(new.session)
    return any(
        after < before and firsts[0].get(topic) == firsts[1].get(topic)
        for before, after, (_, topic) in zip(old.counts(), new.counts(), COUNTED, strict=True)
    )


def _said_of_order(event: dict[str, Any]) -> str:
    """What a record says of its order: a status, or something of a part."""
    return json.dumps([event["part_id"], event["part_lines"]]) if "part_id" in event else str(event["status"])


class _PlainCounts:
    """Each accepted record counts once, by plain addition; what it adds is kept by its offset."""

    def __init__(self, logs: Sequence[PartitionLog]) -> None:
        # (room, topic, what) → offsets, and the sum up to and including each.
        self._offsets: dict[tuple[str, str, str], list[int]] = defaultdict(list)
        self._sums: dict[tuple[str, str, str], list[int]] = defaultdict(list)
        self._once: set[tuple[str, ...]] = set()
        self._users: dict[tuple[str, str], str] = {}
        self._revisions: dict[tuple[str, str], int] = {}  # of orders, until they are paid
        for log in logs:
            for record in log.records:
                self._add(log.topic, record)

    def _add(self, topic: str, record: Kept) -> None:
        try:
            event = json.loads(record.value or b"")
            room, event_id = event["room_id"], event["event_id"]
        except (ValueError, KeyError):
            return
        if event.get("type") == "order" and self._contradicts(room, topic, event):
            return
        if not self._first(room, topic, event_id):
            return
        for what, amount in self._amounts(room, event).items():
            key = (room, topic, what)
            sums = self._sums[key]
            self._offsets[key].append(record.offset)
            sums.append((sums[-1] if sums else 0) + amount)

    def _contradicts(self, room: str, topic: str, event: dict[str, Any]) -> bool:
        """Whether an order is refused: its id was another order's event's, or it is known as another user's."""
        user, order_id = event["user_id"], event["order_id"]
        edits = self._edits((room, order_id), event)
        if (room, topic, event["event_id"]) in self._once:
            return edits or (room, order_id, "is", _said_of_order(event)) not in self._once
        owner = self._users.setdefault((room, order_id), user)
        if user != owner and "-" not in (user, owner):
            return True
        self._once.add((room, order_id, "is", _said_of_order(event)))
        if edits:
            self._revisions[room, order_id] = event["revision"]
        if event["status"] == "paid":
            self._revisions[room, order_id] = sys.maxsize
        return False

    def _edits(self, order: tuple[str, str], event: dict[str, Any]) -> bool:
        """Whether a record says another revision of an order that is not paid."""
        known, said = self._revisions.get(order, 0), event.get("revision") or 0
        return said > known or (event["status"] == "paid" and known not in (said, sys.maxsize))

    def _first(self, *names: str) -> bool:
        if names in self._once:
            return False
        self._once.add(names)
        return True

    def _amounts(self, room: str, event: dict[str, Any]) -> Counter[str]:
        amounts: Counter[str] = Counter()
        match event["type"]:
            case "like":
                amounts["likes"] = event["count"]
            case "comment":
                amounts["comments"] = 1
            case "cart_add":
                amounts["cart_adds"] = 1
            case "enter":
                amounts["views"] = 1
                if source := event.get("source"):
                    amounts[f"views from {source}"] = 1
            case "order":
                status, order_id = event["status"], event["order_id"]
                if "part_id" in event:
                    status = "partly_undone"
                if status in ("placed", "paid") and self._first(room, order_id, "was placed"):
                    amounts["placed"] = 1
                if status != "placed" and self._first(room, order_id, status):
                    amounts[status] = 1
        return amounts

    def between(self, room: str, first: Mapping[str, int], until: Mapping[str, int]) -> tuple[int, ...]:
        """What the records from some positions on and before others come to; a room's name says its partition."""
        return tuple(
            self._before(room, topic, what, until.get(topic, 0)) - self._before(room, topic, what, first.get(topic, 0))
            for what, topic in COUNTED
        )

    def has_between(self, room: str, first: Mapping[str, int], until: Mapping[str, int]) -> bool:
        """Whether they come to anything."""
        return any(self.between(room, first, until))

    def _before(self, room: str, topic: str, what: str, position: int) -> int:
        key = (room, topic, what)
        offsets = self._offsets.get(key)
        if offsets is None:
            return 0
        index = bisect_right(offsets, position - 1)
        return self._sums[key][index - 1] if index else 0
