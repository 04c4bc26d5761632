"""A long load, and what memory and descriptors it takes: of the bridge, of the clients and of the server.

`python -m nsbridge.study.soak --pair x-y --minutes 60`. The clients open one stream after another; what they hold,
and the bridge and the server, must not grow.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from statistics import linear_regression, median
from typing import Any

from tqdm import tqdm

from nsbridge import privilege
from nsbridge.containers.roles import A
from nsbridge.endpoints import endpoint
from nsbridge.errors import NsbridgeError
from nsbridge.lab import Lab
from nsbridge.pairs import PAIRS

PARTS = ("bridge", "clients", "server")
_SAMPLES = 240  # at most, however long it takes
_SHORTEST = 0.1  # seconds between two
_WARMING = 0.5  # the share of the time after which memory may grow no more
_NOISE = 0.05  # the share by which the medians of two halves may differ
_SETTLING = 5.0  # seconds until the last streams are closed
_PAGES = os.sysconf("SC_PAGE_SIZE")

Record = dict[str, Any]
"""A soak: `pair`, `minutes`, `clients`, `account`, `environment`; `samples` of `seconds` and of each of PARTS: `rss`
in bytes, `descriptors`, `threads`; `idle`, these of bridge and server before the first stream and after the last."""


def run(pair: str, minutes: float, clients: int = 8, name: str = "soak") -> Record:
    """Let `clients` talk through a new lab for so many minutes; return what was seen, ready for JSON.

    Raises:
        NsbridgeError: the lab could not be made, or the clients did not begin.
    """
    with Lab(pair, f"{name}-{pair}").up() as lab:
        pids = Lab.find(lab.name).pids()
        argv = lab.run_argv("soak", str(clients), f"{minutes * 60:.0f}s", *endpoint(lab.x, A))
        samples: list[Record] = []
        idle = [_idle(pids)]
        with (
            subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            ) as soak,
            tqdm(total=round(minutes * 60), desc=pair, disable=not sys.stderr.isatty()) as bar,
        ):
            begin = time.monotonic()
            pause = max(_SHORTEST, minutes * 60 / _SAMPLES)
            while soak.poll() is None:
                time.sleep(pause)
                inside = _talkers(pids["a"])
                if len(inside) == clients:
                    parts = {"bridge": [pids["bridge"]], "clients": inside, "server": [pids["b"]]}
                    sample = {part: _holdings(whom) for part, whom in parts.items()}
                    samples.append({"seconds": round(time.monotonic() - begin, 2), **sample})
                bar.update(round(time.monotonic() - begin) - bar.n)
            out, errors = soak.communicate()
        deadline = time.monotonic() + _SETTLING
        while _count(now := _idle(pids)) != _count(idle[0]) and time.monotonic() < deadline:
            time.sleep(_SHORTEST)
        idle.append(now)
    from nsbridge.study.measure import environment  # noqa: PLC0415 — it starts threads; main must enter before that

    if not samples:
        raise NsbridgeError(f"no clients talked on {pair}: {errors.strip()[-200:]}")
    words = [int(number) for number in re.findall(r"\d+", out)][1:]
    account = dict(zip(("messages", "lost", "duplicated", "reordered", "corrupt"), words, strict=True))
    return {
        "pair": pair, "minutes": minutes, "clients": clients, "account": account, "environment": environment(),
        "samples": samples, "idle": idle,
    }  # fmt: skip


def flat(record: Record) -> bool:
    """Whether nothing was lost, memory did not grow once all was warm, and every descriptor and thread went back."""
    before, after = map(_count, record["idle"])
    lost = any(count for what, count in record["account"].items() if what != "messages")
    return not lost and before == after and all(_growth(record, part) <= _NOISE for part in PARTS)


def verdict(record: Record) -> str:
    """Return the record as one line."""
    account = ", ".join(f"{what} {count}" for what, count in record["account"].items())
    parts = []
    for part in PARTS:
        late = _late(record, part)
        slope = linear_regression([second / 60 for second, _ in late], [size / 1024 for _, size in late]).slope
        parts.append(f"{part} {late[-1][1] / (1 << 20):.1f} MiB {slope:+.0f} KiB/min")
    before, after = (" ".join(map(str, _count(idle))) for idle in record["idle"])
    words = "flat" if flat(record) else "NOT flat"
    return (
        f"{record['pair']}: {record['minutes']:g} min, {record['clients']} clients, {account}; {', '.join(parts)}; "
        f"descriptors and threads of bridge and server {before}, then {after}; {words}"
    )


def _late(record: Record, part: str) -> list[tuple[float, int]]:
    """Return second and memory of the samples after the warming up."""
    begin = record["samples"][-1]["seconds"] * _WARMING
    return [(each["seconds"], each[part]["rss"]) for each in record["samples"] if each["seconds"] >= begin]


def _growth(record: Record, part: str) -> float:
    """Return by which share the second half's median is above the first half's, of what came after the warming up."""
    sizes = [size for _, size in _late(record, part)]
    half = len(sizes) // 2 or 1
    return median(sizes[half:] or sizes) / median(sizes[:half]) - 1


def _idle(pids: dict[str, int]) -> Record:
    return {"bridge": _holdings([pids["bridge"]]), "server": _holdings([pids["b"]])}


def _count(idle: Record) -> tuple[int, ...]:
    return tuple(idle[part][what] for part in ("bridge", "server") for what in ("descriptors", "threads"))


def _talkers(init: int) -> list[int]:
    """Return the clients, which are the children of the program that started them, in the PID namespace of `init`."""
    space = os.stat(f"/proc/{init}/ns/pid").st_ino
    found: dict[int, list[int]] = {}
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (place / "cmdline").read_bytes().split(b"\0")
            if b"nsbridge.programs.soak" in words and (place / "ns/pid").stat().st_ino == space:
                parent = int((place / "stat").read_text().rpartition(")")[2].split()[1])
                found.setdefault(parent, []).append(int(place.name))
    starters = {pid for pids in found.values() for pid in pids}
    return [pid for parent, pids in found.items() if parent in starters for pid in pids]


def _holdings(pids: Sequence[int]) -> dict[str, int]:
    sums = {"rss": 0, "descriptors": 0, "threads": 0}
    for pid in pids:
        with suppress(OSError):
            sums["rss"] += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGES
            sums["descriptors"] += len(os.listdir(f"/proc/{pid}/fd"))
            sums["threads"] += len(os.listdir(f"/proc/{pid}/task"))
    return sums


def main() -> int:
    """Run and print a verdict for each pair; exit with 1 if one is not flat."""
    parser = argparse.ArgumentParser(prog="python -m nsbridge.study.soak", description=__doc__)
    parser.add_argument("--pair", nargs="+", default=["net-ipc"], choices=PAIRS)
    parser.add_argument("--minutes", type=float, default=1)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--name", default="soak", help="what the labs' names begin with (default: soak)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the records there")
    args = parser.parse_args()
    privilege.enter(None)
    records = []
    try:
        for pair in args.pair:
            records.append(run(pair, args.minutes, args.clients, args.name))
            print(verdict(records[-1]), flush=True)
    except NsbridgeError as error:
        print(f"soak: {error}", file=sys.stderr)
        return 1
    if args.json:
        args.json.write_text(json.dumps(records))
    return 0 if all(map(flat, records)) else 1


if __name__ == "__main__":
    sys.exit(main())
