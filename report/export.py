"""The report's two forms as formats for nbconvert: `jupyter nbconvert --to report.export.ReportExporter 01_data.ipynb`.

`report.build` hands them the joined notebook of `assemble`; any other executed notebook works as well.
"""

import re
from collections.abc import Callable
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

from nbconvert.exporters import Exporter
from traitlets import Unicode

from .markdown import Origin, ReportError, headings, split_title, to_parts
from .render import to_html, to_pdf


class ReportExporter(Exporter):
    """Executed notebook → tagged PDF, without code except in cells tagged `show-input`."""

    file_extension = ".pdf"
    output_mimetype = "application/pdf"
    export_from_notebook = "Van Gogh report (PDF)"
    folder = Unicode(help="where pictures and the Typst source stay; empty: a folder that is removed").tag(config=True)
    write: ClassVar[Callable[[str, str, date, Path], bytes | str]] = staticmethod(to_pdf)

    def from_notebook_node(self, nb: Any, resources: Any = None, **kwargs: Any) -> tuple[bytes | str, Any]:
        """Return the document and nbconvert's resources."""
        nb, resources = super().from_notebook_node(nb, resources, **kwargs)
        about = resources.get("metadata", {})
        name = about.get("name") or "notebook"
        day = nb.metadata.get("date") or nb.metadata.get("papermill", {}).get("end_time")
        with TemporaryDirectory() as temporary:
            folder = Path(self.folder or temporary)
            parts = to_parts(nb, name, folder, Path(about.get("path") or "."))
            title, body = split_title("\n\n".join(text for _, text in parts) + "\n")
            day = date.fromisoformat(day[:10]) if day else date.today()
            title = re.sub(r"\\([^\w\s])", r"\1", title)
            try:
                return self.write(headings(body, -1), title or name, day, folder), resources
            except ReportError as error:
                raise _with_cell(error, parts, day, folder) from error


def _with_cell(error: ReportError, parts: list[tuple[Origin, str]], day: date, folder: Path) -> ReportError:
    """Return the error with notebook and cell of the first part that cannot be set even alone, if there is one."""
    for write in (to_html, to_pdf):  # pandoc alone takes a tenth of the time
        for origin, text in parts:
            try:
                write(text, "T", day, folder)
            except ReportError as reason:
                return ReportError(f"{origin.stage}, cell {origin.number}: {reason}")
    return error


class ReportPageExporter(ReportExporter):
    """The same as one HTML file: `--to report.export.ReportPageExporter`."""

    file_extension = ".html"
    output_mimetype = "text/html"
    export_from_notebook = "Van Gogh report (HTML)"
    write = staticmethod(to_html)
