"""A thread that does one thing after the other."""

import threading
from functools import partial

import pytest

from nsbridge.show.hand import Hand


def test_work_is_done_in_order_and_what_it_raised_is_for_who_asked() -> None:
    done: list[int] = []
    hand = Hand(lambda: None, 60.0)
    futures = [hand.ask(partial(done.append, number)) for number in range(50)]
    failed = hand.ask(partial(done.remove, 99))
    hand.end()
    assert all(future.result(0) is None for future in futures)
    assert done == list(range(50))
    with pytest.raises(ValueError, match="not in list"):
        failed.result(0)


def test_between_two_wishes_it_looks_around_and_after_the_end_no_more() -> None:
    looked, before = threading.Event(), threading.active_count()
    hand = Hand(looked.set, 0.01)
    assert looked.wait(5)
    hand.end()
    looked.clear()
    assert not looked.wait(0.1)
    assert threading.active_count() == before
