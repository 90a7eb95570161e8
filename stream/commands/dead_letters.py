"""`snapup dead-letters`: refused records with reason and source, and sending again those that would be accepted now."""

from __future__ import annotations

import asyncio
import heapq
import sys
import time
from collections import Counter
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer
from msgspec import Struct
from rich.console import Console

from stream.commands.spans import span_s
from stream.contract.events import TOPIC_NAMES
from stream.errors import EXIT_FAILURE, NoSuchError, SnapupError, UsageError, did_you_mean
from stream.settings import load_settings
from stream.sources.kafka import create_time_topics
from stream.sources.letters import REASONS, Judge, Letter, letter_of
from stream.sources.resend import Resent, resend
from stream.verify.log import LogReader, Offsets, log_reader
from stream.view.letters import OfReason, counts_view, letter_lines
from stream.view.words import clean, grouped

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable

    from stream.settings import Settings

SHOWN = 20
MAX_SINCE_S = 365 * 86_400
OBSTACLES_SHOWN = 10

_talk = Console(stderr=True, highlight=False, soft_wrap=True)


def _reasons(incomplete: str) -> list[str]:
    """The reasons that complete the word, for the shell."""
    return [reason for reason in REASONS if reason.startswith(incomplete)]


def _topics(incomplete: str) -> list[str]:
    return [name for name in TOPIC_NAMES if name.startswith(incomplete)]


class Choice(Struct, frozen=True, kw_only=True):
    """Selects letters. A field that is None selects all.

    Attributes:
        reason: the reason of the letter.
        topic: the full name of the record's topic.
        room: the room in the letter's key or value.
    """

    reason: str | None = None
    topic: str | None = None
    room: str | None = None

    def takes(self, letter: Letter) -> bool:
        """Whether the choice includes this letter."""
        return (
            self.reason in (None, letter.reason)
            and self.topic in (None, letter.topic)
            and (self.room is None or self.room in letter.room_ids())
        )


class Found(Struct):
    """The result of a first reading.

    Attributes:
        of_reason: all chosen letters, by reason.
        newest: the newest chosen letters, oldest first, as many as were asked for.
        read: the number of all letters, by reason.
        ends: the ends of the topic's partitions at the reading.
    """

    of_reason: dict[str, OfReason]
    newest: list[Letter]
    read: Counter[str]
    ends: Offsets

    @property
    def chosen(self) -> int:
        """The number of chosen letters."""
        return sum(each.letters for each in self.of_reason.values())


