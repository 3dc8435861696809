"""The `play` command: the playground as a page in the browser, served by Voilà to this machine alone."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from ..files import ROOT
from .entry import run

DESCRIPTION = "Open the playground, a page in the browser that this machine alone serves."
NOTEBOOK = ROOT / "notebooks" / "playground.ipynb"
TEMPLATES = Path(__file__).parents[1] / "playground"  # voila/templates/playground lies in it
HOST = "127.0.0.1"


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the `play` command."""
    parser = argparse.ArgumentParser(prog="run.py play", description=DESCRIPTION)
    parser.add_argument("--port", type=int, default=8866, help="the first port to try (8866)")
    parser.add_argument("--no-browser", action="store_true", help="only print the address")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve the page until Ctrl-C; return the exit code."""
    return run(build_parser(), play, arguments, stopped="Stopped.")


def play(args: argparse.Namespace) -> None:
    """Start Voilà with the playground's notebook."""
    if not 1024 <= args.port <= 65535:
        raise ValueError(f"--port {args.port} must be from 1024 to 65535")
    os.environ["JUPYTER_PATH"] = os.pathsep.join(filter(None, [str(TEMPLATES), os.environ.get("JUPYTER_PATH")]))
    from voila.app import Voila

    print(f"{announced(args)}; Ctrl-C ends it.", file=sys.stderr)
    Voila.launch_instance(settings(args), config_file_paths=[])


def announced(args: argparse.Namespace) -> str:
    """Return what will happen, without its full stop."""
    return (
        "The playground's address is below"
        if args.no_browser
        else "The playground opens in your browser, or at this address"
    )


def settings(args: argparse.Namespace) -> list[str]:
    """Return Voilà's options: this machine only, with a token, the code hidden, no errors' details on the page."""
    return [
        str(NOTEBOOK),
        f"--Voila.ip={HOST}",
        f"--port={args.port}",
        f"--Voila.open_browser={not args.no_browser}",
        "--Voila.auto_token=True",
        "--Voila.log_level=INFO",  # which prints the address
        "--VoilaConfiguration.template=playground",
        "--VoilaConfiguration.allow_template_override=NO",
        "--VoilaConfiguration.allow_theme_override=NO",
        "--VoilaConfiguration.strip_sources=True",
    ]


if __name__ == "__main__":
    sys.exit(main())
