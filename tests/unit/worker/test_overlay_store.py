"""What needs no Redis: the address, and the keys. The script itself is tried on a real one, in tests/integration."""

from __future__ import annotations

import pytest

from stream.errors import SnapupError
from stream.worker.overlay_store import OverlayStore


@pytest.mark.parametrize("url", ["nonsense", "http://host:1", "redis://host:port/0"])
def test_an_address_that_is_none_is_one_clear_sentence(url: str) -> None:
    with pytest.raises(SnapupError, match="SNAPUP_REDIS_URL is no address of a Redis"):
        OverlayStore(url, "live", 500)


def test_a_password_is_never_repeated() -> None:
    with pytest.raises(SnapupError) as caught:
        OverlayStore("http://:secret@host:1", "live", 500)
    assert "secret" not in caught.value.message
