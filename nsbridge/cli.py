"""The command `nsbridge`: parses, and calls."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from nsbridge import privilege
from nsbridge.census import Subject, census, table
from nsbridge.containers import runc
from nsbridge.endpoints import ECHO
from nsbridge.errors import NsbridgeError, UsageError
from nsbridge.lab import Lab
from nsbridge.pairs import PAIRS, parse
from nsbridge.preflight import NEEDED, look
from nsbridge.record import holder, labs
from nsbridge.tables import Table


def preflight(args: argparse.Namespace) -> int:
    """Say what this host can do."""
    findings = look()
    if args.json:
        print(json.dumps([vars(finding) for finding in findings], indent=1))
    else:
        marks = {True: "ok", False: "missing"}
        rows = [[marks[each.ok], each.name, each.detail] for each in findings]
        Table(["", "what", "found, or what to do"], rows).print()
    lacking = [finding for finding in findings if not finding.ok and finding.weight == NEEDED]
    if lacking:
        print(f"nsbridge: the lab cannot run yet: {lacking[0].detail}", file=sys.stderr)
    return 1 if lacking else 0


def up(args: argparse.Namespace) -> int:
    """Make a lab."""
    lab = Lab(args.pair, args.name)
    for probe in (runc.probe, privilege.probe):
        probe()
    lab.up(
        _by_role(args.rootfs),
        _by_role(args.config),
        say=lambda line: print(line, file=sys.stderr, flush=True),
        server=args.server,
        port=args.port,
    )
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # from here on it stays, and so the exit code is 0
    lab.supervise()
    print(f"lab {lab.name!r} is up: {lab.pair}; talk through it with `nsbridge client --name {lab.name}`")
    return 0


def status(args: argparse.Namespace) -> int:
    """Show a lab."""
    found = _find(args.name).status()
    if args.json:
        print(json.dumps(found))
    else:
        rows = [["lab", found["name"]], ["pair", found["pair"]], ["state", found["state"]]]
        for side in ("a", "b"):
            words = " ".join(map(str, found[side]["endpoint"].values()))
            rows.append([side.upper(), f"{found[side]['id']}, process {found[side]['pid']}, endpoint {words}"])
        rows.append(["bridge", f"process {found['bridge']['pid']}, restarts {found['bridge']['restarts']}"])
        if found["bridge"]["reason"]:
            rows.append(["", f"last restart: {found['bridge']['reason']}"])
        who = f"process {found['supervisor']['pid']}" if found["supervisor"]["alive"] else "nobody"
        rows.append(["supervised", f"by {who}"])
        Table(["", ""], rows).print()
    if found["state"] != "running":
        fix = f"run `nsbridge down --name {args.name}` and `nsbridge up` again"
        print(f"nsbridge: a part of lab {args.name!r} is dead; {fix}", file=sys.stderr)
        return 1
    return 0


def client(args: argparse.Namespace) -> NoReturn:
    """Become the client in container A."""
    person = sys.stdin.isatty() and sys.stdout.isatty() and not args.raw
    argv = _running(args.name).client_argv(raw=args.raw, tty=person)
    os.execvp(argv[0], argv)  # noqa: S606 — the words are ours


def inspect(args: argparse.Namespace) -> int:
    """Show who is in which namespace."""
    subjects: dict[str, Subject] = {"host": privilege.host(), **_find(args.name).pids()}
    if args.json:
        print(json.dumps(census(subjects)))
    else:
        table(subjects).print()
    return 0


def down(args: argparse.Namespace) -> int:
    """Remove a lab, or all."""
    if args.all:
        # each lab of an ordinary user has an outer namespace of its own, and nobody can leave one for another
        argv = [sys.executable, "-m", "nsbridge.cli", "down", "--name"]
        return max((subprocess.run([*argv, name], check=False).returncode for name in labs()), default=0)
    try:
        lab = Lab.find(args.name)
    except UsageError:
        lab = Lab(name=args.name)
    lab.down()
    return 0


def bench(args: argparse.Namespace) -> int:
    """Measure."""
    from nsbridge.study.bench import run  # noqa: PLC0415 — what it imports would slow the other commands

    return run(_pairs(args), args.json, args.rounds)


def report(args: argparse.Namespace) -> int:
    """Execute the notebooks and render them."""
    from nsbridge.report.make import make  # noqa: PLC0415 — as above

    for path in make(_pairs(args), args.out, say=lambda line: print(line, file=sys.stderr, flush=True)):
        print(path)
    return 0


def restart(args: argparse.Namespace) -> int:
    """End a part of a lab; it comes back, and with it the bridge."""
    _find(args.name).restart(args.part)
    return 0


def _find(name: str) -> Lab:
    """Find a lab, and give it a supervisor again if somebody killed it."""
    lab = Lab.find(name)
    if not lab.supervised():
        lab.supervise()
    return lab


def _running(name: str) -> Lab:
    lab = _find(name)
    if not lab.running():
        raise UsageError(f"a part of lab {name!r} is dead; run `nsbridge down --name {name}` and `nsbridge up` again")
    return lab


def _by_role(words: list[str]) -> dict[str, Path]:
    """Read `PATH`, which is for both roles, `a=PATH` and `b=PATH`; a later one counts."""
    found: dict[str, Path] = {}
    for word in words:
        role, equals, path = word.partition("=")
        found |= {role: Path(path)} if equals and role in ("a", "b") else dict.fromkeys("ab", Path(word))
    return found


def _pairs(args: argparse.Namespace) -> list[str]:
    pairs = list(PAIRS) if args.all else args.pair or ["net-ipc"]
    for pair in pairs:
        parse(pair)
    return pairs


class _Parser(argparse.ArgumentParser):
    """Says what is wrong with the command in one line."""

    def error(self, message: str) -> NoReturn:
        """Exit with 2."""
        self.exit(2, f"nsbridge: {message}; see `{self.prog} --help`\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="nsbridge", description=__import__("nsbridge").__doc__)
    commands = parser.add_subparsers(dest="command", required=True, parser_class=_Parser, metavar="command")

    def command(function: Callable[[argparse.Namespace], int], *, named: bool = True) -> argparse.ArgumentParser:
        summary = function.__doc__
        sub = commands.add_parser(function.__name__, help=summary, description=summary)
        sub.set_defaults(run=function, name="lab")
        if named:
            sub.add_argument("--name", default="lab", help="the lab (default: lab)")
        return sub

    command(preflight, named=False).add_argument("--json", action="store_true", help="as JSON")
    sub = command(up)
    sub.add_argument("--pair", default="net-ipc", help=f"one of {', '.join(PAIRS)} (default: net-ipc)")
    sub.add_argument("--server", metavar="COMMAND", help="what a shell runs in B in place of the echo server")
    sub.add_argument(
        "--port", type=int, default=ECHO, metavar="N", help="where it listens, if NET is shared with B (default: 7)"
    )
    for option, word, use in (
        ("--rootfs", "DIR", "a root file system to use in place of busybox's"),
        ("--config", "FILE", "a config.json to start from"),
    ):
        role = f"; a={word} or b={word} for one container"
        sub.add_argument(option, action="append", default=[], metavar=word, help=use + role)
    command(status).add_argument("--json", action="store_true", help="as JSON")
    command(client).add_argument("--raw", action="store_true", help="bytes as they are, up to end of file")
    command(inspect).add_argument("--json", action="store_true", help="as JSON")
    command(restart).add_argument("part", choices=["a", "b", "bridge"], help="what to end")
    command(down).add_argument("--all", action="store_true", help="every lab of yours")
    for function in (bench, report):
        sub = command(function, named=False)
        sub.add_argument("--pair", nargs="+", metavar="x-y", help="the pairs (default: net-ipc)")
        sub.add_argument("--all", action="store_true", help="all six pairs")
        if function is bench:
            use = "write the records there, and every sample into a .csv file beside it"
            sub.add_argument("--json", type=Path, metavar="FILE", help=use)
            sub.add_argument("--rounds", type=int, default=5, metavar="N", help="take each measurement N times (5)")
        else:
            sub.add_argument("--out", type=Path, default=Path("report/out"), metavar="DIR", help="where the PDF goes")
    return parser


def main() -> int:
    """Run one command; every failure is one line and an exit code."""
    args = _parser().parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        # preflight tells of a user namespace that cannot be had beside all else that is missing
        if args.command != "preflight" and not (args.command == "down" and args.all):
            privilege.enter(holder(args.name))
        run: Callable[[argparse.Namespace], int] = args.run
        return run(args)
    except NsbridgeError as error:
        print("nsbridge:", *str(error).split(), file=sys.stderr)  # one line, whatever it quotes
        return 1
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
