"""A JupyterLab of one user, and a Chromium that looks at it; knows the browser's buttons, and no lab."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Locator, Page, expect, sync_playwright

from .host import User, wait_until
from .playing import NOTEBOOKS

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), "chromium")
OPTIONS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)
PATIENCE = 60_000.0  # milliseconds
_SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "notebook-extension/tracker": {"windowingMode": "none"},  # cells out of sight stay in the page
}


@contextmanager
def jupyterlab(user: User, place: Path) -> Iterator[str]:
    """Serve copies of the notebooks, in which labs' names begin with e2e; give the address."""
    books, port = place / "books", _free_port()
    books.mkdir()
    for path in NOTEBOOKS.glob("*.ipynb"):
        text = path.read_text().replace('name = \\"', 'name = \\"e2e-')
        (books / path.name).write_text(text)
    for name, settings in _SETTINGS.items():
        file = place / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(settings))
    places = {
        "JUPYTER_CONFIG_DIR": "config", "JUPYTER_DATA_DIR": "data", "JUPYTER_RUNTIME_DIR": "runtime",
        "JUPYTERLAB_SETTINGS_DIR": "settings", "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
    }  # fmt: skip
    argv = [
        *(sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}"),
        *("--IdentityProvider.token=", f"--ServerApp.root_dir={books}"),
    ]
    env = user.env(HOME=str(place), **{name: str(place / folder) for name, folder in places.items()})
    with (place / "jupyter.log").open("wb") as log:
        server = subprocess.Popen(user.argv(*argv), env=env, stdout=log, stderr=log, cwd=books)
    try:
        assert wait_until(lambda: _serves(port), seconds=30), (place / "jupyter.log").read_text()
        yield f"http://127.0.0.1:{port}/lab"
    finally:
        server.terminate()
        server.wait(20)


@contextmanager
def chromium(place: Path) -> Iterator[Page]:
    """Give a page of a fresh browser."""
    with sync_playwright() as driver:
        context = driver.chromium.launch_persistent_context(
            place / "profile",
            executable_path=CHROMIUM,
            args=list(OPTIONS),
            viewport={"width": 1280, "height": 960},
            accept_downloads=True,
        )
        context.set_default_timeout(PATIENCE)
        expect.set_options(timeout=PATIENCE)
        try:
            yield context.pages[0]
        finally:
            context.close()


def too_wide(page: Page) -> list[str]:
    """Return what sticks out of the page, or cannot be shown, on a telephone and on a desk."""
    found = []
    for width in (420, 1280):
        page.set_viewport_size({"width": width, "height": 900})
        found += page.evaluate("""
            () => [...document.querySelectorAll("body *")].filter(each =>
                each.matches("img") && !each.naturalWidth ||
                each.getBoundingClientRect().right > innerWidth && !each.closest("pre, table, figure")
            ).map(each => `${innerWidth}: ${each.outerHTML.slice(0, 200)}`)
        """)
        assert page.evaluate("document.documentElement.scrollWidth") == width
    return found


class Book:
    """A notebook that is open in JupyterLab."""

    def __init__(self, page: Page, address: str, name: str) -> None:
        """Open it, and wait until its kernel is ready."""
        self.page = page
        page.goto(f"{address}/tree/{name}?reset")
        self.cells = page.locator(".jp-CodeCell")
        self.cells.nth(1).wait_for()
        page.get_by_text("nsbridge | Idle").wait_for()

    def run(self, *numbers: int) -> None:
        """Run code cells, each once the one before has ended."""
        for number in numbers:
            self.cells.nth(number).locator(".cm-content").click()
            self.page.keyboard.press("Control+Enter")
            self._ended(self.cells.nth(number))

    def run_all(self) -> None:
        """Run all cells, from the menu."""
        self._choose("Run", "Run All Cells")
        for number in range(self.cells.count()):
            self._ended(self.cells.nth(number))

    def export(self, label: str) -> Path:
        """Choose a form under "Save and Export Notebook As"; return the file that the browser gets."""
        with self.page.expect_download() as download:
            self._choose("File", "Save and Export Notebook As", label)
        return download.value.path()

    def press(self, button: str) -> None:
        """Press a button of the panel."""
        self.page.locator(".nsb button", has_text=re.compile(f"^{button}$")).first.click()

    def picture(self, name: str) -> None:
        """Keep what is seen after some beats in the folder that NSBRIDGE_PICTURES names, if it does."""
        if folder := os.environ.get("NSBRIDGE_PICTURES"):
            self.page.wait_for_timeout(30_000)
            self.page.screenshot(path=Path(folder, f"{name}.png"))

    def _choose(self, bar: str, *entries: str) -> None:
        self.page.locator(".lm-MenuBar-itemLabel", has_text=bar).first.click()
        for entry in entries:
            self.page.locator(".lm-Menu-itemLabel", has_text=entry).first.click()

    @staticmethod
    def _ended(cell: Locator) -> None:
        expect(cell.locator(".jp-InputPrompt")).to_have_text(re.compile(r"\[\d+\]:"))


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _serves(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
