"""The rules of the room's card at their edges: in the recount, and the same in the worker's section."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from stream.contract.catalogue import type_name
from stream.mechanics.card.events import (
    KINDS,
    PICTURE_PATTERN,
    ProductDescribed,
    ProductShown,
    RoomDescribed,
    RoomLinked,
    RoomUnlinked,
)
from stream.mechanics.card.recount import CardAgain
from stream.mechanics.card.section import Card
from stream.mechanics.card.show import CardPlanned
from stream.mechanics.kinds import CATALOGUE
from tests.mechanics.test_laws import Saving, parts, records_of
from tests.mechanics.test_outer_laws import T0_MS, Beside
from tests.support.mechanics import EACH
from tests.support.rooms import INTERACTIONS

if TYPE_CHECKING:
    from stream.contract.events import Event

END_MS = T0_MS + 60_000
NEVER_SAID = {"host_id": None, "host_name": None, "title": None, "picture": None}


class Evening:
    """The card of one room, kept by both."""

    def __init__(self, **limits: int) -> None:
        self.beside = Beside(**limits)
        self._number = 0

    def say(self, kind: type[Event], at: int = 0, event_id: str | None = None, **fields: Any) -> None:
        """A word of a moment; without an id, of the next."""
        self._number += 1
        event_id = event_id or f"e{self._number:03d}"
        event = kind(event_id=event_id, room_id="r1", event_time_ms=T0_MS + at, **fields)
        self.beside.add("interactions", msgspec.json.encode(event), b"r1", END_MS)

    def product(self, sku_id: str, at: int = 0, event_id: str | None = None, **fields: Any) -> None:
        """A word of a product, which is named as its SKU."""
        self.say(ProductDescribed, at, event_id, sku_id=sku_id, **{"name": sku_id, **fields})

    def link(self, room_id: str, at: int = 0, *, unlinked: bool = False) -> None:
        """The room leads there, or no longer."""
        self.say(RoomUnlinked if unlinked else RoomLinked, at, linked_room_id=room_id)

    def figures(self) -> dict[str, Any]:
        """Of the recount; the section says the same."""
        looked, found = self.beside.differences(END_MS)
        assert (looked > 0, found) == (True, [])
        figures: dict[str, Any] = self.beside.recount.room("r1", END_MS).mechanics["card"]
        return figures

    def listed(self, name: str) -> list[Any]:
        """Values of a list, in its order."""
        figures = self.figures()
        head, _, field = name.partition(".")
        keys = (f"{head}.{place}.{field}".rstrip(".") for place in range(1, len(figures)))
        return [figures[key] for key in keys if key in figures]

    def beyond(self) -> dict[str, int]:
        """What bounds kept out, as metrics say it."""
        return {limit: count for (_, limit), count in self.beside.fold.shared.mechanics_beyond.items()}


# -- the latest word ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("order", [*permutations(range(3))])
def test_of_the_room_the_latest_word_is_all_that_is_known_in_any_order(order: tuple[int, ...]) -> None:
    words: list[dict[str, Any]] = [
        {"at": 5, "host_id": "h2", "title": "later", "picture": "https://a.example/a"},
        {"at": 1, "host_id": "h1", "host_name": "somebody", "title": "first"},
        {"at": 9, "host_id": "h1", "title": "last"},
    ]
    evening = Evening()
    for place in order:
        evening.say(RoomDescribed, **words[place])
    assert {name: evening.figures()[name] for name in NEVER_SAID} == {
        "host_id": "h1",
        "host_name": None,
        "title": "last",
        "picture": None,
    }


@pytest.mark.parametrize("order", [*permutations((0, 1, 2))])
def test_words_of_one_millisecond_are_ordered_by_their_ids(order: tuple[int, ...]) -> None:
    evening = Evening()
    for place in order:
        event_id = ("a10", "a9", "A99")[place]
        evening.say(RoomDescribed, 7, event_id, host_id=event_id)
        evening.say(ProductShown, 7, f"s{event_id}", sku_id=event_id)
        evening.product("sku", 7, f"p{event_id}", label=event_id)
        kind = RoomUnlinked if event_id == "a9" else RoomLinked
        evening.say(kind, 7, f"l{event_id}", linked_room_id="r2")
    figures = evening.figures()
    assert (figures["host_id"], figures["on_show.sku_id"], figures["products.1.label"]) == ("a9", "a9", "a9")
    assert figures["link_count"] == 0


@pytest.mark.parametrize("order", [*permutations(range(3))])
def test_of_a_product_the_latest_word_is_all_that_is_known_in_any_order(order: tuple[int, ...]) -> None:
    words: list[dict[str, Any]] = [
        {"at": 2, "price_minor": 2, "list_price_minor": 3, "currency": "CNY", "label": "3"},
        {"at": 1, "price_minor": 1},
        {"at": 3, "currency": "EUR", "name": "Coat"},
    ]
    evening = Evening()
    for place in order:
        evening.product("sku", **words[place])
    figures = evening.figures()
    assert {name: value for name, value in figures.items() if name.startswith("products.1") and value is not None} == {
        "products.1.sku_id": "sku",
        "products.1.name": "Coat",
        "products.1.currency": "EUR",
    }
    assert figures["product_count"] == 1


@pytest.mark.parametrize("order", [*permutations(range(3))])
def test_a_link_is_what_was_said_last_in_any_order(order: tuple[int, ...]) -> None:
    for last_unlinks in (False, True):
        evening = Evening()
        for place in order:
            evening.link("r2", place, unlinked=last_unlinks == (place != 1))
        evening.link("r3", 1)
        assert evening.listed("links") == (["r3"] if last_unlinks else ["r2", "r3"])
        assert evening.figures()["link_count"] == (1 if last_unlinks else 2)


# -- on show -----------------------------------------------------------------------------------------------------------
def test_what_is_on_show_is_the_product_as_it_is_described_by_now() -> None:
    evening = Evening()
    evening.say(ProductShown, 5, sku_id="coat")
    assert {name: value for name, value in evening.figures().items() if name.startswith("on_show")} == {
        "on_show.sku_id": "coat",
        **{
            f"on_show.{name}": None
            for name in ("name", "label", "price_minor", "list_price_minor", "currency", "picture")
        },
    }
    evening.product("coat", 1, price_minor=100, currency="CNY")
    evening.product("hat", 1)
    figures = evening.figures()
    assert (figures["on_show.name"], figures["on_show.price_minor"]) == ("coat", 100)
    evening.product("coat", 9, name="Wool coat")
    assert evening.figures()["on_show.name"] == "Wool coat"


def test_nothing_is_on_show_once_that_is_said() -> None:
    evening = Evening()
    evening.say(ProductShown, 5)
    evening.say(ProductShown, 3, sku_id="coat")
    assert evening.figures()["on_show"] is None
    evening.say(ProductShown, 6, sku_id="hat")
    assert evening.figures()["on_show.sku_id"] == "hat"


def test_before_anything_is_shown_nothing_is_on_show() -> None:
    evening = Evening()
    evening.product("coat")
    assert evening.figures() | {"on_show": None} | NEVER_SAID == evening.figures()


# -- bounds ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("order", [*permutations(("a", "b", "B", "c"))])
def test_beyond_the_bound_the_first_skus_are_kept_in_any_order(order: tuple[str, ...]) -> None:
    evening = Evening(products_max=2)
    for at, sku_id in enumerate((*order, *order, "c")):
        evening.product(sku_id, at, label=f"{at}")
    figures = evening.figures()
    assert evening.listed("products.sku_id") == ["B", "a"]
    assert evening.listed("products.label") == [str(4 + order.index("B")), str(4 + order.index("a"))]
    assert (figures["product_count"], figures["products_beyond"]) == (2, 5)
    assert evening.beyond() == {"products_max": 5}


@pytest.mark.parametrize("order", [*permutations(("r1", "r2", "r3"))])
def test_beyond_the_bound_the_first_rooms_are_kept_also_if_they_are_unlinked(order: tuple[str, ...]) -> None:
    evening = Evening(links_max=2)
    for at, room_id in enumerate(order):
        evening.link(room_id, at, unlinked=room_id == "r1")
        evening.link(room_id, at + 10, unlinked=room_id == "r1")
    figures = evening.figures()
    assert (evening.listed("links"), figures["link_count"], figures["links_beyond"]) == (["r2"], 1, 2)
    assert evening.beyond() == {"links_max": 2}


def test_up_to_the_bound_nothing_is_kept_out() -> None:
    evening = Evening(products_max=2, links_max=2)
    for key in "abab":
        evening.product(key)
        evening.link(key)
    figures = evening.figures()
    assert (figures["products_beyond"], figures["links_beyond"], evening.beyond()) == (0, 0, {})


def test_a_product_on_show_beyond_the_bound_is_known_by_its_sku_alone() -> None:
    evening = Evening(products_max=1)
    for sku_id in "ab":
        evening.product(sku_id)
    evening.say(ProductShown, sku_id="b")
    figures = evening.figures()
    assert (figures["on_show.sku_id"], figures["on_show.name"]) == ("b", None)


# -- saved -------------------------------------------------------------------------------------------------------------
def test_what_was_let_go_is_let_go_in_the_checkpoint_too() -> None:
    installed = EACH["card"]
    saving = Saving(installed)
    most = installed.limits({})["card"]["products_max"]
    products = [
        ProductDescribed(event_id=f"e{number}", room_id="r1", event_time_ms=T0_MS, sku_id=f"{number:04d}", name="x")
        for number in range(most, -1, -1)
    ]
    links = [
        RoomLinked(event_id=f"l{number}", room_id="r1", event_time_ms=T0_MS, linked_room_id=f"{number:04d}")
        for number in range(installed.limits({})["card"]["links_max"] + 1)
    ]
    others = [
        ProductShown(event_id="s1", room_id="r1", event_time_ms=T0_MS, sku_id="0000"),
        *links,
        RoomDescribed(event_id="d1", room_id="r1", event_time_ms=T0_MS, host_id="h", title="t"),
    ]
    for piece in (products[:-1], [products[-1], *others]):
        saving.fold.fold(INTERACTIONS, records_of(piece))
        saving.cut()
    ((_, _, part),) = parts(saving.fold)
    before = msgspec.to_builtins(part.mechanic.section(T0_MS))
    assert (before["products"][0]["sku_id"], len(before["products"]), before["products_beyond"]) == ("0000", most, 1)
    assert before["links_beyond"] == 1
    saving.restart()
    ((_, _, part),) = parts(saving.fold)
    assert msgspec.to_builtins(part.mechanic.section(T0_MS)) == before
    assert len(part.written_ms) == most + len(links) - 1


# -- contract ----------------------------------------------------------------------------------------------------------
def test_a_section_leaves_out_what_is_not_known() -> None:
    section = msgspec.convert({"product_count": 0, "link_count": 0, "products": [], "links": []}, Card)
    assert msgspec.to_builtins(section).keys() == {"product_count", "link_count", "products", "links"}
    assert CATALOGUE.sections["card"] is Card


def test_nobody_acts_in_its_events() -> None:
    assert [type_name(kind) for kind in KINDS if "user_id" in kind.__struct_fields__] == []


@pytest.mark.parametrize(
    "address",
    [
        "https://cdn.example/",
        "https://127.0.0.1:8443/a/b.webp",
        "https://CDN.example/a%20b.webp?w=200&h=200#top",
        "https://a/b@2x.png",
    ],
)
def test_a_picture_is_an_https_address(address: str) -> None:
    assert _taken(address)


@pytest.mark.parametrize(
    "address",
    [
        *(
            "",
            "a.png",
            "/a.png",
            "//cdn.example/a.png",
            "https:/cdn.example/a.png",
            "https://cdn.example",
            "https:///a.png",
        ),
        *(
            "http://cdn.example/a.png",
            "HTTPS://cdn.example/a.png",
            "ftp://cdn.example/a.png",
            "blob:https://cdn.example/1",
        ),
        *("data:image/png;base64,AAAA", "javascript:void(0)", "JavaScript://cdn.example/%0avoid(0)", "file:///a.png"),
        *("https://me@cdn.example/a.png", "https://me:secret@cdn.example/a.png", "https://cdn.example:x/a.png"),
        *(
            " https://cdn.example/a.png",
            "https://cdn.example/a.png ",
            "https://cdn.example/a.png\n",
            "https://cdn.example\n/",
        ),
        *("https://cdn.example/a\tb", 'https://cdn.example/"', "https://cdn.example/'", "https://cdn.example/<b>"),
        *("https://cdn.example\\a.png", "https://.example/a.png", "https://cdn.example./a.png", "https://[::1]/a.png"),
        *("https://cdn.example/图.png", "https://cdn.example/\u202e", "https://cdn.example/\x00"),
        f"https://cdn.example/{'a' * 281}",
    ],
)
def test_nothing_else_is_a_picture(address: str) -> None:
    assert not _taken(address)


def test_the_longest_address_is_taken() -> None:
    assert _taken(f"https://cdn.example/{'a' * 280}")


def _taken(address: str) -> bool:
    event = {"type": "room_described", "event_id": "e", "room_id": "r", "event_time_ms": 1, "host_id": "h"}
    msgspec.convert(event, RoomDescribed)
    try:
        msgspec.json.decode(msgspec.json.encode({**event, "picture": address}), type=RoomDescribed)
    except msgspec.ValidationError:
        return False
    return True


def test_the_pattern_says_the_same_in_a_schema_as_here() -> None:
    # In ECMA 262 `$` is the end: the look-ahead behind it then always holds.
    assert PICTURE_PATTERN.startswith("^")
    assert PICTURE_PATTERN.endswith("$(?!\\n)")


# -- plan and recount --------------------------------------------------------------------------------------------------
def test_before_the_first_word_there_is_nothing() -> None:
    assert CardAgain(CardAgain.LIMITS).figures(T0_MS) == {}


def test_a_plan_turns_a_link_as_often_as_it_was_told() -> None:
    plan = CardPlanned("r1", "t")
    plan.link("r2", (1, 2, 3), linked=True)
    plan.link("r3", (1, 2), linked=False)
    words = sorted((event for event in plan.events() if isinstance(event, RoomLinked | RoomUnlinked)), key=_of_each)
    assert [type(event) for event in words] == [RoomLinked, RoomUnlinked, RoomLinked, RoomLinked, RoomUnlinked]
    assert plan.figures()["links.1"] == "r2"
    assert plan.figures()["link_count"] == 1


def _of_each(event: RoomLinked | RoomUnlinked) -> tuple[str, int]:
    return event.linked_room_id, event.event_time_ms
