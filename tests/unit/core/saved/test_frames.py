from __future__ import annotations

import msgspec
import pytest

from stream.core.saved.frames import FORMAT_VERSION, CorruptCheckpointError, frame, unframe

INTS = msgspec.msgpack.Decoder(list[int])


def test_a_framed_value_comes_back() -> None:
    value = frame([1, 2, 3])
    assert value[0] == FORMAT_VERSION
    assert unframe(b"key", value, INTS) == [1, 2, 3]


@pytest.mark.parametrize("version", [0, FORMAT_VERSION + 1, 255])
def test_another_version_is_refused_by_name_and_says_what_to_do(version: int) -> None:
    value = bytes([version]) + frame([1])[1:]
    with pytest.raises(CorruptCheckpointError, match=r"r\|room-7.*run the version that wrote it"):
        unframe(b"r|room-7", value, INTS)


@pytest.mark.parametrize("length", range(5))
def test_a_value_without_a_whole_frame_is_refused(length: int) -> None:
    with pytest.raises(CorruptCheckpointError, match="key"):
        unframe(b"key", frame([1])[:length], INTS)


@pytest.mark.parametrize("position", range(1, 8))
def test_a_flipped_bit_is_refused_by_name(position: int) -> None:
    value = bytearray(frame([1, 2]))
    value[position] ^= 1
    with pytest.raises(CorruptCheckpointError, match=r"b\|room-7.*checksum"):
        unframe(b"b|room-7", bytes(value), INTS)


def test_a_whole_frame_of_another_shape_is_refused_by_name() -> None:
    with pytest.raises(CorruptCheckpointError, match=r"o\|3.*Expected"):
        unframe(b"o|3", frame({"not": "a list"}), INTS)
