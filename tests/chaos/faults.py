"""What goes wrong: each fault waits for signs that it has hit, and fails the run when there are none."""

from __future__ import annotations

import asyncio
import signal
import time
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaProducer

from tests.chaos.fleet import MissedError
from tests.chaos.redis_keys import held, not_back
from tests.chaos.traffic import PREFIX, Shop, rooms_of
from tests.integration.test_poison import of_every_codec, poison
from tests.support.old_version import FIRST_VERSION
from tests.support.raw_batches import RawSender

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from stream.local.kafka import KafkaServer
    from tests.chaos.arena import Arena
    from tests.chaos.fleet import Member
    from tests.chaos.report import Outcome

    Fault = Callable[["Arena", "Outcome"], Awaitable[set[int]]]

HIT_DEADLINE_S = 60.0
# The process ends itself 8 s after SIGTERM.
END_DEADLINE_S = 15.0
LOOK_S = 0.1
REDIS_DELAY_S = 2.0
REDIS_SLOW_FOR_S = 8.0
OPEN_FOR_S = 12.0
STORM_S = 15.0
STORM_PAUSE_S = 0.3
# The kind with more letters than all others together.
ONCE = "thousands of nothings"


def _choose(arena: Arena, *, static: bool | None = None) -> Member:
    members = [each for each in arena.fleet.members if each.runs and static in (None, each.static)]
    if not members:
        raise MissedError("nobody is left to be hit")
    return arena.chance.choice(members)


async def _killed(arena: Arena, outcome: Outcome, *, static: bool) -> set[int]:
    """SIGKILL, and a new process at once."""
    member = _choose(arena, static=static)
    victims = arena.fleet.partitions_of(member)
    outcome.at_s = arena.fleet.kill(member)
    arena.fleet.start(member)
    await _taken_over(arena, victims, outcome.at_s)
    outcome.hit = f"{member.name} was ended by signal 9; its {len(victims)} partitions have a later epoch"
    return victims


async def kill_dynamic(arena: Arena, outcome: Outcome) -> set[int]:
    """Kill -9 of a member whose name the group does not know."""
    return await _killed(arena, outcome, static=False)


async def kill_static(arena: Arena, outcome: Outcome) -> set[int]:
    """Kill -9 of a member that comes back under its name."""
    return await _killed(arena, outcome, static=True)


async def pause(arena: Arena, outcome: Outcome) -> set[int]:
    """SIGSTOP until others have its partitions, then SIGCONT."""
    member = _choose(arena)
    victims = arena.fleet.partitions_of(member)
    outcome.at_s = arena.fleet.signal(member, signal.SIGSTOP)
    await arena.fleet.until(lambda: member.state() == "T", HIT_DEADLINE_S, f"{member.name} to stand still")
    try:
        await _taken_over(arena, victims, outcome.at_s)
        paused_s = time.time() - outcome.at_s
    finally:
        arena.fleet.signal(member, signal.SIGCONT)
    if victims and paused_s < arena.shortest_session_s:
        raise MissedError(f"{member.name} lost its partitions after {paused_s:.1f} s, before its session ended")
    outcome.hit = f"{member.name} was in state T for {paused_s:.1f} s; others took its {len(victims)} partitions"
    return victims


async def terminate(arena: Arena, outcome: Outcome) -> set[int]:
    """SIGTERM, and a new process when it has ended."""
    return await _restarted(arena, outcome, _choose(arena))


async def _restarted(arena: Arena, outcome: Outcome, member: Member) -> set[int]:
    # A process that is still loading its modules knows no orderly end.
    await arena.fleet.until(lambda: member.started, HIT_DEADLINE_S, f"the start of {member.name}")
    victims = arena.fleet.partitions_of(member)
    try:
        at_s, took_s = await arena.fleet.terminate(member, END_DEADLINE_S)
    finally:  # in any case, the next fault finds the fleet as it was
        arena.fleet.renew(member)
    outcome.at_s = outcome.at_s or at_s
    outcome.notes["end_s"] = max(took_s, outcome.notes.get("end_s", 0.0))
    outcome.hit += f"{member.name} ended with 0 in {took_s:.1f} s. "
    return victims


async def rolling_restart(arena: Arena, outcome: Outcome) -> set[int]:
    """SIGTERM to each member, one after the other, the next when all is whole again."""
    victims: set[int] = set()
    for member in list(arena.fleet.members):
        victims |= await _restarted(arena, outcome, member)
        await arena.fleet.until_whole(HIT_DEADLINE_S)
    return victims


async def join_and_leave(arena: Arena, outcome: Outcome) -> set[int]:
    """One more member, until it has its share; then it leaves. All members are alive: none waits for a time-out."""
    outcome.at_s = time.time()
    since_s = outcome.at_s
    member = arena.fleet.add(f"guest-{round(since_s)}", static=False)
    try:
        await arena.fleet.until_whole(HIT_DEADLINE_S)
        share = arena.fleet.partitions_of(member)
        _, took_s = await arena.fleet.terminate(member, END_DEADLINE_S)
    finally:  # in any case, the next fault finds the fleet as it was
        arena.fleet.remove(member)
    rebalances = arena.fleet.said("partitions assigned", since_s)
    if not rebalances:
        raise MissedError("nobody was given other partitions")
    outcome.notes["end_s"] = took_s
    outcome.hit = f"a guest had {len(share)} partitions; {rebalances} assignments"
    return set()


