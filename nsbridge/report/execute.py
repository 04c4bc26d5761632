"""Running a notebook with parameters of its own; knows nothing of how it is printed.

Parameters work as in papermill: a cell tagged `parameters` assigns the defaults, and a cell tagged
`injected-parameters` is put behind it. Here a name that the defaults do not know is refused.
"""

import ast
import asyncio
import atexit
import logging
import os
import subprocess
import tempfile
from collections.abc import Callable, Coroutine, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import nbformat
from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError
from nbformat import NotebookNode
from traitlets.config import Config

from nsbridge import errors
from nsbridge.errors import HostError, NsbridgeError, UsageError
from nsbridge.report.model import Notebook

# Called before each code cell with how many are done, and how many there are; and once at the end.
Progress = Callable[[int, int], None]

_INJECTED = "injected-parameters"

# A vector for paper and one for the screen, instead of matplotlib's PNG. The kernel's clock stays out of both.
_ARGUMENTS = ["--InlineBackend.figure_formats={'pdf','svg'}"]
# What nbclient would log is raised, in one line.
_LOG = logging.getLogger(__name__)
_LOG.addHandler(logging.NullHandler())
_ENVIRONMENT = {"SOURCE_DATE_EPOCH": "315532800", "PYTHONHASHSEED": "0"}


def parametrise(notebook: Notebook, parameters: Mapping[str, Any]) -> Notebook:
    """Return a copy of `notebook` in which `parameters` override its defaults.

    Raises:
        UsageError: the notebook does not know a name, or a value has no literal form.
    """
    node = _node(notebook.node)
    node.cells = [cell for cell in node.cells if _INJECTED not in _tags(cell)]
    if parameters:
        place = next((index for index, cell in enumerate(node.cells) if "parameters" in _tags(cell)), None)
        known = _assigned(node.cells[place].source, notebook.name) if place is not None else []
        unknown = [name for name in parameters if name not in known]
        if place is None or unknown:
            names = ", ".join(known) or "none: tag a cell `parameters`"
            raise UsageError(f"{notebook.name} has no parameter {', '.join(unknown)}; it has {names}")
        node.cells.insert(place + 1, _injected(node.cells[place], parameters))
    return Notebook(notebook.name, node, notebook.folder)


def execute(  # noqa: PLR0913 -- each keyword is one choice of the caller's
    notebook: Notebook,
    parameters: Mapping[str, Any] | None = None,
    *,
    cwd: Path | None = None,
    kernel: str = "python3",
    timeout: int | None = 600,
    progress: Progress | None = None,
) -> Notebook:
    """Return a copy of `notebook` with the outputs of a fresh kernel, which is killed then: what it left is there.

    Args:
        notebook: what to run; it is left as it is.
        parameters: values for names that the cell tagged `parameters` assigns.
        cwd: the kernel's working directory; the notebook's folder where not given.
        kernel: a kernel's name, as in `jupyter kernelspec list`.
        timeout: the longest that one cell may take, in seconds; None for no limit.
        progress: told before each code cell, and at the end.

    Raises:
        UsageError: a parameter is unknown.
        HostError: there is no such kernel, it died, or a cell took too long.
        NsbridgeError: a cell failed. An error of this project's own keeps its class and its line.
    """
    copy = parametrise(notebook, parameters or {})
    _require(kernel)
    code = [index for index, cell in enumerate(copy.node.cells) if cell.cell_type == "code" and cell.source.strip()]
    with tempfile.TemporaryDirectory(prefix="nsbridge-kernel-") as sockets:
        client = NotebookClient(
            copy.node,
            kernel_name=kernel,
            timeout=timeout,
            startup_timeout=60,
            record_timing=False,
            coalesce_streams=True,
            store_widget_state=False,
            shutdown_kernel="immediate",
            log=_LOG,
            extra_arguments=list(_ARGUMENTS),
            config=_reached_through(Path(sockets)),
            resources={"metadata": {"path": str(cwd or notebook.folder)}},
        )
        if progress:
            # nbclient calls it before cells of prose as well.
            client.on_cell_start = lambda cell, cell_index: (
                progress(code.index(cell_index), len(code)) if cell_index in code else None
            )
        # What the kernel's own process prints beside the cells' outputs is noise: the cells' are caught by ipykernel.
        quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        try:
            with _own_errors(notebook.name, timeout):
                _run(client.async_execute(env=os.environ | _ENVIRONMENT, **quiet))
        finally:
            # The kernel has ended; nbclient would end it once more at exit, and fail where it never began.
            atexit.unregister(client._cleanup_kernel)
    if progress:
        progress(len(code), len(code))
    return copy


