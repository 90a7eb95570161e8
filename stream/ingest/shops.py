"""Shops that send webhooks: a file holds the secrets that they sign with, and where their orders name a room.

The file is TOML, an entry for each shop. A shop may have two secrets at once, so that one is replaced without a gap:
add the new one, change it in the shop, take the old one away.

    [[shop]]
    name = "coats"                          # the end of the address: /v1/webhooks/shopify/coats
    domain = "coats.myshopify.com"
    secrets = ["…", "…"]                    # unlike keys no hashes: a signature is made with the secret itself
    room = "viya-2017"                      # of all orders; or one to three of these, of which the first decides:
    room_attribute = "live_room"            # a note attribute of the order, or a property of a line
    room_of_code = { VIYA10 = "viya-2017" } # discount code → room
    room_parameter = "live"                 # of the address on which the buyer came in
    rooms = ["viya-*"]                      # what attribute and parameter may name: buyers can write them
    sale_attribute = "live_sale"            # or `sale`, of lines that name none
    events_per_s = 50                       # left out: no quota
"""

from __future__ import annotations

import base64
import hmac
import re
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from stream.bridge.draft import Draft
from stream.bridge.messages import message_of
from stream.bridge.platforms import PLATFORMS
from stream.bridge.reasons import NoEventError, Reason
from stream.bridge.shopify import Places, Shopify
from stream.contract.ids import is_id
from stream.ingest.keys import Key, problem_of_quota, problem_of_rooms
from stream.ingest.watched import FileError, WatchedFile, read_toml

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from stream.bridge.reasons import Note

MAX_SHOPS = 256
SECRETS_OF_A_SHOP = 2
MIN_SECRET_CHARS = 16
MAX_SECRET_CHARS = 256
MAX_CODES = 1_000
TYPES = ("order",)
_DOMAIN = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")


class _Entry(Struct, forbid_unknown_fields=True):
    name: str
    domain: str
    secrets: list[str]
    room: str | None = None
    room_attribute: str = ""
    room_of_code: dict[str, str] = msgspec.field(default_factory=dict)
    room_parameter: str = ""
    rooms: list[str] = msgspec.field(default_factory=list)
    sale_attribute: str = ""
    sale: str | None = None
    events_per_s: float | None = None


class _File(Struct, forbid_unknown_fields=True):
    shop: list[_Entry] = msgspec.field(default_factory=list)


class Shop:
    """One shop.

    Attributes:
        domain: what it says of itself beside each webhook.
        key: what it may send, as if it had a key.
    """

    def __init__(self, entry: _Entry) -> None:
        codes = {code.upper(): room for code, room in entry.room_of_code.items()}
        rooms = [entry.room] if entry.room is not None else [*codes.values(), *entry.rooms]
        self.domain = entry.domain
        self.key = Key(entry.name, b"", rooms, TYPES, entry.events_per_s)
        self._secrets = [secret.encode() for secret in entry.secrets]
        self._room = entry.room
        places = Places(entry.room_attribute, codes, entry.room_parameter, entry.sale_attribute, entry.sale)
        # No memory: with one, what becomes of a webhook would depend on which process heard of its order.
        self._adapter = Shopify(places, max_orders=0)

    def has_signed(self, body: bytes, signature: str) -> bool:
        """Whether the signature, in base64, is the HMAC-SHA256 of the body with one of the shop's secrets.

        It takes as long for each signature.
        """
        try:
            presented = base64.b64decode(signature, validate=True)
        except ValueError:
            return False
        signed = False
        for secret in self._secrets:
            signed |= hmac.compare_digest(hmac.digest(secret, body, "sha256"), presented)
        return signed

    def orders_of(
        self, headers: Mapping[str, str], body: bytes, now_ms: int
    ) -> tuple[list[bytes], Counter[Note]] | Reason:
        """The events of a webhook as JSON, and what was read into it; or why it has none.

        Args:
            headers: with names in small letters.
            body: as it came.
            now_ms: the time, for a webhook that says none.
        """
        message = message_of(body, headers)
        if isinstance(message, Reason):
            return message
        platform = PLATFORMS["shopify"]
        draft = Draft(platform.prefix, platform.name, self._room, now_ms, None)
        try:
            self._adapter(message, draft)
        except NoEventError as error:
            return error.reason
        return [*map(msgspec.json.encode, draft.events)], draft.notes


class Shops(WatchedFile):
    """The shops in use.

    Raises:
        FileError: the file cannot be read, or is not as it must be.
    """

    def __init__(self, path: Path) -> None:
        self._shops: dict[str, Shop] = {}
        super().__init__(path)

    def find(self, name: str) -> Shop | None:
        """The shop of this name; None if there is none."""
        return self._shops.get(name)

    def _take(self, raw: bytes) -> None:
        self._shops = {shop.key.name: shop for shop in read_shops(raw)}
        self.names = frozenset(self._shops)


def read_shops(raw: bytes) -> tuple[Shop, ...]:
    """The shops in the bytes of a file.

    Raises:
        FileError: says which entry is wrong, and why. It repeats no secret.
    """
    entries = read_toml(raw, _File).shop
    if len(entries) > MAX_SHOPS:
        raise FileError(f"there are {len(entries)} shops, the most is {MAX_SHOPS}")
    names: set[str] = set()
    for number, entry in enumerate(entries, 1):
        problem = f"there are two shops {entry.name!r}" if entry.name in names else _problem(entry)
        if problem is not None:
            raise FileError(f"shop {number}: {problem}")
        names.add(entry.name)
    return tuple(map(Shop, entries))


def _problem(entry: _Entry) -> str | None:  # noqa: PLR0911 -- one for each mistake
    """What is wrong with an entry; None if nothing is."""
    if not (entry.name.isascii() and is_id(entry.name)):
        return f"the name is {entry.name[:80]!r}: it must be 1 to 64 letters, digits and . _ : -"
    if _DOMAIN.fullmatch(entry.domain) is None:
        return f"the domain is {entry.domain[:80]!r}: it must be as in coats.myshopify.com, in small letters"
    if (problem := _problem_of_secrets(entry.secrets)) is not None:
        return problem
    written_by_buyers = bool(entry.room_attribute or entry.room_parameter)
    if (entry.room is not None) == (written_by_buyers or bool(entry.room_of_code)):
        return "say either `room`, or where orders name it: `room_attribute`, `room_of_code`, `room_parameter`"
    if written_by_buyers != bool(entry.rooms):
        return "`rooms` says what `room_attribute` and `room_parameter` may name, and nothing else needs it"
    if len(entry.room_of_code) > MAX_CODES or "" in entry.room_of_code:
        return f"room_of_code must have at most {MAX_CODES} discount codes, none of them empty"
    said = (entry.room, *entry.room_of_code.values(), entry.sale)
    wrong = next((each for each in said if each is not None and not (each.isascii() and is_id(each))), None)
    if wrong is not None:
        return f"{wrong[:80]!r} is no id: 1 to 64 letters, digits and . _ : - are"
    return problem_of_rooms(entry.rooms) or problem_of_quota(entry.events_per_s)


def _problem_of_secrets(secrets: Sequence[str]) -> str | None:
    if not 1 <= len(secrets) <= SECRETS_OF_A_SHOP:
        return f"there are {len(secrets)} secrets: one, or {SECRETS_OF_A_SHOP} while one replaces the other"
    if any(not MIN_SECRET_CHARS <= len(secret) <= MAX_SECRET_CHARS for secret in secrets):
        return f"a secret must have {MIN_SECRET_CHARS} to {MAX_SECRET_CHARS} characters"
    return None
