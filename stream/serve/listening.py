"""What every HTTP server of ours needs of the machine: a port, and a file for each connection."""

from __future__ import annotations

import errno
import resource

import structlog

from stream.errors import SnapupError

log = structlog.get_logger(__name__)


def cannot_listen(host: str, port: int, error: OSError, setting: str) -> SnapupError:
    """The sentence for an address that cannot be listened on. `setting`: what chooses another port."""
    if error.errno == errno.EADDRINUSE:
        return SnapupError(f"Port {port} on {host} is in use: choose another with {setting}.")
    return SnapupError(f"Cannot listen on {host}:{port}: {error.strerror or error}.")


def allow_files(wanted: int) -> None:
    """Raise the soft limit of open files: every connection is one, and the usual limit is 1 024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    if most < wanted:
        log.warning("fewer streams than allowed will fit: raise the limit of open files", files=most, wanted=wanted)
