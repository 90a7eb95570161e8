"""What a platform says of followers."""

from __future__ import annotations

from stream.contract import examples
from stream.contract.catalogue import KindExamples
from stream.contract.events import MAX_ID_CHARS, PersonEvent


class Follow(PersonEvent, frozen=True, gc=False, kw_only=True, tag="follow"):
    """Somebody follows the host from now on. The latest event of a person says whether they follow."""


class Unfollow(PersonEvent, frozen=True, gc=False, kw_only=True, tag="unfollow"):
    """Somebody no longer follows the host. The latest event of a person says whether they follow."""


_EXAMPLES = KindExamples(
    {**examples.PERSON},
    {"nobody": {"user_id": "-"}, "longest-id": {"user_id": "Az09._:-" * (MAX_ID_CHARS // 8)}},
    {
        "user-missing": ("/user_id", examples.ABSENT),
        "user-null": ("/user_id", None),
        "user-number": ("/user_id", 7),
        "user-empty": ("/user_id", ""),
        "user-too-long": ("/user_id", "x" * (MAX_ID_CHARS + 1)),
        "user-with-a-space": ("/user_id", "a person"),
    },
)
EXAMPLES = {"follow": _EXAMPLES, "unfollow": _EXAMPLES}
