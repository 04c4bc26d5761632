"""What a person does in JupyterLab, in a real Chromium; status tells of the lab, poppler of the PDF."""

import re
import subprocess
from pathlib import Path

import pytest
from playwright.sync_api import expect

from nsbridge.report.book import render_one
from nsbridge.report.model import Notebook

from .browser import Book, chromium, jupyterlab, too_wide
from .host import User

pytestmark = [pytest.mark.usefixtures("nothing_left"), pytest.mark.timeout(180)]

DURATION = re.compile(r"[\d.]+ (µs|ms)")
ERRORS = "[data-mime-type='application/vnd.jupyter.error'], [data-mime-type='application/vnd.jupyter.stderr']"


def test_a_person_reads_the_bridge_plays_with_the_panel_and_takes_the_pdf_home(root: User, tmp_path: Path) -> None:
    with jupyterlab(root, tmp_path) as address, chromium(tmp_path) as page:
        bridge = Book(page, address, "03-bridge.ipynb")
        bridge.run_all()
        assert page.locator(ERRORS).all_inner_texts() == []
        assert page.locator(".jp-OutputArea-output img").count() >= 5
        text = pdf_text(bridge.export("Nsbridge_pdf"))
        for words in ("The bridge", "Step by step", "This is the first sentence, again", "How to check this"):
            assert words in text
        assert not re.search("Traceback|HBox|NameError", text)

        panel = Book(page, address, "00-panel.ipynb")
        panel.run(0, 1)
        expect(page.locator(".nsb-state.down").first).to_be_visible()
        panel.press("Up")
        expect(page.locator(".nsb-state.up").first).to_contain_text("net-ipc, NET shared with A and IPC with B")
        assert shared(root, "net") == (True, False)
        say(panel, "This is the first sentence")
        say(panel, "世界 🐧 <b>two  spaces</b>")

        page.get_by_role("button", name="mnt-net").click()
        panel.press("Switch")
        expect(page.locator(".nsb-state.up").first).to_contain_text("mnt-net, MNT shared with A and NET with B")
        assert (shared(root, "mnt"), shared(root, "net")) == ((True, False), (False, True))
        say(panel, "second")
        expect(page.locator(".nsb-strip .typed[d*=M]").first).to_be_attached()
        panel.picture("panel")

        panel.run(3)
        text = pdf_text(panel.export("Nsbridge_pdf"))
        assert "Lab e2e-panel is up: mnt-net, MNT shared with A and NET with B" in text
        assert re.search(r"<b>two spaces</b>.* second second [\d.]+ (µs|ms)", text)
        assert not re.search("VBox|Error displaying|model not found", text)

        panel.press("Down")
        expect(page.locator(".nsb-state.down").first).to_be_visible()
        assert "e2e-panel-a" not in [each["id"] for each in root.runc("list", "--format", "json") or []]
        assert not (root.home / "labs" / "e2e-panel").exists()
        panel.press("Up")
        expect(page.locator(".nsb-state.up").first).to_be_visible()

        page.goto("about:blank")
        again = Book(page, address, "00-panel.ipynb")
        expect(page.locator(".nsb-state.up").first).to_contain_text("mnt-net")
        say(again, "after the tab was closed")

        made = render_one(Notebook.read(tmp_path / "books" / "03-bridge.ipynb"), tmp_path / "bridge")
        page.goto(made[1].as_uri())
        assert page.locator("figure img").count() >= 5
        assert too_wide(page) == []
    # the lab that is up now ends with JupyterLab: nothing_left sees to it


def say(panel: Book, line: str) -> None:
    """Type a line into the panel; its echo must be the newest, with a time."""
    box = panel.page.locator(".nsb input[type=text]").first
    box.fill(line)
    box.press("Enter")
    newest = panel.page.locator(".nsb-echo").first
    expect(newest.locator("p")).to_have_text([line, line], use_inner_text=True)
    expect(newest.locator("time")).to_have_text(DURATION)
    expect(box).to_have_value("")


def shared(user: User, kind: str) -> tuple[bool, bool]:
    """Whether the bridge has this namespace of A, and of B, as nsbridge itself tells it from outside the browser."""
    status = user.status("e2e-panel")
    mine = status["bridge"]["namespaces"][kind]
    return mine == status["a"]["namespaces"][kind], mine == status["b"]["namespaces"][kind]


def pdf_text(file: Path) -> str:
    done = subprocess.run(["pdftotext", "-layout", file, "-"], capture_output=True, text=True, check=True)
    return " ".join(done.stdout.split())
