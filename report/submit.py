"""Pack the report, the executed notebooks and the scripts for handing in: `run.py submit --group 026`."""

import argparse
import json
import os
import re
import sys
import zipfile
from contextlib import suppress
from pathlib import Path

from vg_helpers.commands.entry import run
from vg_helpers.files import atomic, check_place, expand_home
from vg_helpers.passwords import without_passwords

from .build import choose_folder, command
from .chain import outdated
from .markdown import read_notebook
from .plan import FOLDERS, ROOT, Step

LIMIT_MB = 50
DAY = (2020, 1, 1, 0, 0, 0)  # of every file in the archive, so that equal content gives equal bytes
SCRIPTS = ("README.md", "LICENSE", "data_README.md", "run.py", "requirements.txt", "constraints.txt", "pyproject.toml")
SCRIPT_FOLDERS = ("vg_helpers", "report", "tests")
SUFFIXES = {".py", ".lua", ".typ", ".bib", ".html", ".yaml", ".ipynb"}
SECRET = re.compile(
    r"(?i)(api[_-]?key|secret|token|password)\s*[=:]\s*['\"][A-Za-z0-9_\-]{16,}|wandb_v1_\w{20,}|hf_[A-Za-z]{30,}"
)


def main(argv: list[str] | None = None) -> int:
    """Write the archive that the command line asks for; return the exit code."""
    parser = argparse.ArgumentParser(prog="run.py submit", description=__doc__)
    parser.add_argument("--group", required=True, help="your group's number, such as 026")
    parser.add_argument("--profile", default="demo", help="whose report: demo (default), full or smoke")
    parser.add_argument("--build-dir", metavar="D", help="where the report is (default: report/build/PROFILE)")
    parser.add_argument("--folder", type=Path, default=ROOT, help="where the archive goes (default: the project)")
    return run(parser, submit, argv, "Stopped; nothing was packed.")


def submit(options: argparse.Namespace) -> None:
    """Write the archive and print its size; say so if the report's first page lacks names."""
    profile, build_dir = choose_folder(options)
    again = command(options, profile)
    archive = pack(options.group, build_dir, expand_home(options.folder), again)
    print(f"{os.path.relpath(archive)}: {archive.stat().st_size / 1e6:.1f} MB")
    if not is_signed(build_dir):
        names = f'-p front_matter.group={options.group} -p "front_matter.members=A, B"'
        print(f"the report's first page lacks your group or names; {again} {names} adds them", file=sys.stderr)


def is_signed(build_dir: Path) -> bool:
    """Return whether the first page of the report names the group and its members."""
    page = build_dir / ".report" / "report.typ"
    text = page.read_text(encoding="utf-8") if page.is_file() else ""
    return len(re.findall(r"(?m)^#strong\[(?:Group|Members)\] (?!#emph)", text)) == 2


def pack(group: str, build_dir: Path, folder: Path, again: str, root: Path = ROOT) -> Path:
    """Write Group_<group>_DL_Project.zip: the same bytes for the same report.

    Args:
        again: the command that makes the report.

    Raises:
        ValueError: if the report is missing or older than what it is made of, if results in it are outdated, or if the
            archive is too large or not clean.
    """
    if not re.fullmatch(r"\w+", group):
        raise ValueError(f"--group {group} must be letters and digits, such as 026")
    content = _content(build_dir, root, f"run `{again}` first")
    archive = folder / f"Group_{group}_DL_Project.zip"
    check_archive(archive)
    with atomic(archive) as part:
        with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as packed:
            for name, data in sorted(content.items()):
                packed.writestr(zipfile.ZipInfo(f"{archive.stem}/{name}", DAY), data, zipfile.ZIP_DEFLATED)
        if (size := part.stat().st_size / 1e6) > LIMIT_MB:
            raise ValueError(
                f"the archive would have {size:.0f} MB and may have {LIMIT_MB}: fewer figures or images help"
            )
    return archive


def check_archive(archive: Path) -> None:
    """Make sure that an archive can be written, and that it replaces none but an earlier one as it was packed.

    Raises:
        ValueError: if there is something else, such as an archive to which its owner added files.
        OSError: if nothing can be written there.
    """
    check_place(archive)
    if not archive.exists():
        return
    days = set()
    with suppress(zipfile.BadZipFile), zipfile.ZipFile(archive) as packed:
        days = {entry.date_time for entry in packed.infolist()}
    if days != {DAY}:
        raise ValueError(f"{archive} was changed since it was packed, or something else: move it, or give --folder")


def _content(build_dir: Path, root: Path, again: str) -> dict[str, bytes]:
    report = build_dir / "report.pdf"
    executed = sorted(path for path in build_dir.glob("[0-9]*.ipynb") if ".running" not in path.name)
    if not report.is_file() or not executed:
        raise ValueError(f"there is no report in {build_dir}: {again}")
    for stage, reason in outdated([Step(path, build_dir, {}) for path in executed]).items():
        raise ValueError(f"the results of {stage} are outdated ({reason}): {again}")
    parts = [path for path in (root / "report").glob("*.*") if path.suffix in SUFFIXES]
    sources = [*(root / "notebooks").glob("*.ipynb"), *parts, *executed]
    newer = [path.name for path in sources if path.stat().st_mtime > report.stat().st_mtime]
    if newer:
        raise ValueError(f"the report is older than {newer[0]}: {again}")
    content = {"report.pdf": report.read_bytes()}
    content |= {f"notebooks/{path.name}": _clean(path, root) for path in executed}
    files = [root / name for name in SCRIPTS if (root / name).is_file()]
    for name in SCRIPT_FOLDERS:
        files += [
            p for p in (root / name).rglob("*") if p.suffix in SUFFIXES and "build" not in p.relative_to(root).parts
        ]
    content |= {path.relative_to(root).as_posix(): path.read_bytes() for path in files}
    for name, data in content.items():
        if not name.endswith(".pdf") and SECRET.search(data.decode("utf-8", "replace")):
            raise ValueError(f"{name} seems to hold a key or password: take it out before handing in")
    return content


def _clean(notebook: Path, root: Path) -> bytes:
    """Return an executed notebook without passwords, this machine's paths, papermill's notes and progress messages."""
    content = read_notebook(notebook)
    content["metadata"].pop("papermill", None)
    for cell in content["cells"]:
        cell["metadata"].pop("papermill", None)
        if "outputs" in cell:
            cell["outputs"] = [output for output in cell["outputs"] if output["output_type"] != "stream"]
    text = without_passwords(json.dumps(content, ensure_ascii=False, indent=1))
    folders = {
        str(root): ".",
        **{os.environ[v]: n for n, v in FOLDERS.items() if os.environ.get(v)},
        str(expand_home("~")): "~",
    }
    given = re.findall(r"(?m)(data_dir|photos_dir|styles_dir) = \\\"([^\"\\]+)\\\"", text)
    for place, name in {**{place: name for name, place in given}, **folders}.items():
        text = text.replace(json.dumps(place)[1:-1], name).replace(Path(place).as_posix(), name)
    return (text + "\n").encode()


if __name__ == "__main__":
    sys.exit(main())
