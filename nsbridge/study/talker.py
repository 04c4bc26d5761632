"""Somebody who types numbered lines into a client and reads what comes back; knows no lab and no fault."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

WINDOW = 64  # lines that are typed before the first of them must be back
_PACE = 0.001  # seconds between two lines
_PATIENT = 0.05  # seconds from the start of a client to that of the next


def children(pid: int) -> list[int]:
    """Return the processes that a process, whichever of its threads, has started (proc(5))."""
    found = []
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += [int(child) for child in (task / "children").read_text().split()]
    return found


class Talker:
    """Two threads at one client process; a client that dies is replaced, and the lines in doubt typed again."""

    def __init__(self, argv: Callable[[], list[str]], number: int) -> None:
        """Begin to talk. `argv` makes the command of a client; `number` tells this talker's lines from others'."""
        self._argv, self._number = argv, number
        self._awaited: deque[int] = deque()
        self._changed = threading.Condition()
        self._client: subprocess.Popen[bytes] | None = None
        self._ending = False
        self.sent = 0
        self.echoed = 0
        self.echoes: list[float] = []
        """When each came, in time.monotonic()."""
        self.duplicated = 0
        self.reordered = 0
        self._threads = [threading.Thread(target=each, daemon=True) for each in (self._live, self._type)]
        for thread in self._threads:
            thread.start()

    def signal(self, number: int) -> None:
        """Send the client a signal: the process in the container, a child of runc's; none may be there just now."""
        with self._changed:
            for pid in children(self._client.pid) if self._client is not None else ():
                with suppress(ProcessLookupError):
                    os.kill(pid, number)

    def end(self, patience: float) -> None:
        """Type no more, wait up to `patience` seconds for what is awaited, and end the client."""
        deadline = time.monotonic() + patience
        with self._changed:
            self._ending = True
            self._changed.wait_for(lambda: not self._awaited, patience)
            if self._client is not None and self._client.stdin is not None:
                with suppress(OSError, ValueError):
                    self._client.stdin.close()
        for thread in self._threads:
            thread.join(max(0.1, deadline - time.monotonic()))
        with self._changed:
            if self._client is not None:
                self._client.kill()

    def _line(self, number: int) -> bytes:
        return b"%d:%d\n" % (self._number, number)

    def _live(self) -> None:
        """Start a client and read its output, and another one when it has died."""
        while not (self._ending and not self._awaited):
            begun = time.monotonic()
            # runc's exec is killed, too, when its container is: the client's end shows at once
            client = subprocess.Popen(
                self._argv(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
            with self._changed:
                self._client = client
                again = b"".join(map(self._line, self._awaited))
                self._write(again)
                self._changed.notify_all()
            if client.stdout is not None:
                for line in client.stdout:
                    self._read(line)
                client.stdout.close()
            with self._changed:
                self._client = None
            if client.stdin is not None:
                with suppress(OSError):
                    client.stdin.close()
            client.kill()
            client.wait()
            time.sleep(max(0.0, begun + _PATIENT - time.monotonic()))  # runc tells nobody when a container is there

    def _read(self, line: bytes) -> None:
        with self._changed:
            number = int(line.partition(b":")[2])
            if self._awaited and number == self._awaited[0]:
                self._awaited.popleft()
                self.echoed += 1
                self.echoes.append(time.monotonic())
            elif number in self._awaited:
                self.reordered += 1
            else:
                self.duplicated += 1
            self._changed.notify_all()

    def _type(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._ending or (self._client and len(self._awaited) < WINDOW))
                if self._ending:
                    return
                self._awaited.append(self.sent)
                self._write(self._line(self.sent))
                self.sent += 1
            time.sleep(_PACE)

    def _write(self, data: bytes) -> None:
        """Write to the client; if it is dead, the line is in doubt, and typed again into the next."""
        if self._client is not None and self._client.stdin is not None:
            with suppress(OSError, ValueError):
                self._client.stdin.write(data)
                self._client.stdin.flush()
