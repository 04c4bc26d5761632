"""What only a stream of files can run into."""

from pathlib import Path

import pytest

from nsbridge.errors import Broken
from nsbridge.media.mnt import Mnt

from .test_contract import opened


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
