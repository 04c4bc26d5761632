"""A thread that does what it is asked, one thing after the other, and looks around in between; knows no lab."""

from __future__ import annotations

import atexit
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future


class Hand:
    """So a notebook stays at hand while something long goes on, and nothing needs a lock.

    It comes to rest before the kernel exits: what it makes is taken down only then.
    """

    def __init__(self, idle: Callable[[], None], pause: float) -> None:
        """Begin.

        Args:
            idle: is done whenever nothing was asked for `pause` seconds; raises nothing.
            pause: seconds.
        """
        self._idle, self._pause = idle, pause
        self._asked: queue.SimpleQueue[tuple[Callable[[], None], Future[None]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        atexit.register(self.end)

    def ask(self, work: Callable[[], None]) -> Future[None]:
        """Have `work` done; the future is done when it is, with what it raised."""
        done: Future[None] = Future()
        self._asked.put((work, done))
        return done

    def end(self) -> None:
        """Do what was asked so far, and no more."""
        atexit.unregister(self.end)
        self._asked.put(None)
        if self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        while True:
            try:
                asked = self._asked.get(timeout=self._pause)
            except queue.Empty:
                self._idle()
                continue
            if asked is None:
                return
            work, done = asked
            try:
                done.set_result(work())
            except BaseException as error:  # it is for who asked
                done.set_exception(error)
