"""What a report is made of, as plain data; knows neither how it is read nor how it is printed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import nbformat
from nbformat import NotebookNode
from rich.text import Text

from nsbridge.errors import UsageError
from nsbridge.report.assets import Assets
from nsbridge.report.pandoc import Nodes

Kind = Literal["figure", "table"]
Role = Literal["code", "stdout", "stderr", "result", "error"]


@dataclass(frozen=True)
class Notebook:
    """A notebook to print: `name` is its file's stem, `folder` is where its relative paths start."""

    name: str
    node: NotebookNode
    folder: Path

    @classmethod
    def read(cls, path: Path) -> "Notebook":
        """Return the notebook in the file `path`.

        Raises:
            UsageError: there is no such file, or it holds no notebook.
        """
        try:
            node = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]  # nbformat's own gap
        except OSError as error:
            raise UsageError(f"cannot read the notebook {path}: {error.strerror}") from error
        except (ValueError, nbformat.reader.NotJSONError) as error:
            raise UsageError(f"{path} is not a notebook: save it again from JupyterLab") from error
        return cls(path.stem, node, path.parent)


@dataclass(frozen=True)
class Front:
    """A report's first page and last one.

    `facts` (name to value) stand under the title: pair, machine, versions. `summary` is markdown.
    `environment` (name to value) becomes the table at the end. An empty field leaves its place out.
    """

    title: str
    subtitle: str = ""
    authors: Sequence[str] = ()
    date: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    summary: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Caption:
    """What stands under a figure or over a table. `number` and `label` become final when it is placed."""

    text: Nodes
    alt: str
    kind: Kind
    label: str = ""
    number: int = 0


@dataclass
class Prose:
    """Blocks of pandoc's tree."""

    blocks: Nodes


@dataclass
class Listing:
    """Lines of monospaced text with colours; `role` says where they come from."""

    text: Text
    role: Role


@dataclass
class Picture:
    """An image by its name among the assets, and the words for who cannot see it."""

    name: str
    alt: str


@dataclass
class Markup:
    """HTML that only the screen shows."""

    html: str


Body = Prose | Listing | Picture | Markup


@dataclass
class Item:
    """One thing in a chapter, in the form for paper and the form for the screen.

    `folded` items are closed until clicked on the screen; `held` ones stay on the page of the next item.
    """

    paper: Body | None
    screen: Body | None
    caption: Caption | None = None
    folded: bool = False
    held: bool = False


@dataclass
class Chapter:
    """One notebook's items; `key` is its file's stem, by which other notebooks link to it."""

    key: str
    items: list[Item]


@dataclass
class Report:
    """A whole report, ready to be printed. `book` tells a report of chapters from a lone notebook."""

    front: Front
    chapters: list[Chapter]
    assets: Assets
    summary: Nodes
    book: bool

    def captions(self, kind: Kind) -> list[Caption]:
        """Return the captions of one kind in reading order."""
        found = (item.caption for chapter in self.chapters for item in chapter.items)
        return [caption for caption in found if caption and caption.kind == kind]
