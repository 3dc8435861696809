"""merge, and predict by shards: torchrun's processes, killed and restarted, end as one process does."""

import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from stand_ins import blotches

from vg_helpers.classify.answers import Answer
from vg_helpers.commands import merge, predict
from vg_helpers.commands.predict import Trained
from vg_helpers.commands.shards import Part, Shard
from vg_helpers.files import ROOT, read_csv

# A classifier that answers at once; a process of torchrun kills itself, once each time that torchrun starts it.
SCRIPT = """
import os, signal, sys
from test_merge import answer, trained
from vg_helpers.commands import shards
from vg_helpers.commands import predict
shards.CHUNK_SECONDS = 0.0
attempt, rank = int(os.environ["TORCHELASTIC_RESTART_COUNT"]), int(os.environ["RANK"])
left = [3 + attempt if rank == (attempt + 1) % 2 and attempt < 2 else 10**9]

def answer_or_die(images):
    left[0] -= 1
    if left[0] < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return answer(images)

predict.load_trained = lambda options: trained(answer_or_die)
sys.exit(predict.main(sys.argv[1:]))
"""


def answer(images):
    # rounded, because other numbers of threads add up in another order
    return [Answer(round(float(image.mean()), 4), 0.25, float("nan"), "other", True, ("a, b.jpg",)) for image in images]


def trained(function=answer):
    import torch

    return Trained(function, torch.device("cpu"), 2, facts={"threshold": 0.5})


@pytest.fixture
def pictures(tmp_path, monkeypatch):
    """A folder with 37 small pictures and a text, and a classifier that answers at once."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(37):
        Image.fromarray(blotches(number, (40, 30))).save(folder / f"{number:02}.jpg")
    (folder / "20,x.jpg").write_text("no picture", encoding="utf-8")
    monkeypatch.setattr(predict, "load_trained", lambda options: trained())
    return folder


def by_one_process(pictures, out):
    assert predict.main([str(pictures), "--out", str(out)]) == 1
    return out.read_bytes()


def test_shards_merge_into_what_one_process_writes(pictures, tmp_path, capsys):
    expected = by_one_process(pictures, tmp_path / "alone.csv")
    lines = capsys.readouterr().out.splitlines()
    for number in (2, 3):
        assert predict.main([str(pictures), "--out", str(tmp_path / "parts"), "--shard", f"{number}/3"]) == 0
    assert merge.main([str(tmp_path / "parts")]) == 2
    assert "parts lacks 1 of 3 parts (1): run their shards again" in capsys.readouterr().err
    assert predict.main([str(pictures), "--shard", "1/3"]) == 0  # without --out: its lines alone
    assert capsys.readouterr().out.splitlines() == lines[::3]
    predict.main([str(pictures), "--out", str(tmp_path / "parts"), "--shard", "1/3"])
    assert merge.main([str(tmp_path / "parts")]) == 1  # as one of the files is no picture
    assert "answers.csv: 38 rows, 1 of them with an error" in capsys.readouterr().out
    assert (tmp_path / "parts" / "answers.csv").read_bytes() == expected


def test_one_process_too_may_write_a_part_and_goes_on_after_a_kill(pictures, tmp_path, monkeypatch):
    expected = by_one_process(pictures, tmp_path / "alone.csv")
    seen = []

    def killed(images):
        seen.append(images)
        if len(seen) == 4:
            raise KeyboardInterrupt
        return answer(images)

    monkeypatch.setattr(predict, "load_trained", lambda options: trained(killed))
    command = [str(pictures), "--out", str(tmp_path / "parts")]
    assert predict.main(command) == 130
    assert predict.main(command) == 0
    assert len(seen) < 4 + 38 / 4  # three batches are not judged again
    assert merge.main([str(tmp_path / "parts"), "--out", str(tmp_path / "all.csv")]) == 1
    assert (tmp_path / "all.csv").read_bytes() == expected


def test_lists_and_tables_name_the_same_pictures(pictures, tmp_path):
    expected = by_one_process(pictures, tmp_path / "alone.csv")
    files = [str(path) for path in predict.pictures_of(str(pictures))]
    (tmp_path / "list.txt").write_text("\n".join(files), encoding="utf-8")
    assert by_one_process(tmp_path / "list.txt", tmp_path / "b.csv") == expected
    assert by_one_process(tmp_path / "alone.csv", tmp_path / "c.csv") == expected  # its column `file`


def batches_of(pictures):
    files = [str(path) for path in predict.pictures_of(str(pictures))]
    return {"path": np.array(files, dtype=object), "title": np.arange(len(files))}


def test_batches_of_other_engines_get_the_columns_of_the_table(pictures, tmp_path):
    by_one_process(pictures, tmp_path / "alone.csv")
    table, batch = read_csv(tmp_path / "alone.csv"), batches_of(pictures)
    judged = predict.Judge("--profile", "full")(batch)
    assert list(judged) == ["path", "title", *predict.COLUMNS[1:]] and "answer" not in batch
    np.testing.assert_array_equal(judged["p_van_gogh"], table.p_van_gogh.to_numpy())
    assert (
        judged["error"].tolist() == table.error.tolist()
        and judged["answer"].tolist() == table.answer.fillna("").tolist()
    )


def test_ray_maps_batches_with_the_judge(pictures, tmp_path, monkeypatch):
    ray = pytest.importorskip("ray")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, (ROOT, ROOT / "tests", ROOT / "tests" / "commands"))))
    ray.init(num_cpus=2, include_dashboard=False)
    try:
        rows = ray.data.from_items([{"path": str(path)} for path in predict.pictures_of(str(pictures))])
        judged = rows.map_batches(StandInJudge, batch_size=8, concurrency=2).take_all()
    finally:
        ray.shutdown()
    by_one_process(pictures, tmp_path / "alone.csv")
    expected = read_csv(tmp_path / "alone.csv").set_index("file").p_van_gogh
    assert len(judged) == 38 and all(row["p_van_gogh"] == expected[row["path"]] or row["error"] for row in judged)


class StandInJudge(predict.Judge):
    """Judge in the processes of Ray, which know nothing of a test's fixtures."""

    def __init__(self):
        self.trained = trained()


