"""Every epoch and trial on record: a local JSON-lines file first, Weights & Biases beside it.

Convention: the local file is the record, because W&B's own file is written late and does not survive a kill. W&B runs
offline unless the user has configured a key (`wandb login` or WANDB_API_KEY); no key is written to a file here.
WANDB_MODE and WANDB_DISABLED are respected.
"""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from netrc import NetrcParseError, netrc
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pandas as pd
from tqdm.auto import tqdm

from .files import fingerprint, write_text

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
        lines = [json.dumps(row, sort_keys=True) for row in read_rows(self.path)]
        write_text(self.path, "".join(line + "\n" for line in lines))  # without a line that a kill cut off
        self.logged = set(lines)
        self.group, self.on_problem = group, on_problem  # gets one sentence on why W&B is not online
        self.wanted = wandb_mode() if use_wandb else "off"
        self.run = self._start(config) if self.wanted in ("online", "offline") else None

    def _start(self, config: dict[str, Any]) -> Any:
        """Return W&B's run: offline if online fails, None if offline fails too. Training continues in any case."""
        for mode in ("online", "offline") if self.wanted == "online" else ("offline",):
            try:
                return _start_wandb(self.path.parent, self.path.stem, self.group, config, mode)
            except Exception as error:  # a wrong key, no network, no disk space: W&B raises many kinds
                reason = str(error).strip().split("\n")[0] or type(error).__name__
                self.on_problem(f"Weights & Biases could not be started {mode} ({reason}); the local record is kept.")
        return None

    @property
    def mode(self) -> str:
        """How W&B logs these rows: "online", "offline", or not at all ("disabled" by the environment, or "off")."""
        if self.run is None:
            return "disabled" if self.wanted == "disabled" else "off"
        return "offline" if self.run.offline else "online"

    def log(self, row: dict[str, Any]) -> None:
        """Append a row, unless it is there already (a resumed run reports its earlier epochs again)."""
        line = json.dumps(row, sort_keys=True)
        if line in self.logged:
            return
        self.logged.add(line)
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
        """Return the run's rows from W&B's API if it is online and complete, else from the local record.

        W&B continues the run of a build folder that was deleted, so the last rows there are those of this record.
        """
        local = read_rows(self.path)
        if self.mode != "online" or not local:
            return local
        try:
            import wandb

            remote = wandb.Api().run(self.run.path).scan_history()
            remote = [{key: row[key] for key in local[0] if key in row} for row in remote]
        except Exception as error:  # no network, a wrong key, a deleted run: W&B raises many kinds
            self.on_problem(f"Weights & Biases could not be read ({error}); the local record is used.")
            return local
        return remote[-len(local) :] if len(remote) >= len(local) else local  # W&B has not received everything yet


@contextmanager
def tracked(
    task: Any,
    part: str,
    config: dict[str, Any],
    total: int,
    use_wandb: bool = True,
    on_problem: Callable[[str], None] = print,
) -> Iterator[tuple[Tracker, tqdm]]:
    """Yield the tracker and the progress bar of one part of a task, "search" or "final".

    A run's name, and its id in W&B, change with the task and its config, so that a repeated run continues its record.

    Args:
        task: has `key`, `folder`, `title` and `facts`, such as the network, which become part of the config.
        total: pictures that the part processes.
    """
    config = {**task.facts, **config}
    run = f"{task.facts['network']}-{part}-{fingerprint(task.key, config)}"
    label = {"search": "search", "final": "training"}[part]
    with (
        tqdm(total=total, desc=f"{task.title}: {label}", unit=" pictures") as bar,
        Tracker(task.folder / "log", run, part, config, use_wandb, on_problem) as tracker,
    ):
        yield tracker, bar


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a record, without a line that was cut off or damaged; none if there is no such file."""
    rows = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []:
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            print(f"{path.name}: a line that was cut off is left out")
    return rows


def trial_values_from_log(trials: pd.DataFrame, rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Return a study's trials with the validation AUC of the tracker's rows: the best, or the last of a pruned trial.

    A column `se` gets its standard error.

    Args:
        trials: columns number, value, state; a trial without rows keeps its value.
    """
    trials = trials.assign(se=float("nan"))
    logged = pd.DataFrame(rows, columns=["trial", "epoch", "val_auc", "val_auc_se"]).sort_values("epoch")
    for place, number, state in zip(trials.index, trials["number"], trials["state"], strict=True):
        epochs = logged[logged["trial"] == number]
        if len(epochs):
            row = epochs.loc[epochs["val_auc"].idxmax()] if state == "COMPLETE" else epochs.iloc[-1]
            trials.loc[place, ["value", "se"]] = row[["val_auc", "val_auc_se"]].to_numpy(float)
    return trials


def wandb_mode() -> str:
    """Return how W&B is to log, by the user's environment: "online", "offline" or "disabled"."""
    mode = os.environ.get("WANDB_MODE", "").strip().lower()
    if mode == "disabled" or os.environ.get("WANDB_DISABLED", "").strip().lower() in ("1", "true", "yes", "on"):
        return "disabled"
    return "online" if mode in ("", "online", "run", "shared") and _has_key() else "offline"


def _has_key() -> bool:
    """Return whether the user has configured a key, in the environment or in the netrc file that W&B reads."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    hosts = _netrc_hosts()
    if any("wandb" in host for host in hosts):
        return True
    return bool(hosts) and not hosts.isdisjoint(_server_names())


def _netrc_hosts() -> set[str]:
    place = os.environ.get("NETRC")
    for path in [place] if place else ["~/.netrc", "~/_netrc"]:
        try:
            return set(netrc(os.path.expanduser(path)).hosts)
        except (OSError, ValueError, NetrcParseError):  # missing, a folder, no UTF-8, no netrc file: no key for us
            continue
    return set()


def _server_names() -> set[str | None]:
    """Return the host of the user's own W&B server, with and without its port."""
    try:
        import wandb

        server = urlsplit(os.environ.get("WANDB_BASE_URL") or wandb.setup().settings.base_url)
        return {server.netloc, server.hostname}
    except Exception:  # an address or settings that W&B cannot read: it raises many kinds; then there is no server
        return set()


def _start_wandb(folder: Path, run: str, group: str, config: dict[str, Any], mode: str) -> Any:
    import wandb

    # An offline run gets a new file each time and cannot be continued there; W&B continues an online one by its id.
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
