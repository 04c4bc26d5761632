"""Garbage for what reads texts: echoes, endpoints in words, config.json, lab.json: right, or refused in one line.

Each function makes what throws one input; any error but the promised one fails.
"""

import copy
import json
import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from nsbridge.containers import config
from nsbridge.containers.adapt import Needs, adapt
from nsbridge.errors import NsbridgeError, StreamError, UsageError
from nsbridge.lab import Lab
from nsbridge.media.table import medium
from nsbridge.programs.outstanding import Outstanding
from nsbridge.record import folder_of

from .frames import Throw

Result = TypeVar("Result")
ODD: list[Any] = [None, True, 0, -1, 7, 1 << 40, 1.5, "", "x", "net-ipc", "\0", [], ["x"], [None], {}, {"type": "x"}]


def attempt(error: type[NsbridgeError], call: Callable[[], Result]) -> tuple[Result | None, str]:
    """Return what a call returns, or the one line of its error."""
    try:
        return call(), ""
    except error as refusal:
        text = str(refusal)
    assert text
    assert "\n" not in text
    return None, text


@contextmanager
def outstanding(_: Path) -> Iterator[Throw]:
    """What comes back to the client: it is taken off what was sent, or said to be changed in the right line."""

    def throw(dice: random.Random) -> None:
        awaited, sent = Outstanding(), bytes(dice.choice(b"ab\n\0\xff") for _ in range(dice.randrange(40)))
        for start in range(0, len(sent), 7):
            awaited.add(sent[start : start + 7])
        got = 0
        while got < len(sent):
            piece = bytearray(sent[got : got + dice.randrange(1, 9)])
            if dice.random() < 0.2:
                piece[dice.randrange(len(piece))] ^= dice.randrange(1, 256)
            wrong = [place for place, byte in enumerate(piece) if byte != sent[got + place]]
            _, fault = attempt(StreamError, lambda: awaited.check(bytes(piece)))  # noqa: B023 — called at once
            if wrong:
                assert fault == f"line {sent[: got + wrong[0]].count(10) + 1} came back changed"
                break
            assert not fault
            awaited.settle(bytes(piece))
            got += len(piece)
            assert awaited.rest() == sent[got:]
            said = awaited.missing() or ""
            assert said.split()[1:2] == [str(sent[:got].count(10) + 1)] * (got < len(sent))

    yield throw


@contextmanager
def words(_: Path) -> Iterator[Throw]:
    """What names an endpoint: it is one that says the same of itself, or none."""
    known = ["net", "ipc", "mnt", "7", "0", "65535", "65536", "-1", "1_0", "7.0", "127.0.0.1", "256.1.1.1", "1.2.3"]
    known += ["x.y", "/run", "/", "localhost", "::1", "", " ", "\0", " 7", "/a\0b", "net\n", "\u0661", "9" * 5000]
    fields: dict[str, Callable[..., bool]] = {
        "net": lambda address, port: address.count(".") == 3 and 0 < port < 65536,
        "ipc": lambda key: 0 < key < 65536,
        "mnt": lambda path: path != "" and "\0" not in path,
    }

    def throw(dice: random.Random) -> None:
        said = [dice.choice(known) for _ in range(dice.randrange(5))]
        if dice.random() < 0.3:
            said = ["".join(map(chr, dice.choices(range(0x300), k=dice.randrange(6)))) for _ in said]
        endpoint, _ = attempt(UsageError, lambda: medium(*said).endpoint())
        if endpoint is not None:
            kind, *rest = endpoint.values()
            assert kind == said[0]
            assert fields[said[0]](*rest)
            assert medium(*map(str, endpoint.values())).endpoint() == endpoint

    yield throw


def _mutate(tree: Any, dice: random.Random) -> Any:
    """Return a JSON value with something in it lost, changed, or of another kind."""
    if isinstance(tree, (dict, list)) and tree and dice.random() < 0.85:
        key: Any = dice.choice(list(tree)) if isinstance(tree, dict) else dice.randrange(len(tree))
        if dice.random() < 0.15:
            del tree[key]
        else:
            tree[key] = _mutate(tree[key], dice)
        return tree
    return copy.deepcopy(dice.choice(ODD))


def _scribble(text: str, dice: random.Random) -> bytes:
    """Return a JSON text with some of its bytes changed, or cut off."""
    data = bytearray(text.encode())
    for _ in range(dice.randrange(3)):
        data[dice.randrange(len(data))] = dice.choice(b'"{}[],:0-e\\\xff\0 ')
    return bytes(data[: dice.choice((len(data), dice.randrange(len(data) + 1)))])


@contextmanager
def configs(place: Path) -> Iterator[Throw]:
    """What somebody gives as config.json: it can be adapted, or is refused in one line that names the file."""
    file, whole = place / "config.json", config.template("a").read_text()
    needs = Needs(["sh"], {"A": "b"}, "a", "/nsbridge-a", 100_000, False)

    def throw(dice: random.Random) -> None:
        tree = json.loads(whole)
        for _ in range(dice.randrange(1, 4)):
            tree = _mutate(tree, dice)
        text = json.dumps(tree)
        file.write_bytes(_scribble(text, dice) if dice.random() < 0.3 else text.encode())
        found, refusal = attempt(UsageError, lambda: config.read(file))
        if found is None:
            assert refusal.startswith(str(file))
        else:
            json.dumps(adapt(found, needs)[0])

    yield throw


@contextmanager
def labs(place: Path) -> Iterator[Throw]:
    """What is left in lab.json: a lab, or one that is half made and can be removed."""
    before = os.environ.get("NSBRIDGE_HOME")
    os.environ["NSBRIDGE_HOME"] = str(place)
    folder_of("fuzz").mkdir(parents=True)
    file, process = folder_of("fuzz") / "lab.json", {"pid": 1, "start": 1}
    whole = {"pair": "net-ipc", "a": 5, "b": 6, "port": 7, "restarts": 0, "reason": None, "echoes": True}
    whole |= {"bridge": process, "holder": None, "supervisor": process}

    def throw(dice: random.Random) -> None:
        tree = json.loads(json.dumps(whole))
        for _ in range(dice.randrange(1, 3)):
            tree = _mutate(tree, dice)
        text = json.dumps(tree)
        file.write_bytes(_scribble(text, dice) if dice.random() < 0.3 else text.encode())
        lab, refusal = attempt(UsageError, lambda: Lab.find("fuzz"))
        if lab is None:
            assert "`nsbridge down --name fuzz`" in refusal
        else:
            assert all(isinstance(pid, int) for pid in lab.pids().values())
            assert lab.supervised() in (True, False)
            assert lab.status()["name"] == "fuzz"

    yield throw
    del os.environ["NSBRIDGE_HOME"]
    if before is not None:
        os.environ["NSBRIDGE_HOME"] = before


TEXTS = {"outstanding": outstanding, "words": words, "config": configs, "lab": labs}
