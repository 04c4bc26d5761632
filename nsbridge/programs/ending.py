"""How a server ends: SIGTERM and Ctrl-C let it give back what it holds; knows not what it serves."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from nsbridge.media.base import spawn

_ENDS = {signal.SIGTERM, signal.SIGINT}


def hold_back() -> None:
    """Let the signals wait for `until_ended`; call it first, for later threads hold them back as well.

    They are waited for, not handled: a handler runs only once the main thread is back from the call it waits in.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDS)


def until_ended(work: Callable[[], object]) -> None:
    """Call `work` in a thread, and return when a signal comes or it returns."""

    def run() -> None:
        work()
        os.kill(os.getpid(), signal.SIGTERM)

    spawn(run)
    signal.sigwait(_ENDS)
