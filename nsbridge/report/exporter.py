"""The nbconvert exporter that makes a PDF of one executed notebook; knows only how nbconvert calls it.

JupyterLab lists it under "Save and Export Notebook As" by the key of its entry point, `nsbridge_pdf`.
"""

from pathlib import Path
from typing import Any

from nbconvert.exporters import Exporter
from nbformat import NotebookNode
from traitlets import default

from nsbridge.report.assemble import article
from nsbridge.report.model import Notebook
from nsbridge.report.paper import pdf


class PdfExporter(Exporter):
    """A notebook as PDF by way of pandoc and Typst; neither a browser nor TeX is needed."""

    export_from_notebook = "nsbridge PDF"
    output_mimetype = "application/pdf"

    @default("file_extension")
    def _default_file_extension(self) -> str:
        return ".pdf"

    def from_notebook_node(self, nb: NotebookNode, resources: Any = None, **kw: Any) -> tuple[Any, dict[str, Any]]:
        """Return the PDF's bytes and nbconvert's resources.

        Raises:
            HostError: pandoc or Typst is missing or refused the notebook.
        """
        node, resources = super().from_notebook_node(nb, resources, **kw)
        about = resources.get("metadata", {})
        notebook = Notebook(about.get("name") or "notebook", node, Path(about.get("path") or "."))
        resources["output_extension"] = ".pdf"
        return pdf(article(notebook)), resources