@pytest.mark.skipif(os.name == "nt", reason="kills with a signal")
def test_processes_of_torchrun_that_are_killed_end_as_one(pictures, tmp_path, monkeypatch, capsys):
    expected = by_one_process(pictures, tmp_path / "alone.csv")
    (tmp_path / "script.py").write_text(SCRIPT, encoding="utf-8")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [*torchrun, "--max-restarts", "3", tmp_path / "script.py", pictures, "--out", tmp_path / "parts"]
    paths = os.pathsep.join(map(str, (ROOT, ROOT / "tests", ROOT / "tests" / "commands")))
    environment = os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stderr.count("exitcode: -9") >= 1  # the second is spared if it has nothing left to judge by then
    assert merge.main([str(tmp_path / "parts")]) == 1
    assert (tmp_path / "parts" / "answers.csv").read_bytes() == expected


def test_wrong_places_are_named_before_any_work(pictures, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(predict, "load_trained", lambda _: pytest.fail("half a minute for nothing"))
    (tmp_path / "text").write_text("in the way", encoding="utf-8")
    for arguments, sentence in (
        (["--out", "a.csv", "--shard", "1/2"], "a.csv must be a folder, in which each process writes a part"),
        (["--out", str(tmp_path / "text")], "text"),
        (["--shard", "3/2"], "--shard 3/2 must be like 3/16"),
    ):
        assert predict.main([str(pictures), *arguments]) == 2
        error = capsys.readouterr().err
        assert error.startswith("error: ") and sentence in error and error.count("\n") == 1
    assert merge.main([str(tmp_path), "--out", "a.txt"]) == 2
    assert "--out a.txt must end in .csv or .parquet" in capsys.readouterr().err


def test_parts_are_not_written_among_the_pictures(pictures, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(pictures)
    for files in ([str(pictures)], ["."], ["00.jpg"], ["*.jpg"], [f"{pictures}/**/*.jpg"]):
        assert predict.main([*files, "--out", str(pictures)]) == 2
        assert "pictures is a folder of pictures to read; name another" in capsys.readouterr().err
    assert len(list(pictures.iterdir())) == 38
    (pictures / "list.txt").write_text("00.jpg\n", encoding="utf-8")
    assert predict.main(["list.txt", "--out", str(tmp_path / "parts")]) == 0


def test_merge_replaces_nothing_but_its_own_tables(pictures, tmp_path, monkeypatch, capsys):
    parts = tmp_path / "parts"
    predict.main([str(pictures), "--out", str(parts)])
    (parts / "notes.csv").write_text("mine\n", encoding="utf-8")
    (parts / "notes.parquet").write_bytes(b"PAR1 mine PAR1")
    before = {path: path.read_bytes() for path in parts.iterdir()}
    for name, sentence in (
        ("part-1-of-1.csv", "part-1-of-1.csv is the name of a part; give another name"),
        ("part-2-of-2.csv", "part-2-of-2.csv is the name of a part"),
        ("notes.csv", "notes.csv holds something else; give another name"),
        ("notes.parquet", "notes.parquet holds something else"),
    ):
        assert merge.main([str(parts), "--out", str(parts / name)]) == 2
        assert sentence in capsys.readouterr().err
    assert {path: path.read_bytes() for path in parts.iterdir()} == before
    assert merge.main([str(parts)]) == merge.main([str(parts)]) == 1


def test_merge_without_parts_makes_nothing(pictures, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert merge.main(["nofolder"]) == 2 and "nofolder holds no parts" in capsys.readouterr().err
    assert merge.main(["nofolder", "--out", "new/a.csv"]) == 2 and list(tmp_path.iterdir()) == [pictures]
    for options in ([], ["--out", "new/a.csv"]):
        assert merge.main(["pictures/00.jpg", *options]) == 2
        assert "pictures/00.jpg is a file: name the folder that --out of" in capsys.readouterr().err


def small_part(folder):
    part = Part(folder, Shard(), predict.COLUMNS, {"total": 2})
    part.add({"file": "a,\n“b”.jpg", "p_van_gogh": 0.125, "p_low": float("nan"), "answer": "other", "unfamiliar": True})
    part.add({"file": "001", "error": "no picture"})
    part.finish()


def test_parquet(tmp_path):
    pytest.importorskip("pyarrow")
    import pandas as pd

    small_part(tmp_path)
    assert merge.main([str(tmp_path), "--out", str(tmp_path / "all.parquet")]) == 1
    frame = pd.read_parquet(tmp_path / "all.parquet")
    assert frame.file.tolist() == ["a,\n“b”.jpg", "001"] and frame.error.tolist() == ["", "no picture"]
    assert frame.p_van_gogh[0] == 0.125 and frame.p_van_gogh.isna()[1] and frame.p_low.isna().all()
    assert frame.unfamiliar.tolist() == ["True", ""] and list(frame) == predict.COLUMNS
    assert not list(tmp_path.glob("*all*.csv"))
    assert merge.main([str(tmp_path), "--out", str(tmp_path / "all.parquet")]) == 1  # its own file is replaced


def test_parquet_without_pyarrow_is_one_sentence_and_leaves_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    small_part(tmp_path)
    before = sorted(tmp_path.iterdir())
    assert merge.main([str(tmp_path), "--out", str(tmp_path / "all.parquet")]) == 2
    assert "a .parquet file needs pyarrow" in capsys.readouterr().err and sorted(tmp_path.iterdir()) == before
