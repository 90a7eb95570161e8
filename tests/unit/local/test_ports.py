from __future__ import annotations

import socket
from pathlib import Path

import pytest

from stream.errors import SnapupError
from stream.local.ports import LOOPBACK, free_ports, is_free, require_free


def test_free_ports_are_different_and_free() -> None:
    ports = free_ports(5)
    assert len(set(ports)) == 5
    assert all(is_free(port) for port in ports)


def test_free_ports_lie_outside_the_range_from_which_clients_connect() -> None:
    low = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text("ascii").split()[0])
    assert max(free_ports(20)) < low


def test_a_port_that_somebody_listens_on_is_refused_by_name() -> None:
    with socket.create_server((LOOPBACK, 0)) as server:
        port = server.getsockname()[1]
        assert not is_free(port)
        with pytest.raises(SnapupError, match=f"Port {port} for Redis is in use"):
            require_free(port, "Redis")