async def broker_killed(arena: Arena, outcome: Outcome) -> set[int]:
    """SIGKILL of one broker, and its restart."""
    broker, led = await _choose_leader(arena)
    outcome.at_s = time.time()
    await asyncio.to_thread(broker.kill)
    if broker.process is None or broker.process.exit_code is None:
        raise MissedError("the broker still runs")
    if len(arena.kafka.servers) > 1:
        await _leads_nothing(arena, broker.node_id)
    await asyncio.to_thread(broker.start)
    outcome.notes["broker_away_s"] = time.time() - outcome.at_s
    outcome.hit = f"broker {broker.node_id}, leader of {led} partitions, ended with {137} and answers again"
    return set()


async def leader_moved(arena: Arena, outcome: Outcome) -> set[int]:
    """A broker shuts down in order: every partition that it led has another leader before it ends."""
    broker, led = await _choose_leader(arena)
    outcome.at_s = time.time()
    await asyncio.to_thread(broker.stop)
    await _leads_nothing(arena, broker.node_id)
    await asyncio.to_thread(broker.start)
    outcome.hit = f"{led} partitions led by broker {broker.node_id} got another leader"
    return set()


async def _choose_leader(arena: Arena) -> tuple[KafkaServer, int]:
    """A broker that leads something, and how much: one that is just back may lead nothing, and would not be missed."""
    for broker in arena.chance.sample(arena.kafka.servers, len(arena.kafka.servers)):
        if led := await arena.kafka.led_by(broker.node_id):
            return broker, led
    raise MissedError("no broker leads anything")


async def _leads_nothing(arena: Arena, node_id: int) -> None:
    until = time.monotonic() + HIT_DEADLINE_S
    while await arena.kafka.led_by(node_id):
        if time.monotonic() > until:
            raise MissedError(f"broker {node_id} is gone and still leads")
        await asyncio.sleep(LOOK_S)


def kafka_away(for_s: float) -> Fault:
    """All brokers are gone for this long."""

    async def fault(arena: Arena, outcome: Outcome) -> set[int]:
        outcome.at_s = time.time()
        await asyncio.to_thread(arena.kafka.kill)
        until = time.monotonic() + for_s
        while time.monotonic() < until:
            arena.fleet.revive()
            await asyncio.sleep(LOOK_S)
        lost = arena.fleet.said("partition lost", outcome.at_s)
        await asyncio.to_thread(arena.kafka.start)
        if not lost and for_s > HIT_AFTER_S:
            raise MissedError("no worker noticed that Kafka was away")
        outcome.hit = f"no broker for {for_s:.0f} s; {lost} owners ended"
        return set()

    return fault


# A transaction without an answer ends after 8 s: by then each owner with records has noticed.
HIT_AFTER_S = 15.0


def redis_away(for_s: float) -> Fault:
    """Redis is gone for this long, and comes back empty."""

    async def fault(arena: Arena, outcome: Outcome) -> set[int]:
        outcome.at_s = time.time()
        await asyncio.to_thread(arena.redis.kill)
        until = time.monotonic() + for_s
        missing: set[str] = set()
        while time.monotonic() < until:
            said = await arena.fleet.readiness()
            missing |= {name for name, body in said.items() if any("Redis" in what for what in body["missing"])}
            await asyncio.sleep(LOOK_S)
        await asyncio.to_thread(arena.redis.start)
        if not missing:
            raise MissedError("no worker noticed that Redis was away")
        outcome.hit = f"no Redis for {for_s:.0f} s; {len(missing)} workers said so"
        return set()

    return fault


async def redis_wiped(arena: Arena, outcome: Outcome) -> set[int]:
    """FLUSHALL: everything that a screen can show must come back."""
    before = await held(arena.reader)
    outcome.at_s = time.time()
    await arena.reader.flushall()
    begun = time.monotonic()
    while missing := not_back(before, await held(arena.reader)):
        if time.monotonic() - begun > HIT_DEADLINE_S:
            raise MissedError(f"{len(missing)} of {len(before.keys)} keys did not come back: {', '.join(missing[:5])}")
        await asyncio.sleep(LOOK_S)
    outcome.notes["documents_back_s"] = time.monotonic() - begun
    outcome.hit = f"{len(before.keys)} keys were gone, and what screens show came back"
    return set()


