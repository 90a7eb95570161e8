"""Free loopback ports for servers that we start."""

from __future__ import annotations

import random
import socket
from contextlib import closing, suppress
from pathlib import Path

from stream.errors import SnapupError

LOOPBACK = "127.0.0.1"
# Below the ports that the kernel hands to outgoing connections. In that range a client that retries a dead server can
# connect to itself and so occupy the server's port; a restart would then fail.
_LOWEST = 15_000
_USUAL_EPHEMERAL_LOW = 32_768
_ATTEMPTS = 200


def _ephemeral_low() -> int:
    with suppress(OSError, ValueError):
        return int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text("ascii").split()[0])
    return _USUAL_EPHEMERAL_LOW


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def free_ports(count: int) -> list[int]:
    """Different ports that are free now, chosen at random so that stacks started together rarely meet."""
    low = _ephemeral_low()
    candidates = range(_LOWEST, low) if low > _LOWEST + 1000 else range(61_000, 65_500)
    chosen: list[int] = []
    for port in random.SystemRandom().sample(candidates, k=min(_ATTEMPTS, len(candidates))):
        if is_free(port):
            chosen.append(port)
            if len(chosen) == count:
                return chosen
    raise SnapupError("No free port was found on the loopback interface: close some servers.")


def require_free(port: int, what: str) -> int:
    """The port itself, when a server may listen there."""
    if not is_free(port):
        raise SnapupError(f"Port {port} for {what} is in use: choose another, or stop what listens there.")
    return port
