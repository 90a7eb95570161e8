"""Rules broken on purpose, one at a time: the simulation must notice, or its silence means nothing.

`python -m tests.simulation.mutants` says which is the first seed that catches each, and by what.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, NamedTuple
from unittest.mock import patch

import msgspec

from stream.core import partition as partition_module
from stream.core.dormant import Dormant
from stream.core.engaged import Engaged, Part
from stream.core.ids import EventIds
from stream.core.lifecycle import Lifecycle
from stream.core.saved.generations import Generations
from stream.core.saved.mechanics import MechanicRecords
from stream.core.standing import EXPIRED
from stream.worker import partition_owner as owner_module
from stream.worker.assignment import Owners
from stream.worker.checkpoint import META_KEY, STATE_BATCH_BYTES, CheckpointWriter, Contents, Message, Meta, Written
from stream.worker.open_transactions import OutputPartitions
from stream.worker.ownership import Ownership, Phase, Verdict
from stream.worker.partition_owner import Owner
from tests.simulation.group import GroupMember
from tests.simulation.redis_server import RedisServer
from tests.simulation.run import run_seed
from tests.simulation.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from faust.types import TP

    from stream.core.memory import Memory
    from stream.core.room import Room
    from stream.core.rules import Rules
    from stream.worker.ownership import Slice
    from tests.simulation.world import Result


# -- no fence: every process has a transactional id of its own ---------------------------------------------------------

_numbers = itertools.count()


class UnfencedWriter(CheckpointWriter):
    def __init__(self, servers: str, transactional_id: str, *more: Any) -> None:
        super().__init__(servers, f"{transactional_id}-{next(_numbers)}", *more)


# -- offsets after state: the offsets are read when the write begins, the state was cut before -------------------------


async def offsets_after_state(self: Owner) -> Written | None:
    async with self.lock:
        if self.phase not in (Phase.READY, Phase.LIVE) or self.writer is None:
            return None
        contents = self._cut()
        written = None
        if contents is not None:
            await asyncio.sleep(0.01)
            contents.meta.positions = dict(zip(self.config.topics, self.fold.positions, strict=True))
            written = await self.writer.write(contents)
            self.saved = tuple(contents.meta.positions.values())
        return written


# -- seek skipped: the fetcher stays where the group's offsets put it --------------------------------------------------


class MemberWithoutSeek(GroupMember):
    def seek(self, tp: TP, position: int) -> None:
        del tp, position


class WorldWithoutSeek(World):
    make_member = MemberWithoutSeek


# -- contiguity check off: whatever comes under the present token is folded --------------------------------------------


def accepts_all(self: Ownership, piece: Slice) -> Verdict:
    if self.phase is not Phase.LIVE or piece.token != self.token:
        return Verdict.STALE
    self.accepted_to[piece.topic_index] = piece.next_offset
    return Verdict.FOLD


# -- kept state over a missed generation -------------------------------------------------------------------------------

_assigned = Owners.on_assigned


async def keeps_always(self: Owners, assigned: Iterable[TP], generation: int) -> None:
    self._generation, self._member_id = generation - 1, self._consumer().member_id
    await _assigned(self, assigned, generation)


async def keeps_a_namesakes(self: Owners, assigned: Iterable[TP], generation: int) -> None:
    """Another process of this static name may have had the partitions in the generation before."""
    self._member_id = self._consumer().member_id
    await _assigned(self, assigned, generation)


NAMESAKES = 4


class WorldOfNamesakes(World):
    """Every worker has a static name, and other processes come under it: a few runs in a thousand notice otherwise."""

    def __init__(self, seed: int, say: Callable[[str], None] | None = None) -> None:
        super().__init__(seed, say)
        self.static = True
        self.faults.add_namesakes(NAMESAKES)


# -- stale Redis write: set without compare ----------------------------------------------------------------------------


class RedisWithoutCompare(RedisServer):
    def is_newer(self, version: tuple[int, int], held: tuple[int, int]) -> bool:
        del version, held
        return True


class WorldWithoutCompare(World):
    make_redis_server = RedisWithoutCompare


# -- hold expiry not idempotent: it gives units back whatever became of the order --------------------------------------


def expires_again(room: Room, order_id: str, hold_until_ms: int) -> bool:
    order = room.orders.get(order_id)
    if order is None:
        return False
    for sale_id, sku_id, quantity in order.lines:
        ledger = room.ledgers.get((sale_id, sku_id))
        if ledger is not None:
            ledger.released += quantity
            ledger.move(order.user_id, -quantity, 0, hold_until_ms // 1000, suspect=False)
    order.mask |= EXPIRED
    room.changed_orders[order_id] = None
    return True


# -- ids forgotten early: a generation lasts until the clock moves -----------------------------------------------------


def turns_at_once(self: Generations, clock_ms: int) -> None:
    if self._since_ms < 0 and self.ids:
        self._since_ms = clock_ms
    if self.ids:
        self._turn(1, clock_ms)


# -- ids of all topics in one place: the one of two events that is folded second vanishes ------------------------------


_ids_of = EventIds.__init__


def knows_no_topics(self: EventIds, rules: Rules) -> None:
    _ids_of(self, msgspec.structs.replace(rules, ids_by_topic=False))


# -- and some more -----------------------------------------------------------------------------------------------------


async def commits_unawaited(self: CheckpointWriter, contents: Contents, *_more: Any) -> Written:
    """`commit_transaction` succeeds although a batch of the transaction failed."""
    await self._producer.begin_transaction()
    state = [Message(key, value) for key, value in contents.state]
    meta = Message(META_KEY, msgspec.json.encode(contents.meta))
    outputs = self._topics
    batches: tuple[tuple[str, Sequence[Message]], ...] = (
        (outputs.checkpoints, state),
        (outputs.dead_letters, contents.dead_letters),
        (outputs.checkpoints, [meta]),
    )
    sent = [
        await self._producer.send_batch(batch, topic, partition=self._partition)
        for topic, messages in batches
        if messages
        for batch in self._batches(messages, STATE_BATCH_BYTES)
    ]
    await self._producer.commit_transaction()
    return Written((await sent[-1]).offset - len(state), contents.records, 0)


async def leaves_open(_self: OutputPartitions, _writer: CheckpointWriter, _meta: Meta | None) -> None:
    """No look at what an older transaction left open."""


def publishes_at_once(self: Owner) -> bool:
    """No waiting until the replay has passed what the old owner may have shown."""
    return self.phase is Phase.LIVE


# -- a session begins as if there had been none before ---------------------------------------------------------------

_begin = Lifecycle.begin


def begins_at_rev_0(self: Lifecycle, room_id: str, positions: Sequence[int]) -> Room:
    """Its revisions are those of a room that nobody knew."""
    room = _begin(self, room_id, positions)
    room.rev = room.rev_saved = 0
    return room


_end = Dormant.add


def forgets_what_was_sold(self: Dormant, memory: Memory, clock_ms: int) -> None:
    """Sales and orders go with the session; event ids stay, and that the room was there."""
    memory.orders, memory.changed_orders, memory.past, memory.unpaid = {}, {}, {}, {}
    _end(self, memory, clock_ms)


def drops_the_memory(self: Dormant, memory: Memory, _clock_ms: int) -> None:
    """Nothing of the room stays."""
    self._rising.lost = True
    self.gone[memory.room_id] = None


# -- mechanics: what their machine has to do ---------------------------------------------------------------------------


def keeps_the_section(self: Part) -> None:
    """What was made of a section holds whatever happens."""
    self.changed = True


def lets_rows_go(self: MechanicRecords, _rooms: Mapping[str, Room], clock_ms: int) -> list[tuple[bytes, bytes | None]]:
    """No row is written again before its segment goes."""
    return self._rows.cut(clock_ms - self.horizon_ms)


def skips_the_moment(self: Engaged, name: str, due_ms: int) -> bool:
    """A mechanic is not told that its time has come."""
    return name in self.parts and due_ms < 0


class Mutant(NamedTuple):
    """A broken rule, and the world without the break.

    seed: catches it, as of now. Other code may need another seed, so the search goes on from it.
    """

    name: str
    seed: int
    patches: tuple[tuple[Any, str, Any], ...] = ()
    world: type[World] = World
    unbroken: type[World] = World

    def run(self, seed: int) -> Result:
        """One run with the rule broken."""
        with ExitStack() as stack:
            for owner, name, broken in self.patches:
                stack.enter_context(patch.object(owner, name, broken))
            return run_seed(seed, self.world)

    def first_caught(self, first: int, most: int) -> Result | None:
        """The first run from this seed on that does not end well."""
        return next((result for seed in range(first, first + most) if (result := self.run(seed)).problems), None)


MUTANTS = (
    Mutant("no fence", 3, ((owner_module, "CheckpointWriter", UnfencedWriter),)),
    Mutant("offsets after state", 2, ((Owner, "checkpoint", offsets_after_state),)),
    Mutant("seek skipped", 0, world=WorldWithoutSeek),
    Mutant("contiguity check off", 2, ((Ownership, "accept", accepts_all),)),
    Mutant("kept state over a missed generation", 95, ((Owners, "on_assigned", keeps_always),)),
    Mutant(
        "kept state that a namesake had",
        37,
        ((Owners, "on_assigned", keeps_a_namesakes),),
        WorldOfNamesakes,
        WorldOfNamesakes,
    ),
    Mutant("stale Redis write", 78, world=WorldWithoutCompare),
    Mutant("hold expiry not idempotent", 1, ((partition_module, "expire_hold", expires_again),)),
    Mutant("ids forgotten early", 0, ((Generations, "turn_by_number", turns_at_once),)),
    Mutant("one id for all topics", 0, ((EventIds, "__init__", knows_no_topics),)),
    Mutant("commit without awaiting the batches", 3, ((CheckpointWriter, "_transact", commits_unawaited),)),
    Mutant("left open", 69, ((OutputPartitions, "end_open", leaves_open),)),
    Mutant("published before the replay has caught up", 3, ((Owner, "_caught_up", publishes_at_once),)),
    Mutant("revisions begin anew", 3, ((Lifecycle, "begin", begins_at_rev_0),)),
    Mutant("memory dropped at session end", 3, ((Dormant, "add", drops_the_memory),)),
    Mutant("stock forgotten at session end", 3, ((Dormant, "add", forgets_what_was_sold),)),
    Mutant("kept section not dropped", 18, ((Part, "moves", keeps_the_section),)),
    Mutant("row not written again before its segment goes", 5, ((MechanicRecords, "cut_rows", lets_rows_go),)),
    Mutant("due moment skipped", 4, ((Engaged, "elapse", skips_the_moment),)),
)


def main() -> int:
    """Look for the first seed that catches each."""
    missed = 0
    for mutant in MUTANTS:
        result = mutant.first_caught(0, 2_000)
        missed += result is None
        said = "NOT CAUGHT" if result is None else f"seed {result.seed}: {result.problems[0]}"
        print(f"{mutant.name:45} {said}", flush=True)
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
