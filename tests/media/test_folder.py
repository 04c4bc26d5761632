"""What only a stream of files can run into."""

import itertools
import os
import random
from pathlib import Path

import pytest

from nsbridge.errors import Broken
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


def test_a_planted_name_breaks_the_stream_that_would_use_it(tmp_path: Path) -> None:
    decoy = tmp_path / "decoy"
    decoy.write_bytes(b"untouched")
    with Mnt(str(tmp_path)) as here, Mnt(str(tmp_path)) as there, here.listen() as listener:
        client, server = opened(there, listener)
        (up,) = tmp_path.glob("open/*/up")
        (up / "kept0").symlink_to(decoy)
        with pytest.raises(Broken, match="cannot write segment 0: File exists"):
            client.write(bytes(65536))
        assert decoy.read_bytes() == b"untouched"
        with pytest.raises(Broken):
            server.read()
        for side in (client, server):
            side.close()
