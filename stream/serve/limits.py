"""Limits for one client address and for all together: requests a second, streams, connections."""

from __future__ import annotations

import ipaddress
from collections import Counter, OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

# Addresses whose rate is remembered. A forgotten address starts again with a full bucket.
MAX_ADDRESSES = 20_000
# Covers a page with all its widgets that ten browser sources open at once.
BURST_S = 4.0
# One IPv6 customer has a whole /64.
V6_PREFIX = 64
MAX_FORWARDED_CHARS = 2_000


class RateLimit:
    """A token bucket for each address.

    Args:
        per_s: requests a second in the long run. A burst may take the requests of four seconds at once.
    """

    def __init__(self, per_s: float) -> None:
        self._per_s = per_s
        self._burst = per_s * BURST_S
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_s(self, address: str, now_s: float) -> float:
        """0 if a request may pass, which is then counted; else the seconds until the next one may."""
        left, at_s = self._left.pop(address, (self._burst, now_s))
        left = min(self._burst, left + max(0.0, now_s - at_s) * self._per_s)
        wait_s = 0.0 if left >= 1 else (1 - left) / self._per_s
        self._left[address] = (left if wait_s else left - 1, now_s)
        if len(self._left) > MAX_ADDRESSES:
            self._left.popitem(last=False)
        return wait_s


class Slots:
    """Places that are taken and given back.

    Args:
        total: the places of all addresses together.
        per_address: the places of one address.
    """

    def __init__(self, total: int, per_address: int) -> None:
        self.total = total
        self.per_address = per_address
        self.taken = 0
        self._by_address: Counter[str] = Counter()

    def is_full(self) -> bool:
        """Whether no place is left."""
        return self.taken >= self.total

    def is_full_for(self, address: str) -> bool:
        """Whether this address has all its places."""
        return self._by_address[address] >= self.per_address

    def take(self, address: str) -> None:
        """Take a place. The caller has checked that one is left."""
        self.taken += 1
        self._by_address[address] += 1

    def give_back(self, address: str) -> None:
        """Give a place back."""
        self.taken -= 1
        self._by_address[address] -= 1
        if self._by_address[address] <= 0:
            del self._by_address[address]


def parse_networks(text: str) -> tuple[IPNetwork, ...]:
    """The comma-separated addresses and networks.

    Raises:
        ValueError: a part is no address or network.
    """
    return tuple(ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip())


def client_address(peer: str, forwarded_for: str, trusted: Sequence[IPNetwork]) -> str:
    """The address under which a request is counted.

    Args:
        peer: the address of the connection.
        forwarded_for: the X-Forwarded-For header, "" without one. It is believed as far as trusted proxies wrote it.
        trusted: the proxies' networks.
    """
    address = peer
    hops = forwarded_for[-MAX_FORWARDED_CHARS:].split(",") if forwarded_for else []
    while hops and _within(address, trusted):
        address = hops.pop().strip()
    return _group(address) or _group(peer) or "unknown"


def _within(address: str, networks: Sequence[IPNetwork]) -> bool:
    parsed = _parse(address)
    return parsed is not None and any(parsed in network for network in networks)


def _group(address: str) -> str | None:
    parsed = _parse(address)
    if parsed is None:
        return None
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((parsed, V6_PREFIX), strict=False))
    return str(parsed)


def _parse(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return None
    return getattr(parsed, "ipv4_mapped", None) or parsed
