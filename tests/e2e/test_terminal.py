"""The client on a terminal: a person's keys go in, and what the person would see comes out (pty(7))."""

import os
import pty
import re
import select
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .host import NSBRIDGE, User

UP_KEY, CTRL_C, CTRL_D, BACKSPACE = b"\x1b[A", b"\x03", b"\x04", b"\x7f"
_ESCAPES = re.compile(rb"\x1b\[[0-9;?]*[a-zA-Z]|\r")


class Terminal:
    """A terminal with a program on it."""

    def __init__(self, user: User, *words: str, stdout: int | None = None) -> None:
        self._screen, far = pty.openpty()
        self.process = subprocess.Popen(
            user.argv(NSBRIDGE, *words),
            env=user.env(TERM="xterm"),
            stdin=far,
            stdout=far if stdout is None else stdout,
            stderr=far,
            start_new_session=True,
        )
        os.close(far)
        self.shown = b""

    def press(self, keys: bytes) -> None:
        os.write(self._screen, keys)

    def wait_for(self, text: bytes, seconds: float = 20) -> bytes:
        """Wait until `text` is shown; return what was shown up to its end, and forget it."""
        deadline = time.monotonic() + seconds
        while text not in self.shown:
            readable = select.select([self._screen], [], [], max(0, deadline - time.monotonic()))[0]
            assert readable, f"{text!r} is not to be seen, but: {self.shown!r}"
            try:
                self.shown += _ESCAPES.sub(b"", os.read(self._screen, 65536))
            except OSError:  # nobody holds its other end
                raise AssertionError(f"{text!r} was not to be seen before the end, but: {self.shown!r}") from None
        seen, _, self.shown = self.shown.partition(text)
        return seen + text

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._screen)


@pytest.fixture(scope="module")
def lab(user: User) -> Iterator[User]:
    user.up("e2e-person", "net-ipc")
    yield user
    assert user.nsbridge("down", "--name", "e2e-person").returncode == 0


@pytest.fixture
def client(lab: User) -> Iterator[Terminal]:
    terminal = Terminal(lab, "client", "--name", "e2e-person")
    yield terminal
    terminal.close()


def test_a_typed_line_comes_back_and_history_brings_it_again(client: Terminal) -> None:
    client.wait_for(b"> ")
    client.press(b"hello, wrold" + BACKSPACE * 4 + "örld 你好\n".encode())
    client.wait_for("\nhello, wörld 你好\n> ".encode())
    client.press(b"\n")
    client.wait_for(b"\n\n> ")
    client.press(UP_KEY)
    client.wait_for("hello, wörld 你好".encode())
    client.press(b"!\n")
    client.wait_for("\nhello, wörld 你好!\n> ".encode())
    client.press(CTRL_D)
    assert client.process.wait(20) == 0


def test_a_long_line_is_not_cut(client: Terminal) -> None:
    client.wait_for(b"> ")
    line = b"0123456789" * 1000
    client.press(line + b"\n")
    client.wait_for(b"\n" + line + b"\n> ")
    client.press(CTRL_D)
    assert client.process.wait(20) == 0


def test_ctrl_c_ends_it(client: Terminal) -> None:
    client.wait_for(b"> ")
    client.press(b"half a line" + CTRL_C)
    assert client.process.wait(20) == 130
    assert b"Traceback" not in client.shown


def test_what_a_person_types_may_be_kept_in_a_file(lab: User, tmp_path: Path) -> None:
    file = tmp_path / "kept"
    with file.open("wb") as kept:
        terminal = Terminal(lab, "client", "--name", "e2e-person", stdout=kept.fileno())
    terminal.press(b"keep this\n" + CTRL_D)
    assert terminal.process.wait(20) == 0
    assert file.read_bytes() == b"keep this\n"
    terminal.close()
