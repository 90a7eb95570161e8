"""The starter of a widget: the printed page with address, room and token in their places, and nothing else in it."""

from __future__ import annotations

import pytest

from stream.serve.starter import PRINTED_ROOM, PRINTED_SERVER, PRINTED_TOKEN, printed_page, starter_page


def test_what_is_replaced_stands_in_the_printed_page_once() -> None:
    for printed in (PRINTED_SERVER, PRINTED_ROOM, PRINTED_TOKEN):
        assert printed_page().count(printed) == 1


def test_the_printed_page_is_its_own_starter() -> None:
    assert starter_page("http://127.0.0.1:8080", "my-room") == printed_page()


def test_address_room_and_token_are_filled_in() -> None:
    page = starter_page("https://snapup.example", "shop:7.a", "abc-_.def")
    assert 'from "https://snapup.example/static/snapup-room.js"' in page
    assert 'room: "shop:7.a", token: "abc-_.def"' in page
    assert starter_page("http://[::1]:8080", "a").count("http://[::1]:8080/static/") == 1


@pytest.mark.parametrize(
    "origin", ['http://a";alert(1)//', "http://a/b", "ftp://a", "http://", "http://a\nb", "javascript:1"]
)
def test_a_host_that_could_end_the_string_is_refused(origin: str) -> None:
    with pytest.raises(ValueError, match="host"):
        starter_page(origin, "my-room")


@pytest.mark.parametrize("token", ['"', "a b", "</script>", "x" * 513, "é"])
def test_a_token_that_could_end_the_string_is_refused(token: str) -> None:
    with pytest.raises(ValueError, match="token"):
        starter_page("http://a", "my-room", token)
