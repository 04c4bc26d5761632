"""Sequences of writes, reads, half-closes and breaks that hypothesis thinks of, on each medium, against a model.

A failure prints the steps, and `--hypothesis-seed=N` takes a run again; NSBRIDGE_FULL=1 tries more of them.
"""

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from nsbridge.errors import Broken
from nsbridge.media.base import Stream

from .conftest import MAKE, as_client
from .test_contract import opened

EXAMPLES = 500 if os.environ.get("NSBRIDGE_FULL") else 20
SIDES = st.sampled_from([0, 1])


class StreamModel(RuleBasedStateMachine):
    """Two sides of a stream, and what each must read: bytes, and whether an end follows."""

    kind = "memory"

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.medium = MAKE[self.kind](Path(self.folder.name))
        self.client = as_client(self.medium)
        self.listener = self.medium.listen()
        self.open()

    def open(self) -> None:
        self.sides: tuple[Stream, Stream] = opened(self.client, self.listener)
        self.pending = [b"", b""]  # by who is to read it
        self.ended = [False, False]  # by who is to read it

    @rule(side=SIDES, data=st.binary(max_size=100), times=st.integers(1, 400))
    def write(self, side: int, data: bytes, times: int) -> None:
        if not self.ended[1 - side]:
            whole = data * times
            self.pending[1 - side] += whole[: self.sides[side].offer(whole)]

    @rule(side=SIDES)
    def read(self, side: int) -> None:
        if self.pending[side]:
            data = self.sides[side].read()
            assert data
            assert self.pending[side].startswith(data)
            self.pending[side] = self.pending[side][len(data) :]
        elif self.ended[side]:
            assert self.sides[side].read() == b""

    @rule(side=SIDES)
    def end(self, side: int) -> None:
        self.sides[side].end()
        self.ended[1 - side] = True

    @precondition(lambda self: not all(self.ended))
    @rule(side=SIDES)
    def break_off(self, side: int) -> None:
        self.sides[side].abort()
        for reader in (0, 1):
            self._read_to_the_break(reader)
        for stream in self.sides:
            stream.close()
        self.open()

    def _read_to_the_break(self, reader: int) -> None:
        """Some of what was on its way may still come, and an end that was said before; but no other end."""
        data = b"-"
        while data:
            try:
                data = self.sides[reader].read()
            except Broken:
                return
            assert self.pending[reader].startswith(data)
            self.pending[reader] = self.pending[reader][len(data) :]
        assert self.ended[reader]
        assert not self.pending[reader]

    @rule()
    def finish(self) -> None:
        """Read all that is there, end both ways, close, and open another."""
        for side in (0, 1):
            self.end(side)
        for side in (0, 1):
            while self.pending[side]:
                self.read(side)
            self.read(side)
        for stream in self.sides:
            stream.close()
        self.open()

    def teardown(self) -> None:
        if hasattr(self, "sides"):
            for stream in self.sides:
                stream.close()
            self.listener.close()
            self.client.close()
            self.medium.close()
            self.folder.cleanup()


@pytest.mark.parametrize("kind", list(MAKE))
@pytest.mark.timeout(900)
def test_a_stream_keeps_to_the_model(kind: str) -> None:
    machine = type(f"{kind.title()}Model", (StreamModel,), {"kind": kind})
    plan = settings(max_examples=EXAMPLES, stateful_step_count=30, deadline=None, print_blob=True)
    run_state_machine_as_test(machine, settings=plan)
