"""The entry command: one installation per change of requirements, clear sentences, exit codes that arrive."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import run

ROOT = Path(run.__file__).parent
SHOW_STATE = "import run; run.start([run.sys.executable, '-c', {!r}], run.ROOT)"


@pytest.fixture
def calls():
    return []


@pytest.fixture
def project(tmp_path, monkeypatch, calls):
    """A project folder whose installation steps only write down that they were called."""
    (tmp_path / "requirements.txt").write_text("torch>=2.11\ntorchvision>=0.26\ntqdm\n")
    venv = tmp_path / ".venv"

    def make_venv():
        calls.append("venv")
        (venv / "bin").mkdir(parents=True, exist_ok=True)
        (venv / "bin" / "python").touch()

    monkeypatch.setattr(run, "ROOT", tmp_path)
    monkeypatch.setattr(run, "VENV", venv)
    monkeypatch.setattr(run, "STAMP", venv / "installed.json")
    monkeypatch.setattr(run, "PYTHON", venv / "bin" / "python")
    monkeypatch.setattr(run, "make_venv", make_venv)
    monkeypatch.setattr(run, "pip", lambda arguments: calls.append(arguments))
    monkeypatch.setattr(run, "link", lambda: calls.append("link"))
    return tmp_path


def called(calls):
    """Return the steps that one more start takes."""
    calls.clear()
    run.ensure(None)
    return ["pip" if isinstance(call, list) else call for call in calls]


def test_installs_once_per_change_of_requirements(project, calls):
    assert called(calls) == ["venv", "pip", "link"]
    assert called(calls) == []
    (project / "requirements.txt").write_text("torch>=2.12\n")
    assert called(calls) == ["pip", "link"]
    assert called(calls) == []


@pytest.mark.parametrize("first", [True, False])
def test_an_interrupted_installation_is_begun_anew(project, calls, monkeypatch, first):
    if not first:
        run.ensure(None)
        (project / "requirements.txt").write_text("torch>=2.12\n")

    def killed(arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(run, "pip", killed)
        run.ensure(None)
    assert called(calls) == ["venv", "pip", "link"]


def test_torch_index_is_used_once_and_remembered(project, calls):
    run.ensure(None)
    calls.clear()
    run.ensure("https://index.example/cu130")
    assert calls[0][:2] == ["--index-url", "https://index.example/cu130"]
    assert calls[0][-2:] == ["torch>=2.11", "torchvision>=0.26"]
    assert called(calls) == []
    assert json.loads(run.STAMP.read_text())["torch_index"] == "https://index.example/cu130"


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "disk is full"),
        ("WARNING: Retrying: NewConnectionError('...')\nERROR: No matching distribution found for torch", "network"),
        ("ERROR: No matching distribution found for torch>=2.11", "no fitting version"),
        ("PermissionError: [Errno 13] Permission denied: '/x'", "may not be written"),
        ("some words\nERROR: odd thing", "odd thing"),
        ("", "no reason given"),
    ],
)
def test_a_failed_installation_is_one_sentence(output, words):
    sentence = run.cause_of(output)
    assert words in sentence and "\n" not in sentence


def test_pip_failure_keeps_its_reason(tmp_path, monkeypatch):
    monkeypatch.setattr(run, "PYTHON", sys.executable)
    with pytest.raises(run.InstallError, match="cannot be installed"):
        run.pip([str(tmp_path / "nothing-here.whl")])


def test_an_old_python_or_one_without_venv_is_told(project, monkeypatch, capsys):
    monkeypatch.setattr(run.sys, "version_info", (3, 9, 1))
    assert run.main(["test"]) == 2
    assert "3.11 or newer" in capsys.readouterr().err
    monkeypatch.undo()
    monkeypatch.setattr(run.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(run.InstallError, match="no venv module"):
        run.make_venv()


def test_arguments_reach_the_task():
    assert run.parse(["report", "-p", "a.b=1", "--help"]) == ("report", None, ["-p", "a.b=1", "--help"])
    assert run.parse(["report", "--torch-index", "https://x/y", "--force"]) == ("report", "https://x/y", ["--force"])
    assert run.parse(["--torch-index=https://x/y", "test"]) == ("test", "https://x/y", [])
    assert run.parse([])[0] is run.parse(["--help"])[0] is None
    with pytest.raises(run.InstallError, match="did you mean report"):
        run.parse(["reprot"])
    with pytest.raises(run.InstallError, match="address"):
        run.parse(["report", "--torch-index"])


def test_help_needs_no_environment_and_no_second():
    started = time.perf_counter()
    done = subprocess.run([sys.executable, "-S", "run.py", "--help"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and all(f"run.py {task} " in done.stdout for task in run.TASKS)
    assert time.perf_counter() - started < 1


def test_exit_codes_and_signals_arrive():
    code = SHOW_STATE.format("import sys; sys.exit(7)")
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 7


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_a_kill_reaches_the_task_itself():
    code = SHOW_STATE.format("import time; print('up', flush=True); time.sleep(60)")
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "up\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == -signal.SIGTERM


def test_link_makes_the_project_importable_from_a_moved_folder(tmp_path):
    project = tmp_path / "größe"
    project.mkdir()
    (project / "run.py").write_bytes((ROOT / "run.py").read_bytes())
    (project / "vg_helpers.py").write_text("place = 'here'")
    make = "import run, venv; venv.create(run.VENV, with_pip=False, symlinks=run.os.name != 'nt'); run.link()"
    subprocess.run([sys.executable, "-c", make], cwd=project, check=True)
    moved = project.rename(tmp_path / "moved")
    python = next(p for p in (moved / ".venv/bin/python", moved / ".venv/Scripts/python.exe") if p.exists())
    show = [python, "-c", "import vg_helpers; print(vg_helpers.place)"]
    assert subprocess.run(show, cwd=tmp_path, capture_output=True, text=True).stdout == "here\n"
