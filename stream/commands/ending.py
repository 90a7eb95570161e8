"""How a command that runs until Ctrl-C also ends on SIGTERM, in the same order."""

from __future__ import annotations

import signal
import threading


def end_on_sigterm() -> None:
    """Treat SIGTERM as Ctrl-C from here on. Outside the main thread, where no signal arrives, nothing changes."""
    if threading.current_thread() is not threading.main_thread():
        return
    # A shell script starts `command &` with SIGINT ignored: the interrupt below would be lost, and SIGTERM with it.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
