"""`nsbridge report`: executes the notebooks for each pair and renders them; how is execute's and book's to know."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from operator import attrgetter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from nsbridge import kernel, privilege
from nsbridge.containers.layers import folder
from nsbridge.errors import UsageError
from nsbridge.labs import remove
from nsbridge.record import labs
from nsbridge.report import front
from nsbridge.report.book import render
from nsbridge.report.execute import execute
from nsbridge.report.model import Notebook

Say = Callable[[str], None]

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
_TOGETHER = ("01-bundles", "02-containers", "06-safety")  # these hold nothing against time
_ALL_PAIRS = "04-pairs"
_ALONE = ("03-bridge", _ALL_PAIRS, "05-speed")
_PATIENCE = 120  # seconds for one cell
_NAME = "report"  # what the names of a report's labs begin with


def make(pairs: Sequence[str], out: Path, say: Say) -> list[Path]:
    """Make the report of each pair, and a comparison if there are several.

    Args:
        pairs: such as `net-ipc`.
        out: the folder for `PAIR.pdf` and `PAIR.html`; it is made.
        say: is told what goes on.

    Returns:
        The paths of the files, in the order of the pairs.

    Raises:
        UsageError: there are no notebooks, or `out` cannot be written.
        NsbridgeError: a cell of a notebook failed, or it could not be rendered.
    """
    chapters = {path.stem: Notebook.read(path) for path in sorted(NOTEBOOKS.glob("*.ipynb"))}
    if not {*_TOGETHER, *_ALONE} <= {*chapters}:
        raise UsageError(f"the notebooks are not in {NOTEBOOKS}; run this from a clone, installed by scripts/setup")
    _writable(out)
    with (
        _undisturbed(say),
        TemporaryDirectory(prefix="nsbridge-report-") as work,
        ThreadPoolExecutor(1) as press,  # one report is rendered while the next pair's first notebooks run
    ):
        maker = _Maker(chapters, Path(work), say)
        printed = [press.submit(maker.report(pair, out)) for pair in pairs]
        if len(pairs) > 1:
            printed.append(press.submit(maker.comparison(out)))
        return [path for each in printed for path in each.result()]


class _Maker:
    """Makes reports one after the other; what all pairs have in common is measured once."""

    def __init__(self, chapters: dict[str, Notebook], work: Path, say: Say) -> None:
        self._chapters = chapters
        self._records = work / "records.json"
        self._work = work
        self._say = say
        self._executed: dict[str, list[Notebook]] = {}

    def report(self, pair: str, out: Path) -> Callable[[], list[Path]]:
        """Execute all notebooks for `pair`, and return what renders them as its report."""
        begin = datetime.now().astimezone()
        self._say(f"{pair}: {', '.join(_TOGETHER)}")
        turns: dict[str, Future[None]] = {name: Future() for name in _ALONE}
        with ThreadPoolExecutor(len(self._chapters)) as pool:
            try:
                together = [pool.submit(self._execute, name, pair) for name in _TOGETHER]
                executed = [each.result() for each in together[:-1]]
                # while the last of them runs, the kernels of the others start
                alone = {name: pool.submit(self._execute, name, pair, turns[name]) for name in _ALONE}
                executed.append(together[-1].result())
                for name, each in alone.items():
                    self._say(f"{pair}: {name}")
                    turns[name].set_result(None)
                    executed.append(each.result())
            finally:
                for turn in turns.values():
                    turn.cancel()
        executed.sort(key=attrgetter("name"))
        self._executed[pair] = executed
        self._say(f"{pair}: rendering")
        return lambda: render(executed, front.of(pair, executed, begin), out / pair)

    def comparison(self, out: Path) -> Callable[[], list[Path]]:
        """Return what renders that which compares the pairs by itself."""
        begin = datetime.now().astimezone()
        self._say(f"comparison: {_ALL_PAIRS}")
        together = self._execute(_ALL_PAIRS, "")  # no pair stands out
        self._say("comparison: rendering")
        return lambda: render([together], front.of_all(self._executed, begin), out / "comparison")

    def _execute(self, name: str, pair: str, turn: Future[None] | None = None) -> Notebook:
        """Execute a chapter; its first cell waits for `turn`."""
        parameters: dict[str, Any] = {"pair": pair, "name": f"{_NAME}-{name[:2]}"}
        if name == _ALL_PAIRS:
            parameters["records"] = str(self._records)
        return execute(
            self._chapters[name],
            parameters,
            cwd=self._work,
            kernel=kernel.NAME,
            timeout=_PATIENCE,
            progress=(lambda *_: turn.result()) if turn else None,
        )


@contextmanager
def _undisturbed(say: Say) -> Iterator[None]:
    """Let one report of a user be made at a time; none of its labs stays."""
    home = folder(privilege.home())
    with (home / "report.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting until another report of yours is made")
            fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield
        finally:
            for name in labs():
                if name.startswith(f"{_NAME}-"):
                    remove(name)


def _writable(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot make the folder {out}: {error.strerror}; give another with --out") from None
    if not os.access(out, os.W_OK | os.X_OK):
        raise UsageError(f"the folder {out} is not writable; give another with --out")
