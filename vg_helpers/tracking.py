"""Every epoch and trial on record: a local JSON-lines file first, Weights & Biases beside it.

Convention: the local file is the record, for W&B's own file is written late and does not survive a kill. W&B runs
offline unless the user's own key is configured (`wandb login` or WANDB_API_KEY); no key is written to a file here.
"""

import json
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from netrc import NetrcParseError, netrc
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pandas as pd

from .files import write_text

PROJECT = "van-gogh-style-transfer"


class Tracker(AbstractContextManager):
    """Rows of one run, appended to `<folder>/<run>.jsonl` and logged to W&B under the same name."""

    def __init__(
        self,
        folder: Path,
        run: str,
        group: str,
        config: dict[str, Any],
        use_wandb: bool = True,
        on_problem: Callable[[str], None] = print,
    ) -> None:
        self.path = Path(folder, f"{run}.jsonl")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        kept = [json.dumps(row, sort_keys=True) for row in read_rows(self.path)]
        write_text(self.path, "".join(line + "\n" for line in kept))  # without a line that a kill cut off
        self.seen = set(kept)
        self.group, self.on_problem = group, on_problem  # told in one sentence why W&B is not online
        self.run = self._start(config) if use_wandb else None

    def _start(self, config: dict[str, Any]) -> Any:
        """Return W&B's run, offline where online fails, None where offline fails too: training goes on regardless."""
        for mode in ("online", "offline") if is_online() else ("offline",):
            try:
                return _start_wandb(self.path.parent, self.path.stem, self.group, config, mode)
            except Exception as error:  # a wrong key, no network, no disk space: W&B raises many kinds
                reason = str(error).strip().split("\n")[0] or type(error).__name__
                self.on_problem(f"Weights & Biases could not be started {mode} ({reason}); the local record is kept.")
        return None

    @property
    def mode(self) -> str:
        """How W&B logs these rows: "online", "offline", or not at all: "off"."""
        return "off" if self.run is None else "offline" if self.run.offline else "online"

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

    def rows(self) -> list[dict[str, Any]]:
        """Return the run's rows as W&B's API has them when it is online, else from the local record, which is whole.

        W&B goes on with the run of a build folder that was deleted, so its last rows are this record's.
        """
        local = read_rows(self.path)
        if self.mode != "online" or not local:
            return local
        try:
            import wandb

            told = wandb.Api().run(self.run.path).scan_history()
            told = [{key: row[key] for key in local[0] if key in row} for row in told]
        except Exception as error:
            self.on_problem(f"Weights & Biases could not be asked ({error}); the local record is drawn.")
            return local
        return told[-len(local) :] if len(told) >= len(local) else local  # W&B has not taken in everything yet


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


def told_values(trials: pd.DataFrame, rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Return a study's trials with the validation AUC taken from the tracker's rows: the best, or a pruned one's last.

    Args:
        trials: columns number, value, state; a trial of which no row tells keeps its value.
    """
    if not rows:
        return trials
    told = pd.DataFrame(rows).sort_values("epoch").groupby("trial")["val_auc"].agg(["max", "last"])
    told = told.reindex(trials["number"]).set_axis(trials.index)
    values = told["max"].where(trials["state"] == "COMPLETE", told["last"])
    return trials.assign(value=values.fillna(trials["value"]))


def is_online() -> bool:
    """Return whether the user has configured a W&B key and has not asked for offline mode."""
    if os.environ.get("WANDB_MODE", "online") != "online":
        return False
    if os.environ.get("WANDB_API_KEY"):
        return True
    try:
        hosts = set(netrc().hosts)
    except (FileNotFoundError, NetrcParseError):
        return False
    if any("wandb" in host for host in hosts):
        return True
    import wandb

    return urlsplit(wandb.Settings().base_url).hostname in hosts


def _start_wandb(folder: Path, run: str, group: str, config: dict[str, Any], mode: str) -> Any:
    import wandb

    # Offline runs get a new file each time, so a resumed one cannot be continued there; online W&B goes on by id.
    settings = wandb.Settings(silent=True, console="off", x_disable_stats=True, quiet=True, init_timeout=30)
    return wandb.init(
        project=PROJECT,
        name=run,
        id=f"{group}-{run}" if mode == "online" else None,
        resume="allow" if mode == "online" else None,
        group=group,
        config=config,
        dir=folder,
        mode=mode,
        settings=settings,
    )
