"""The table of pairs."""

import pytest

from nsbridge.errors import UsageError
from nsbridge.pairs import PAIRS, parse


def test_there_are_six_ordered_pairs_of_two_kinds_each() -> None:
    assert len(set(PAIRS)) == 6
    for pair in PAIRS:
        x, y = parse(pair)
        assert x != y
        assert pair == f"{x}-{y}"
        assert f"{y}-{x}" in PAIRS


@pytest.mark.parametrize("pair", ["net-net", "foo-ipc", "net", "", "net-ipc-mnt", "NET-IPC", "-", "net ipc"])
def test_any_other_is_refused_with_what_there_is(pair: str) -> None:
    with pytest.raises(
        UsageError, match="choose one of net-ipc, net-mnt, ipc-net, ipc-mnt, mnt-net, mnt-ipc"
    ) as caught:
        parse(pair)
    assert repr(pair) in str(caught.value)
