"""Every epoch and trial on record: a local JSON-lines file first, Weights & Biases beside it.

Convention: the local file is the record, for W&B's own file is written late and does not survive a kill. W&B runs
offline unless the user's own key is configured (`wandb login` or WANDB_API_KEY); no key is written to a file here.
"""

import json
import os
from contextlib import AbstractContextManager
from netrc import NetrcParseError, netrc
from pathlib import Path
from typing import Any

import pandas as pd

from .artifacts import write_text

PROJECT = "van-gogh-style-transfer"


class Tracker(AbstractContextManager):
    """Rows of one run, appended to `<folder>/<run>.jsonl` and logged to W&B under the same name."""

    def __init__(self, folder: Path, run: str, group: str, config: dict[str, Any], use_wandb: bool = True) -> None:
        self.path = Path(folder, f"{run}.jsonl")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        kept = [json.dumps(row, sort_keys=True) for row in read_rows(self.path)]
        write_text(self.path, "".join(line + "\n" for line in kept))  # without a line that a kill cut off
        self.seen = set(kept)
        self.run = _start_wandb(self.path.parent, run, group, config) if use_wandb else None

    def log(self, row: dict[str, Any]) -> None:
        """Append a row, unless it is there already (a resumed run reports its earlier epochs again)."""
        line = json.dumps(row, sort_keys=True)
        if line in self.seen:
            return
        self.seen.add(line)
        with self.path.open("a", encoding="utf-8", newline="\n") as stream:
            stream.write(line + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        if self.run:
            self.run.log(row)

    def __exit__(self, *_: object) -> None:
        if self.run:
            self.run.finish()


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a JSON-lines file; a last line that a kill cut off is left out."""
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            print(f"{path.name}: a line that was cut off is left out")
    return rows


def history(folder: Path) -> pd.DataFrame:
    """Return all rows of a folder's records, with the run's name in column `run`."""
    return pd.DataFrame(
        [{"run": path.stem, **row} for path in sorted(folder.glob("*.jsonl")) for row in read_rows(path)]
    )


def is_online() -> bool:
    """Return whether the user has configured a W&B key and has not asked for offline mode."""
    if os.environ.get("WANDB_MODE", "online") != "online":
        return False
    if os.environ.get("WANDB_API_KEY"):
        return True
    try:
        return any("wandb" in host for host in netrc().hosts)
    except (FileNotFoundError, NetrcParseError):
        return False


def _start_wandb(folder: Path, run: str, group: str, config: dict[str, Any]) -> Any:
    import wandb

    # Offline runs get a new file each time, so a resumed one cannot be continued there; online W&B goes on by id.
    settings = wandb.Settings(silent=True, console="off", x_disable_stats=True, quiet=True)
    return wandb.init(
        project=PROJECT,
        name=run,
        id=f"{group}-{run}" if is_online() else None,
        resume="allow" if is_online() else None,
        group=group,
        config=config,
        dir=folder,
        mode="online" if is_online() else "offline",
        settings=settings,
    )
