"""The report's pages as a format for nbconvert: `jupyter nbconvert --to report.export.ReportExporter 01_data.ipynb`."""

from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from nbconvert.exporters import Exporter

from .markdown import headings, split_title, to_markdown
from .render import to_pdf


class ReportExporter(Exporter):
    """One executed notebook as a tagged PDF, without code except in cells tagged `show-input`."""

    file_extension = ".pdf"
    output_mimetype = "application/pdf"
    export_from_notebook = "Van Gogh report (PDF)"

    def from_notebook_node(self, nb: Any, resources: Any = None, **kwargs: Any) -> tuple[bytes, Any]:
        """Return the PDF's bytes and nbconvert's resources."""
        nb, resources = super().from_notebook_node(nb, resources, **kwargs)
        meta = resources.get("metadata", {})
        name, end = meta.get("name") or "notebook", nb.metadata.get("papermill", {}).get("end_time")
        day = date.fromisoformat(end[:10]) if end else date.today()
        with TemporaryDirectory() as folder:
            title, body = split_title(to_markdown(nb, name, Path(folder), Path(meta.get("path") or ".")))
            body = headings(body, -1)
            return to_pdf(body, title or name, day, Path(folder)), resources
