"""Files of settings held against each other."""

import json
from pathlib import Path

from nsbridge.show.settings import differences


def test_only_what_differs_is_shown_and_equal_neighbours_share_a_row(tmp_path: Path) -> None:
    contents = {
        "A": {"same": 1, "linux": {"uid": [0, 1], "gid": [0, 1]}, "mounts": [{"destination": "/proc"}], "only": "a"},
        "B": {"same": 1, "linux": {"uid": [5, 1], "gid": [5, 1]}, "mounts": [{"destination": "/sys"}]},
    }
    for name, content in contents.items():
        (tmp_path / name).write_text(json.dumps(content))
    sheet = differences({name: tmp_path / name for name in contents})
    assert list(sheet.header) == ["key", "A", "B"]
    assert [list(row) for row in sheet.rows] == [
        ["`linux.uid`, `gid`", "`0, 1`", "`5, 1`"],
        ["`mounts`", "`/proc`", "`/sys`"],
        ["`only`", "`a`", "`not set`"],
    ]
