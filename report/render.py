"""The report's Markdown → pandoc → Typst → PDF/UA, and the same Markdown → one HTML file.

Convention: any warning of pandoc or Typst is an error, because what they warn of would be missing from the page.
"""

import os
import re
import shutil
import subprocess
import sys
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any
from unicodedata import category

from .markdown import ReportError, log

HERE = Path(__file__).resolve().parent
READER = "markdown-raw_html-raw_tex-yaml_metadata_block-pandoc_title_block-example_lists-native_divs-native_spans"
READER += "-implicit_figures+lists_without_preceding_blankline"


def to_pdf(markdown: str, title: str, day: date, folder: Path) -> bytes:
    """Return a tagged PDF/UA-1 of a Markdown document whose pictures lie in `folder`; `title` is plain text.

    Raises:
        ReportError: on any warning of pandoc or Typst, such as a reference that leads nowhere.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(HERE / "references.bib", folder)
    meta = {"title-text": title, "year": day.year, "month": day.month, "day": day.day}
    written = title.replace("\\", "\\\\").replace('"', '\\"')
    flags = ["--template", HERE / "template.typ", f'--variable=title-string:"{written}"']
    pages = _pandoc(markdown, "typst-smart", meta, folder, *flags)
    (folder / "report.typ").write_text(pages, encoding="utf-8")
    return _compile(folder / "report.typ")


def _compile(source: Path) -> bytes:
    """Return the PDF of a Typst file, set in Typst's own fonts, so that pages look the same on every machine.

    Only if these lack a character are the fonts of this machine used; what none of them has is shown as ▯ and named.
    """
    import typst

    options = {"root": source.parent, "pdf_standards": ["ua-1"], "ignore_system_fonts": True}
    for _ in range(5):
        try:
            pdf, warnings = typst.compile_with_warnings(source, **options)
        except typst.TypstError as error:
            texts = re.findall(r'the text `"(.+?)"` could not be displayed', error.diagnostic)
            missing = {character for character in _unescaped("".join(texts)) if not character.isascii()}
            if not missing:
                raise ReportError(f"Typst cannot set the report: {error.diagnostic.strip()}") from error
            if options["ignore_system_fonts"]:
                options["ignore_system_fonts"] = False
                continue
            # Joiners and the like show nothing by themselves
            signs = {ord(sign): "" if category(sign) in ("Cf", "Mn") else "▯" for sign in missing}
            source.write_text(source.read_text(encoding="utf-8").translate(signs), encoding="utf-8")
            if shown := " ".join(sorted(sign for sign in missing if signs[ord(sign)])):
                log.warning(
                    f"No font of this machine has {shown}: the PDF shows ▯ instead (the web page has them). Install a "
                    "font that has them, on Debian and Ubuntu fonts-noto-cjk, fonts-noto-core or fonts-symbola."
                )
            continue
        if warnings:
            raise ReportError(f"Typst warns: {warnings[0]}")
        return pdf
    raise ReportError("Typst cannot set some characters of the report")


def _unescaped(text: str) -> str:
    r"""Return a text as it was before Typst wrote it into a message.

    >>> _unescaped(r"\u{41}\"")
    'A"'
    """
    return re.sub(r"\\u\{([0-9a-f]+)\}|\\(.)", lambda m: chr(int(m[1], 16)) if m[1] else m[2], text)


def to_html(markdown: str, title: str, day: date, folder: Path) -> str:
    """Return the same document as one HTML file that needs nothing else: pictures, style and formulas are inside."""
    meta = {"pagetitle": title, "title": title, "date": day.isoformat(), "lang": "en", "toc-title": "Contents"}
    meta |= {"link-citations": "true", "reference-section-title": "References"}
    style = ["--include-in-header", HERE / "head.html"]
    flags = ["--standalone", "--embed-resources", "--mathml", "--toc", "--toc-depth=3", "--section-divs", "--citeproc"]
    return _pandoc(markdown, "html5", meta, folder, *flags, *style)


@cache
def _pandoc_program() -> str:
    """Return a pandoc that runs: the wheel's own, else one on PATH (some wheels hold another processor's program)."""
    import pypandoc

    wheel = Path(pypandoc.__file__).parent / "files"
    for program in (wheel / "pandoc", wheel / "pandoc.exe", shutil.which("pandoc")):
        if program and Path(program).is_file():
            try:
                subprocess.run([program, "--version"], capture_output=True, check=True, timeout=60)
                return str(program)
            except (OSError, subprocess.SubprocessError):
                continue
    raise ReportError("no pandoc runs here: install pandoc (for example `brew install pandoc`) and run this again")


def _pandoc(markdown: str, target: str, meta: dict[str, Any], folder: Path, *flags: Any) -> str:
    command = [_pandoc_program(), "--fail-if-warnings", "--from", READER, "--to", target, "--columns=10000"]
    command += ["--lua-filter", HERE / "filter.lua", "--resource-path", folder, *flags]
    command += [f"--metadata=bibliography:{HERE / 'references.bib'}"]
    command += [f"--metadata={key}:{value}" for key, value in meta.items()]
    # pandoc decodes paths by the locale; in the locale C it cannot open a project whose folder is not ASCII.
    locale = {"LC_ALL": "en_US.UTF-8" if sys.platform == "darwin" else "C.UTF-8"}
    options = {"capture_output": True, "encoding": "utf-8", "cwd": folder, "env": os.environ | locale}
    done = subprocess.run(command, input=markdown, **options)
    if done.returncode:
        raise ReportError(f"pandoc refuses the report: {done.stderr.strip()[-600:]}")
    return done.stdout
