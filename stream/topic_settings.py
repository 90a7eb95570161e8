"""Which settings of existing topics lose data, in sentences. Pure: the caller hands settings in as Kafka names them.

A setting that deletes unread records is refused. A setting that may delete them, or that keeps out what the contract
accepts, is warned of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from stream.contract.events import MAX_AGE_MS, MAX_RECORD_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    Settings = Mapping[str, str]

CLEANUP_POLICY = "cleanup.policy"
TIMESTAMP_TYPE = "message.timestamp.type"
RETENTION_MS = "retention.ms"
RETENTION_BYTES = "retention.bytes"
BEFORE_MAX_MS = "message.timestamp.before.max.ms"
MAX_MESSAGE_BYTES = "max.message.bytes"
# A restart, a rebalance and a restore take less.
LEAST_RETENTION_MS = 600_000
# The largest record of the contract with its key, its headers and the frame of a batch.
LEAST_MESSAGE_BYTES = MAX_RECORD_BYTES + 4 * 1024


class Judgement(NamedTuple):
    """Sentences: what may not be, and what may be but had better not."""

    refused: list[str]
    warned: list[str]


def judge(
    configs: Mapping[str, Settings], inputs: Sequence[str], checkpoints: str | None = None, logs: Sequence[str] = ()
) -> Judgement:
    """What is wrong with the settings of these topics.

    Args:
        configs: topic → its settings; a topic or a setting that is not there is not judged.
        inputs: full names of the input topics.
        checkpoints: full name of the topic with the state; None where it is not looked at.
        logs: full names of the other output topics: each of their records counts.
    """
    known = {name: configs[name] for name in inputs if name in configs}
    refused = [*_refused_checkpoints(checkpoints, configs)]
    warned: list[str] = []
    for name, settings in known.items():
        refused += _refused_input(name, settings)
        warned += _warned_input(name, settings)
    for name in logs:
        if _compacts(policy := configs.get(name, {}).get(CLEANUP_POLICY, "delete")):
            refused.append(
                f"{name} has {CLEANUP_POLICY}={policy}: of several records with one key only the last would stay. Set "
                "it to delete."
            )
    warned += _warned_timestamps(known)
    return Judgement(refused, warned)


def _compacts(policy: str) -> bool:
    return "compact" in (word.strip() for word in policy.split(","))


def _refused_checkpoints(name: str | None, configs: Mapping[str, Settings]) -> Iterator[str]:
    policy = "compact" if name is None else configs.get(name, {}).get(CLEANUP_POLICY, "compact")
    if policy != "compact":
        yield (
            f"{name} has {CLEANUP_POLICY}={policy}: saved state would be deleted by age. Set it to compact, as "
            "`snapup topics apply` does for a new topic."
        )


def _refused_input(name: str, settings: Settings) -> Iterator[str]:
    policy = settings.get(CLEANUP_POLICY, "delete")
    if _compacts(policy):
        yield (
            f"{name} has {CLEANUP_POLICY}={policy}: the key is the room, so of all events of a room only the last "
            "would stay. Set it to delete."
        )
    retention_ms = _number(settings, RETENTION_MS)
    if retention_ms is not None and 0 <= retention_ms < LEAST_RETENTION_MS:
        yield (
            f"{name} has {RETENTION_MS}={retention_ms}: records would be deleted before a worker that restarts has "
            f"read them. Set it to {MAX_AGE_MS} (7 days) or more."
        )


def _warned_input(name: str, settings: Settings) -> Iterator[str]:
    retention_ms = _number(settings, RETENTION_MS)
    created = settings.get(TIMESTAMP_TYPE) == "CreateTime"
    if retention_ms is not None and LEAST_RETENTION_MS <= retention_ms < MAX_AGE_MS:
        why = (
            "it looks at the producers' times, so older records are deleted as soon as they are written"
            if created
            else "what a worker has not read by then is lost, and no audit or replay reaches further back"
        )
        yield f"{name} has {RETENTION_MS}={retention_ms}, less than 7 days: {why}."
    if (size := _number(settings, RETENTION_BYTES)) is not None and size >= 0:
        yield (
            f"{name} has {RETENTION_BYTES}={size}: in a rush records are deleted however young they are. Set it to -1, "
            "and size the disk."
        )
    before_ms = _number(settings, BEFORE_MAX_MS)
    if created and before_ms is not None and before_ms < MAX_AGE_MS:
        yield (
            f"{name} has {BEFORE_MAX_MS}={before_ms}: the broker refuses records of less than 7 days of age, which the "
            "contract accepts."
        )
    size = _number(settings, MAX_MESSAGE_BYTES)
    if size is not None and size < LEAST_MESSAGE_BYTES:
        yield (
            f"{name} has {MAX_MESSAGE_BYTES}={size}: the broker refuses records of 16 KiB, which the contract accepts. "
            f"Set it to {LEAST_MESSAGE_BYTES} or more."
        )


def _warned_timestamps(inputs: Mapping[str, Settings]) -> Iterator[str]:
    created = [name for name, settings in inputs.items() if settings.get(TIMESTAMP_TYPE) == "CreateTime"]
    appended = [name for name, settings in inputs.items() if settings.get(TIMESTAMP_TYPE) == "LogAppendTime"]
    if created and appended:
        yield (
            f"{', '.join(created)} take their times from producers (CreateTime), {', '.join(appended)} from the broker "
            "(LogAppendTime): a room's topics are read in the order of these times, so give all of them one type."
        )


def _number(settings: Settings, key: str) -> int | None:
    try:
        return int(settings[key])
    except (KeyError, ValueError):
        return None
