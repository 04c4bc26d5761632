"""What only a stream of files can run into."""

import contextlib
import itertools
import os
import random
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from nsbridge.errors import Broken, Refused
from nsbridge.media.mnt import Mnt

from .test_contract import opened, read_exactly

BOUND = 3 * 131072  # bytes of a direction, from docs/wire-mnt.md
PAGE = os.sysconf("SC_PAGE_SIZE")


def on_disk(folder: Path) -> int:
    """Return the bytes that the files of a folder take, each once whatever its names."""
    return sum({each.stat().st_ino: each.stat().st_blocks * 512 for each in folder.iterdir()}.values())


def test_what_is_left_of_a_stream_that_is_being_removed_is_not_its_end(tmp_path: Path) -> None:
    with Mnt(str(tmp_path)) as here, Mnt(str(tmp_path)) as there, here.listen() as listener:
        client, server = opened(there, listener)
        client.write(b"x" * 1000)
        client.end()
        (up,) = tmp_path.glob("open/*/up")
        for name in ("end", "0"):  # in the order in which a folder is removed
            (up / name).unlink()
        with pytest.raises(Broken):
            server.read()
        for side in (client, server):
            side.close()


@pytest.mark.parametrize("sizes", [(65536,), (100,), (65536, 100), (16384, 100, 70000), (1, 200000), (131072,)])
def test_what_waits_and_what_is_kept_stay_within_the_bound(sizes: tuple[int, ...], tmp_path: Path) -> None:
    noise, sent = random.Random(7).randbytes(1 << 20), b""
    with Mnt(str(tmp_path)) as here, Mnt(str(tmp_path)) as there, here.listen() as listener:
        client, server = opened(there, listener)
        (up,) = tmp_path.glob("open/*/up")
        for size in itertools.islice(itertools.cycle(sizes), 400):
            data = noise[len(sent) % 4096 :][:size]
            taken = client.offer(data)  # nobody reads until the window is full
            sent += data[:taken]
            assert on_disk(up) <= BOUND + 8 * PAGE
            if taken < size:
                assert read_exactly(server, len(sent)) == sent
                sent = b""
        assert read_exactly(server, len(sent)) == sent
        for side in (client, server):
            side.close()


@pytest.mark.parametrize("taken", ["kept0", "../up-opened"])
def test_a_planted_name_is_not_written_to(taken: str, tmp_path: Path) -> None:
    decoy = tmp_path / "decoy"
    decoy.write_bytes(b"untouched")
    with Mnt(str(tmp_path)) as here, Mnt(str(tmp_path)) as there, here.listen() as listener:
        client, server = opened(there, listener)
        (up,) = tmp_path.glob("open/*/up")
        (up / taken).symlink_to(decoy)
        client.write(b"x" * 65536)
        assert read_exactly(server, 65536) == b"x" * 65536
        assert decoy.read_bytes() == b"untouched"
        for side in (client, server):
            side.close()


@pytest.mark.parametrize("name", ["01", "00", "x", "-1"])
def test_a_file_of_another_name_means_nothing(name: str, tmp_path: Path) -> None:
    with Mnt(str(tmp_path)) as here, Mnt(str(tmp_path)) as there, here.listen() as listener:
        client, server = opened(there, listener)
        (up,) = tmp_path.glob("open/*/up")
        for word in (b"abc", b"def"):
            client.write(word)
            assert read_exactly(server, 3) == word
            (up / name).touch()
        for side in (client, server):
            side.close()


def test_what_is_kept_is_given_back_at_the_end(tmp_path: Path) -> None:
    with Mnt(str(tmp_path)) as here, Mnt(str(tmp_path)) as there, here.listen() as listener:
        client, server = opened(there, listener)
        (up,) = tmp_path.glob("open/*/up")
        for _ in range(5):
            client.write(bytes(65536))
            assert len(read_exactly(server, 65536)) == 65536
        assert on_disk(up) >= BOUND // 2
        client.end()
        assert server.read() == b""
        assert on_disk(up) < 65536 + PAGE
        for side in (client, server):
            side.close()


def test_who_waits_sees_that_the_other_process_is_gone(tmp_path: Path) -> None:
    words = ["mnt", str(tmp_path)]
    with (
        subprocess.Popen([sys.executable, "-m", "nsbridge.programs.echo", *words]) as server,
        Mnt(str(tmp_path)) as there,
    ):
        while True:
            with contextlib.suppress(Refused):
                stream = there.connect()
                break
        stream.write(b"word")
        assert read_exactly(stream, 4) == b"word"
        threading.Timer(0.3, server.kill).start()
        with pytest.raises(Broken):
            stream.read()
        stream.close()