def _require(kernel: str) -> None:
    try:
        KernelSpecManager().get_kernel_spec(kernel)
    except NoSuchKernel as error:
        raise HostError(f"no kernel {kernel}: install ipykernel, or see `jupyter kernelspec list`") from error


def _reached_through(folder: Path) -> Config:
    """Return the settings of a kernel with its sockets in `folder`.

    So no port is open, and a kernel that enters a container's network stays within reach.
    """
    return Config({"KernelManager": {"transport": "ipc", "connection_file": str(folder / "kernel.json")}})


@contextmanager
def _own_errors(name: str, timeout: int | None) -> Iterator[None]:
    try:
        yield
    except CellExecutionError as error:
        raise _translated(error, name) from error
    except CellTimeoutError as error:
        why = f"a cell took longer than {timeout} s; run it in JupyterLab to see why"
        raise HostError(f"{name}: {why}") from error
    except RuntimeError as error:
        # DeadKernelError is one as well.
        why = " ".join(str(error).split())
        raise HostError(f"{name}: the kernel is gone: {why}; run it in JupyterLab to see why") from error


def _run(work: Coroutine[Any, Any, Any]) -> None:
    """Run `work` to its end in a thread of its own, where a loop that runs already is not in the way.

    In the main thread nbclient would take an interrupt for itself and report it as a dead kernel. Here it stays
    a KeyboardInterrupt, raised once the kernel has ended.
    """
    begun: Future[asyncio.Task[Any]] = Future()

    async def announced() -> None:
        begun.set_result(cast("asyncio.Task[Any]", asyncio.current_task()))
        await work

    with ThreadPoolExecutor(max_workers=1) as pool:
        done = pool.submit(asyncio.run, announced())
        try:
            done.result()
        except BaseException:
            if not done.done():
                task = begun.result()
                task.get_loop().call_soon_threadsafe(task.cancel)
            raise


def _tags(cell: NotebookNode) -> list[str]:
    return list(cell.metadata.get("tags", ()))


def _assigned(source: str, name: str) -> list[str]:
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        raise UsageError(f"{name}: the cell tagged `parameters` is not plain Python: {error.msg}") from error
    targets = [
        target
        for statement in tree.body
        if isinstance(statement, ast.Assign | ast.AnnAssign)
        for target in (statement.targets if isinstance(statement, ast.Assign) else [statement.target])
    ]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _injected(defaults: NotebookNode, parameters: Mapping[str, Any]) -> NotebookNode:
    # Where the defaults are hidden, so is what overrides them.
    tags = [tag for tag in _tags(defaults) if tag != "parameters"]
    source = "\n".join(f"{name} = {_literal(name, value)}" for name, value in parameters.items())
    cell = {"cell_type": "code", "id": _INJECTED, "metadata": {"tags": [_INJECTED, *tags]}, "source": source}
    return _node({**cell, "outputs": [], "execution_count": None})


def _node(content: Mapping[str, Any]) -> NotebookNode:
    """Return a deep copy of `content` as nbformat's own type."""
    node: NotebookNode = nbformat.from_dict(dict(content))  # type: ignore[no-untyped-call]  # nbformat's own gap
    return node


def _literal(name: str, value: Any) -> str:
    try:
        ast.literal_eval(repr(value))
    except (ValueError, SyntaxError) as error:
        raise UsageError(f"the parameter {name} must be text, a number, a list or a table of these") from error
    return repr(value)


def _translated(error: CellExecutionError, name: str) -> NsbridgeError:
    line = " ".join(error.evalue.split())
    found = getattr(errors, error.ename, None)
    if isinstance(found, type) and issubclass(found, NsbridgeError):
        return found(f"{name}: {line}")
    return NsbridgeError(f"{name}: a cell failed: {error.ename}: {line}; run it in JupyterLab to see where")
