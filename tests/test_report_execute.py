"""Running notebooks with a real kernel: parameters, errors in one line, and no kernel left behind."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat import NotebookNode

from nsbridge.errors import HostError, NsbridgeError, UsageError
from nsbridge.report.execute import execute, parametrise
from nsbridge.report.model import Notebook

DEFAULTS = ("pair = 'net-ipc'\ncount: int = 3", ["parameters", "hide-input"])


def notebook(folder: Path, *cells: tuple[str, list[str]]) -> Notebook:
    whole: list[dict[str, Any]] = [
        {"cell_type": "code", "id": f"c{index}", "metadata": {"tags": tags}, "source": source}
        | {"outputs": [], "execution_count": None}
        for index, (source, tags) in enumerate(cells)
    ]
    content: dict[str, Any] = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": whole}
    node: NotebookNode = nbformat.from_dict(content)  # type: ignore[no-untyped-call]  # nbformat's own gap
    return Notebook("trial", node, folder)


def printed(done: Notebook) -> list[str]:
    return [output.text for cell in done.node.cells for output in cell.outputs if output.output_type == "stream"]


def test_parameters_override_defaults_and_leave_the_notebook_alone(tmp_path: Path) -> None:
    trial = notebook(tmp_path, DEFAULTS, ("import os\nprint(pair, count, os.getcwd())", []))
    told: list[tuple[int, int]] = []
    done = execute(trial, {"pair": "mnt-ipc"}, progress=lambda *step: told.append(step))
    assert printed(done) == [f"mnt-ipc 3 {tmp_path}\n"]
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert len(trial.node.cells) == 2
    assert done.node.cells[1].metadata.tags == ["injected-parameters", "hide-input"]
    nbformat.validate(done.node)
    again = execute(done, {"count": 5}, cwd=tmp_path.parent)
    assert printed(again) == [f"net-ipc 5 {tmp_path.parent}\n"]
    assert not [key for cell in done.node.cells for key in cell.metadata if key == "execution"]


def test_unknown_parameter_is_refused_before_a_kernel_starts(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^trial has no parameter pear; it has pair, count$"):
        execute(notebook(tmp_path, DEFAULTS), {"pear": 1}, kernel="no-such-kernel")
    with pytest.raises(UsageError, match=r"trial has no parameter pair; it has none: tag a cell `parameters`"):
        parametrise(notebook(tmp_path, ("pair = 1", [])), {"pair": 1})
    with pytest.raises(UsageError, match="must be text, a number"):
        parametrise(notebook(tmp_path, DEFAULTS), {"pair": object()})
    with pytest.raises(UsageError, match="is not plain Python"):
        parametrise(notebook(tmp_path, ("%time x = 1", ["parameters"])), {"x": 1})


def test_own_error_keeps_its_class_and_its_line(tmp_path: Path) -> None:
    source = "from nsbridge.errors import UsageError\nraise UsageError(f'no such pair: {pair}; try net-ipc')"
    with pytest.raises(UsageError, match=r"^trial: no such pair: foo-ipc; try net-ipc$"):
        execute(notebook(tmp_path, DEFAULTS, (source, [])), {"pair": "foo-ipc"})


def test_foreign_error_names_the_notebook(tmp_path: Path) -> None:
    with pytest.raises(NsbridgeError, match=r"^trial: a cell failed: ZeroDivisionError: division by zero; run it"):
        execute(notebook(tmp_path, ("1 / 0", [])))


def test_lost_kernels_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="no kernel no-such-kernel: install ipykernel"):
        execute(notebook(tmp_path), kernel="no-such-kernel")
    with pytest.raises(HostError, match="trial: the kernel is gone"):
        execute(notebook(tmp_path, ("import os\nos._exit(1)", [])))
    with pytest.raises(HostError, match=r"trial: a cell took longer than 1 s"):
        execute(notebook(tmp_path, ("import time\ntime.sleep(60)", [])), timeout=1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_no_kernel_outlives_its_caller(
    number: signal.Signals, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    sleeper = notebook(tmp_path, ("import os, time\nopen('pid', 'w').write(str(os.getpid()))\ntime.sleep(300)", []))
    (tmp_path / "trial.ipynb").write_text(json.dumps(sleeper.node))
    program = (  # whoever runs the tests in the background may have had SIGINT ignored
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from pathlib import Path; from nsbridge.report.execute import execute; "
        "from nsbridge.report.model import Notebook; execute(Notebook.read(Path('trial.ipynb')))"
    )
    # A socket's path has room for 107 bytes.
    env = os.environ | {"TMPDIR": str(tmp_path_factory.mktemp("s"))}
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, cwd=tmp_path, env=env, stderr=subprocess.PIPE, text=True) as caller:
        wait_until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text() != "")
        caller.send_signal(number)
        _, said = caller.communicate(timeout=30)
    kernel = int((tmp_path / "pid").read_text())
    wait_until(lambda: not alive(kernel))
    if number == signal.SIGINT:
        assert said.count("Traceback") == 1
        assert said.endswith("KeyboardInterrupt\n")


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


def wait_until(condition: Any, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