async def redis_slow(arena: Arena, outcome: Outcome) -> set[int]:
    """Each answer comes after 2 s; the workers wait for 0.5 s."""
    outcome.at_s = time.time()
    delayed = arena.proxy.delayed
    arena.proxy.delay_s = REDIS_DELAY_S
    begun, failed_to_answer = time.monotonic(), 0
    try:
        while time.monotonic() - begun < REDIS_SLOW_FOR_S:
            said = await arena.fleet.readiness()
            failed_to_answer = max(
                failed_to_answer, sum(any("Redis" in what for what in body["missing"]) for body in said.values())
            )
            await asyncio.sleep(LOOK_S)
    finally:
        arena.proxy.delay_s = 0.0
    if not failed_to_answer:
        raise MissedError("no worker noticed that Redis was slow")
    outcome.hit = f"{arena.proxy.delayed - delayed} answers were late; {failed_to_answer} workers said so"
    return set()


async def redis_fails_over(arena: Arena, outcome: Outcome) -> set[int]:
    """A replica takes the master's place behind the one address; the old master follows it, and its clients stay."""
    rooms = await arena.reader.dbsize()
    outcome.at_s = time.time()
    old = await arena.fail_over()
    switched_s = time.time()
    try:
        while (shown_s := await arena.oldest_shown_s()) is None or shown_s < switched_s:
            if time.time() - switched_s > HIT_DEADLINE_S:
                raise MissedError("the workers did not find the new master")
            await asyncio.sleep(LOOK_S)
        took_s = outcome.notes["on_the_new_master_s"] = time.time() - switched_s
    finally:
        await asyncio.to_thread(old.kill)
    outcome.hit = f"{rooms} keys moved; every overlay was written on the new master {took_s:.1f} s after"
    return set()


async def hanging_transaction(arena: Arena, outcome: Outcome) -> set[int]:
    """A stranger's transactional producer writes to two topics, stands still, and aborts: none of it counts."""
    outcome.at_s = time.time()
    partition = arena.chance.randrange(arena.partitions)
    room = rooms_of(arena.partitions)[partition]
    shop = Shop(arena.chance.randrange(1 << 30), [room])
    producer = AIOKafkaProducer(
        bootstrap_servers=arena.kafka.bootstrap_servers,
        transactional_id=f"stranger-{outcome.at_s}",
        transaction_timeout_ms=300_000,
    )
    await producer.start()
    try:
        await producer.begin_transaction()
        written = [record for record in shop.records(200) if record[0] in ("orders", "likes")]
        for topic, key, value in written:
            await producer.send(f"{PREFIX}.{topic}", value, key=key.encode())
        await producer.flush()
        held_up_s = 0.0
        until = time.monotonic() + OPEN_FOR_S
        while time.monotonic() < until:
            held_up_s = max(held_up_s, await arena.fleet.metric("stream_open_transaction_seconds"))
            await asyncio.sleep(LOOK_S)
        await producer.abort_transaction()
    finally:
        await producer.stop()
    if not held_up_s:
        raise MissedError("no worker noticed that a transaction was open")
    outcome.hit = (
        f"{len(written)} records for partition {partition} were open for {OPEN_FOR_S:.0f} s, noticed, and aborted"
    )
    return set()


async def poison_storm(arena: Arena, outcome: Outcome) -> set[int]:
    """Each kind of record that no proper client writes, and each codec, for any partition, beside the sales."""
    outcome.at_s = time.time()
    rooms = rooms_of(arena.partitions)[: arena.partitions]
    before, sent = await arena.fleet.metric("stream_received_total"), 0
    async with RawSender(arena.kafka.bootstrap_servers) as sender:
        until = time.monotonic() + STORM_S
        while time.monotonic() < until:
            partition = arena.chance.randrange(arena.partitions)
            room = rooms[partition].encode()
            for kind, (raw, _) in (of_every_codec(room) | poison(room)).items():
                if sent and kind == ONCE:
                    continue
                answer = await sender.send(f"{PREFIX}.likes", partition, raw)
                sent += answer.error == "NoError"
            await asyncio.sleep(STORM_PAUSE_S)
    if not sent:
        raise MissedError("the broker took no poisoned batch")
    received = await arena.fleet.metric("stream_received_total") - before
    kinds = len(poison()) + len(of_every_codec())
    outcome.hit = f"{sent} batches of {kinds} kinds, among {received:.0f} records"
    return set()


async def rolling_upgrade(arena: Arena, outcome: Outcome) -> set[int]:
    """From the first version, with its topics, to this one: member after member."""
    if arena.fleet.code is None:
        raise MissedError("the fleet did not begin with the first version: this clone does not have it")
    arena.fleet.code = None
    await arena.apply_topics()
    victims = await rolling_restart(arena, outcome)
    arena.shop_says_all()
    outcome.hit = f"from {FIRST_VERSION}: {outcome.hit}"
    return victims


async def _taken_over(arena: Arena, victims: set[int], since_s: float) -> None:
    """Wait until each of these partitions has a new owner."""

    def all_have() -> bool:
        return victims <= {each.partition for each in arena.fleet.taken_over(since_s)}

    await arena.fleet.until(all_have, HIT_DEADLINE_S, f"new owners of {sorted(victims)}")