def dead_letters(
    *,
    reason: Annotated[str | None, typer.Option(help=f"One of: {', '.join(REASONS)}.", autocompletion=_reasons)] = None,
    topic: Annotated[
        str | None, typer.Option(help="Where the record was, such as orders.", autocompletion=_topics)
    ] = None,
    room: Annotated[str | None, typer.Option(help="Whose key, or whose room_id, is this.")] = None,
    since: Annotated[str | None, typer.Option(help="Refused within this time, such as 30m, 2h, 7d.")] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help=f"The newest so many. Default: {SHOWN} are shown, all sent or written.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a letter, with the record whole.")] = False,
    send_again: Annotated[
        bool, typer.Option("--resend", help="Send their records again to where they came from, by their keys.")
    ] = False,
    even_so: Annotated[
        bool, typer.Option("--even-so", help="With --resend: also those that would be refused again.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="With --resend: do not ask.")] = False,
    bootstrap_servers: Annotated[str | None, typer.Option(help="host:port, comma separated.")] = None,
    topic_prefix: Annotated[str | None, typer.Option(help="Of the topics.")] = None,
) -> None:
    """List what was refused: how many for which reason first, then the newest, each with where it was.

    With --resend their records are sent again. What would be refused again is said and left out; so is what is cut in
    its letter, with the place of the whole record. A record that had been counted is told by its event id.
    """
    settings = load_settings(bootstrap_servers=bootstrap_servers, topic_prefix=topic_prefix)
    choice = Choice(reason=reason, topic=_full_name(settings, topic), room=room)
    since_ms = None if since is None else _now_ms() - 1000 * span_s(since, "--since", MAX_SINCE_S)
    if as_json and send_again:
        raise UsageError("--json lists, --resend sends: choose one.")
    # Letters that are written or sent whole are read a second time: here only their number is kept.
    keep = limit or (0 if as_json or send_again else SHOWN)
    found = asyncio.run(_read(settings, choice, since_ms, keep))
    if reason is not None and reason not in REASONS and reason not in found.read:
        raise NoSuchError(
            f"There is no reason {reason!r}.{did_you_mean(reason, (*REASONS, *found.read))} "
            f"There are: {', '.join(REASONS)}."
        )
    if as_json:
        asyncio.run(_write_json(_again(settings, choice, since_ms, found, limit)))
        return
    _show(settings, found, listed=not send_again)
    if send_again and found.chosen:
        sending = _Sending(settings, partial(_again, settings, choice, since_ms, found, limit))
        _send_again(sending, even_so=even_so, yes=yes)


def _full_name(settings: Settings, topic: str | None) -> str | None:
    if topic is None:
        return None
    name = topic.removeprefix(f"{settings.topic_prefix}.")
    if name not in TOPIC_NAMES:
        raise NoSuchError(
            f"There is no input topic {topic!r}.{did_you_mean(name, TOPIC_NAMES)} There are: {', '.join(TOPIC_NAMES)}."
        )
    return f"{settings.topic_prefix}.{name}"


def _topic(settings: Settings) -> str:
    return f"{settings.topic_prefix}.dead-letters"


# -- reading -----------------------------------------------------------------------------------------------------------
async def _chosen(reader: LogReader, ends: Offsets, choice: Choice) -> AsyncIterator[tuple[Letter, bool]]:
    """Every letter up to these ends, in the order of each partition, and whether it is chosen."""
    async for record in reader.read_to(ends):
        letter = letter_of(record)
        yield letter, choice.takes(letter)


async def _read(settings: Settings, choice: Choice, since_ms: int | None, keep: int) -> Found:
    newest: list[tuple[tuple[int, int, int], Letter]] = []
    async with log_reader(settings.brokers(), [_topic(settings)], "read_committed", since_ms=since_ms) as reader:
        found = Found({}, [], Counter(), await reader.ends())
        async for letter, is_chosen in _chosen(reader, found.ends, choice):
            found.read[letter.reason] += 1
            if not is_chosen:
                continue
            found.of_reason.setdefault(letter.reason, OfReason()).add(letter)
            if keep:
                entry = (letter.letter_time_ms, letter.letter_partition, letter.letter_offset), letter
                (heapq.heappush if len(newest) < keep else heapq.heappushpop)(newest, entry)
    found.newest = [letter for _, letter in sorted(newest, key=lambda entry: entry[0])]
    return found


async def _again(
    settings: Settings, choice: Choice, since_ms: int | None, found: Found, limit: int | None
) -> AsyncGenerator[Letter, None]:
    """The chosen letters once more, without those refused meanwhile."""
    if limit is not None:
        for letter in found.newest:
            yield letter
        return
    async with log_reader(settings.brokers(), [_topic(settings)], "read_committed", since_ms=since_ms) as reader:
        ends = {where: max(found.ends.get(where, 0), begin) for where, begin in reader.begins.items()}
        async for letter, is_chosen in _chosen(reader, ends, choice):
            if is_chosen:
                yield letter


# -- telling -----------------------------------------------------------------------------------------------------------
def _show(settings: Settings, found: Found, *, listed: bool) -> None:
    out = Console(highlight=False, soft_wrap=True)
    read = found.read.total()
    if not found.chosen:
        fitting = f" that fit, {grouped(read)} others" if read else ""
        out.print(f"No dead letters in {_topic(settings)}{fitting}.", markup=False)
        return
    out.print(f"{grouped(found.chosen)} of {grouped(read)} dead letters in {_topic(settings)}:", markup=False)
    out.print(counts_view(found.of_reason))
    if not listed:
        return
    out.print()
    for letter in found.newest:
        for line in letter_lines(letter):
            out.print(line)
    if found.chosen > len(found.newest):
        out.print(f"the newest {grouped(len(found.newest))}; --limit shows more, --json has them whole", markup=False)


async def _write_json(letters: AsyncGenerator[Letter, None]) -> None:
    async with aclosing(letters):
        async for letter in letters:
            sys.stdout.buffer.write(letter.as_json() + b"\n")
    sys.stdout.buffer.flush()


# -- sending again -----------------------------------------------------------------------------------------------------
class Plan(Struct):
    """The forecast of a sending: `letters = to_send + refused + impossible`.

    Attributes:
        letters: the number of chosen letters.
        to_send: would be accepted, as far as one letter alone shows.
        refused: would be refused again.
        impossible: cannot be sent.
        sent_before: chosen letters that were sent again before.
        examples: the first obstacles, in words.
    """

    letters: int = 0
    to_send: int = 0
    refused: int = 0
    impossible: int = 0
    sent_before: int = 0
    examples: list[str] = []


class _Sending:
    """One `--resend`: a plan, a question, the sending, and an account of it."""

    def __init__(self, settings: Settings, letters: Callable[[], AsyncGenerator[Letter, None]]) -> None:
        self._settings = settings
        self._letters = letters
        self._by_record_time: frozenset[str] = frozenset()
        self._judge = Judge(settings.topic_prefix)
        self._now_ms = _now_ms()

    async def plan(self) -> Plan:
        """The forecast from a look at each letter. Sends nothing."""
        self._by_record_time = await create_time_topics(self._settings.brokers(), self._settings.topic_prefix)
        self._judge = Judge(self._settings.topic_prefix, self._by_record_time)
        plan = Plan(examples=[])
        async with aclosing(self._letters()) as letters:
            async for letter in letters:
                plan.letters += 1
                plan.sent_before += bool(letter.resent)
                obstacle = self._judge.obstacle(letter, self._now_ms)
                if obstacle is None:
                    plan.to_send += 1
                    continue
                plan.refused += obstacle.refused
                plan.impossible += not obstacle.refused
                if len(plan.examples) < OBSTACLES_SHOWN:
                    plan.examples.append(f"{letter.source} {obstacle.why}")
        return plan

    async def send(self, *, even_so: bool) -> Resent:
        """The result of sending the records in the plan."""

        def hopeless(letter: Letter) -> bool:
            obstacle = self._judge.obstacle(letter, self._now_ms)
            return obstacle is not None and not (even_so and obstacle.refused)

        async with aclosing(self._letters()) as letters:
            return await resend(
                letters,
                self._settings.brokers(),
                hopeless=hopeless,
                by_record_time=lambda letter: letter.topic.rpartition(".")[2] in self._by_record_time,
                dead_letters=_topic(self._settings),
            )


def _send_again(sending: _Sending, *, even_so: bool, yes: bool) -> None:
    plan = asyncio.run(sending.plan())
    for text in plan.examples:
        _talk.print(clean(text, 400), style="yellow", markup=False)
    if (more := plan.refused + plan.impossible - len(plan.examples)) > 0:
        _talk.print(f"and {grouped(more)} more", style="yellow")
    count = plan.to_send + (plan.refused if even_so else 0)
    left_out = plan.letters - count
    if plan.sent_before:
        _talk.print(f"{grouped(plan.sent_before)} of them were sent again before, and refused again.", style="yellow")
    if not count:
        hint = "; --even-so sends what would be refused again" if plan.refused else ""
        raise SnapupError(f"Nothing was sent: {grouped(left_out)} left out{hint}.")
    question = f"Send {grouped(count)} records again{f', leave {grouped(left_out)} out' if left_out else ''}?"
    if not yes:
        if not sys.stdin.isatty():
            raise SnapupError(f"{question} Nobody is there to ask: say --yes.")
        typer.confirm(question, abort=True, err=True)
    told = asyncio.run(sending.send(even_so=even_so))
    for text in told.failures:
        _talk.print(clean(text, 400), style="red", markup=False)
    where = ", ".join(f"{topic} {grouped(number)}" for topic, number in sorted(told.topics.items()))
    typer.echo(
        f"{told.chosen} letters: {told.sent} sent again{f' ({where})' if where else ''}, {told.hopeless} left out, "
        f"{told.repeated} second letters of one record, {told.failed} failed"
    )
    if told.failed:
        raise typer.Exit(EXIT_FAILURE)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
