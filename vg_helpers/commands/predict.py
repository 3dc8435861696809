"""The `predict` command: P(van_gogh) and the decision for pictures that the classifier has never seen."""

import argparse
import sys
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from ..classify.judge import judge
from ..data.views import EVAL_VIEWS
from ..device import pick_device
from ..files import read_json, write_csv
from ..images import list_images
from ..models.classifier import load_classifier, load_textured
from ..models.layers import TITLES

BUILD = Path(__file__).parents[2] / "report" / "build"


def find_model(network: str, profile: str | None) -> tuple[Path, float, int]:
    """Return the trained network's file, the threshold, and how many views the threshold was chosen by.

    Of the named profile, else of the newest run. Where the file of a texture head is beside it, the threshold is theirs
    together.

    Raises:
        ValueError: if no run has trained one.
    """
    found = sorted(BUILD.glob(f"{profile or '*'}/02_classify/{network}.pt"), key=lambda path: path.stat().st_mtime)
    found = [path for path in found if path.with_name("metrics.json").is_file()]
    if not found:
        raise ValueError(f"no trained {TITLES[network]} under {BUILD}: run `python3 run.py report` first")
    name = f"{network}_with_texture" if _head_of(found[-1]) else network
    chosen = read_json(found[-1].with_name("metrics.json"))[name]
    return found[-1], chosen["threshold"], chosen.get("views", EVAL_VIEWS)


def _head_of(path: Path) -> Path | None:
    """Return the file of the texture head beside a network's, if the run came to its end and gave it a threshold."""
    head = path.with_name(f"{path.stem}_texture.pt")
    known = head.is_file() and f"{path.stem}_with_texture" in read_json(path.with_name("metrics.json"))
    return head if known else None


def predict_files(names: list[str], network: str, profile: str | None = None, device: str = "auto") -> pd.DataFrame:
    """Return one row per picture: file, p_van_gogh, decision, error; folders stand for the pictures in them."""
    path, threshold, views = find_model(network, profile)
    sources = path.parents[1] / "01_data" / "sources.json"
    if sources.is_file() and read_json(sources)["is_demo"]:
        print(
            "Note: this classifier was trained on procedural demo paintings; it knows no real Van Gogh.",
            file=sys.stderr,
        )
    chosen, model = pick_device(device), load_classifier(path)
    if head := _head_of(path):
        model = load_textured(head, model)
    files: list[Path] = []
    for name in names:
        files += list_images(Path(name)) if Path(name).is_dir() else [Path(name)]
    rows = []
    for file in tqdm(files, desc=f"{TITLES[network]} judges", disable=len(files) < 5):
        row = {"file": str(file), "p_van_gogh": float("nan"), "decision": "", "error": ""}
        try:
            row["p_van_gogh"] = float(judge(model, [file], chosen, views=views)[0])
            row["decision"] = "van_gogh" if row["p_van_gogh"] >= threshold else "other"
        except ValueError as error:
            row["error"] = str(error)
        rows.append(row)
    return pd.DataFrame(rows)


def main(arguments: list[str] | None = None) -> int:
    """Print a line per picture; 0 when all could be judged, 1 when some could not, 2 for wrong use."""
    parser = argparse.ArgumentParser(prog="run.py predict", description=__doc__)
    parser.add_argument("files", nargs="+", metavar="FILE", help="pictures, or folders of pictures")
    parser.add_argument("--model", choices=sorted(TITLES), default="vgg19")
    parser.add_argument("--profile", help="whose classifier to take; the newest where it is left out")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--out", type=Path, help="write the rows to this CSV file too")
    options = parser.parse_args(arguments)
    try:
        frame = predict_files(options.files, options.model, options.profile, options.device)
        if options.out:
            write_csv(options.out, frame)
    except (ValueError, OSError) as error:
        print(f"predict: {error}", file=sys.stderr)
        return 2
    for row in frame.itertuples():
        print(f"{row.file}: {row.error}" if row.error else f"{row.file}: P = {row.p_van_gogh:.3f}  {row.decision}")
    return int(frame.error.ne("").any())


if __name__ == "__main__":
    sys.exit(main())
