"""Plays cells in a fresh nsbridge kernel, one after the other, whatever goes wrong, and prints what each showed.

Reads sources from standard input and writes a list of outputs for each, both as JSON. Run as any user.
"""

import json
import os
import subprocess
import sys
from contextlib import suppress
from typing import Any

from nbclient import NotebookClient
from nbclient.exceptions import DeadKernelError
from nbformat import v4

new_code_cell: Any = v4.new_code_cell
new_notebook: Any = v4.new_notebook


def main() -> None:
    cells: list[Any] = [new_code_cell(source) for source in json.load(sys.stdin)]
    client = NotebookClient(new_notebook(cells=cells), kernel_name="nsbridge", allow_errors=True, timeout=50)
    with suppress(DeadKernelError):  # a cell may kill it
        client.execute(cwd=os.environ["NSBRIDGE_HOME"], stderr=subprocess.DEVNULL)
    json.dump([cell.outputs for cell in cells], sys.stdout)


if __name__ == "__main__":
    main()
