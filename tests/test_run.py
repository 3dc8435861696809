"""The entry command: one installation per change of requirements, clear sentences, exit codes that arrive."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import run
import vg_helpers

ROOT = Path(run.__file__).parent
SHOW_STATE = "import run; run.start([run.sys.executable, '-c', {!r}], run.ROOT)"


@pytest.fixture
def calls():
    return []


@pytest.fixture
def project(tmp_path, monkeypatch, calls):
    """A project folder whose installation steps only write down that they were called."""
    root = tmp_path / "project"
    root.mkdir()
    (root / "requirements.txt").write_text("torch>=2.11\ntorchvision>=0.26\ntqdm\n")
    (root / "constraints.txt").write_text("torch==2.14.1\ntorchvision==0.29.1\ntqdm==4.70.1\n")
    venv = root / ".venv"

    class Builder:
        def __init__(self, **options):
            assert not options.get("clear")

        def create(self, folder):
            calls.append("venv")
            (folder / "bin").mkdir(parents=True, exist_ok=True)
            (folder / "bin" / "python").touch()
            (folder / "pyvenv.cfg").write_text(f"home = /usr/bin\nversion = {run.this_python()}.7\n")

    monkeypatch.setattr(run, "ROOT", root)
    monkeypatch.setattr(run, "VENV", venv)
    monkeypatch.setattr(run, "STAMP", venv / "installed.json")
    monkeypatch.setattr(run, "PYTHON", venv / "bin" / "python")
    monkeypatch.setattr("venv.EnvBuilder", Builder)
    monkeypatch.setattr(run, "pip", lambda arguments: calls.append(arguments))
    monkeypatch.setattr(run, "link", lambda: calls.append("link"))
    return root


def called(calls, **options):
    """Return the steps that one more start takes."""
    calls.clear()
    run.ensure(**options)
    return ["pip" if isinstance(call, list) else call for call in calls]


def test_installs_once_per_change_of_requirements(project, calls):
    assert called(calls) == ["venv", "pip", "link"]
    assert called(calls) == []
    (project / "requirements.txt").write_text("torch>=2.12\n")
    assert called(calls) == ["pip", "link"]
    assert called(calls) == []


@pytest.mark.parametrize("first", [True, False])
def test_an_interrupted_installation_starts_again(project, calls, monkeypatch, first):
    if not first:
        run.ensure()
        (project / "requirements.txt").write_text("torch>=2.12\n")

    def killed(arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(run, "pip", killed)
        run.ensure()
    assert called(calls) == ["venv", "pip", "link"]


def test_torch_index_is_used_once_and_remembered(project, calls):
    run.ensure()
    calls.clear()
    run.ensure("https://index.example/cu130")
    assert calls[0][:2] == ["--index-url", "https://index.example/cu130"]
    assert calls[0][-2:] == ["torch==2.14.1", "torchvision==0.29.1"]
    assert called(calls) == []
    assert json.loads(run.STAMP.read_text())["torch_index"] == "https://index.example/cu130"


def test_tested_versions_are_left_when_the_index_lacks_one(project, calls, monkeypatch, capsys):
    def lacking(arguments):
        calls.append(arguments)
        if "-c" in arguments:
            raise run.NoVersionError("ERROR: Could not find a version that satisfies the requirement tqdm==4.70.1")

    monkeypatch.setattr(run, "pip", lacking)
    run.ensure()
    assert [("-c" in call) for call in calls if isinstance(call, list)] == [True, False]
    assert "tested version of tqdm is not available" in capsys.readouterr().err
    assert called(calls) == []
    (project / "requirements.txt").write_text("tqdm>=4\n")
    run.ensure()
    assert not any("-c" in call for call in calls)


def test_latest_asks_for_no_tested_version_and_fresh_does_again(project, calls):
    run.ensure()
    assert called(calls, latest=True) == ["pip", "link"]
    assert calls[0][-1] == "--upgrade" and "-c" not in calls[0]
    assert called(calls) == []
    assert called(calls, fresh=True) == ["venv", "pip", "link"]
    assert "-c" in calls[1]


def test_the_users_own_environment_is_replaced_only_when_asked(project, calls):
    run.VENV.mkdir()
    (run.VENV / "mine.txt").write_text("precious")
    with pytest.raises(run.InstallError, match="add --fresh"):
        run.ensure()
    assert (run.VENV / "mine.txt").read_text() == "precious" and calls == []
    assert called(calls, fresh=True) == ["venv", "pip", "link"]
    assert not (run.VENV / "mine.txt").exists()


def test_another_python_makes_our_environment_again(project, calls, monkeypatch, capsys):
    run.ensure()
    monkeypatch.setattr(run, "this_python", lambda: "3.99")
    assert called(calls)[:1] == ["venv"]
    assert "and is now made again with 3.99" in capsys.readouterr().err


needs_links = pytest.mark.skipif(sys.platform == "win32", reason="links take a right on Windows")


@needs_links
@pytest.mark.parametrize("exists", [True, False])
def test_an_environment_that_is_a_link_is_made_in_its_target(project, calls, tmp_path, exists):
    target = tmp_path / "scratch" / "venv"
    if exists:
        target.mkdir(parents=True)
    run.VENV.symlink_to(target)
    assert called(calls) == ["venv", "pip", "link"]
    assert run.VENV.is_symlink() and (target / "pyvenv.cfg").exists()
    assert called(calls) == []


@needs_links
@pytest.mark.parametrize("options", [{}, {"fresh": True}])
def test_nothing_behind_a_link_is_removed(project, calls, tmp_path, options):
    target = tmp_path / "scratch"
    target.mkdir()
    (target / "thesis.tex").write_text("years of work")
    run.VENV.symlink_to(target)
    with pytest.raises(run.InstallError, match=r"is a link to .*scratch, which is not empty"):
        run.ensure(**options)
    assert (target / "thesis.tex").read_text() == "years of work" and calls == []


@needs_links
def test_a_link_to_itself_is_one_sentence(project):
    run.VENV.symlink_to(".venv")
    with pytest.raises(run.InstallError, match=r"remove \.venv first"):
        run.ensure()


@needs_links
def test_an_interrupted_installation_behind_a_link_goes_on(project, calls, tmp_path, monkeypatch):
    run.VENV.symlink_to(tmp_path / "scratch")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(run, "link", lambda: signal.default_int_handler(signal.SIGINT, None))
        run.ensure()
    (tmp_path / "scratch" / "note.txt").touch()
    assert called(calls) == ["venv", "pip", "link"]
    assert (tmp_path / "scratch" / "note.txt").exists()


def test_a_path_that_environments_refuse_is_one_sentence(project, monkeypatch, capsys):
    monkeypatch.setattr(run, "ROOT", run.ROOT / f"a{os.pathsep}b")
    assert run.main(["test"]) == 2
    assert "move the project" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("variables", "config", "expected"),
    [
        ({"PIP_TARGET": "/x", "PIP_PREFIX": "/x", "PIP_USER": "1", "PIP_NO_INDEX": "1"}, "", {}),
        ({"PIP_REQUIRE_HASHES": "1", "HTTPS_PROXY": "p"}, "", {"HTTPS_PROXY": "p"}),
        ({"PIP_INDEX_URL": "https://a"}, "global.index-url='https://b'", {"PIP_INDEX_URL": "https://a"}),
        ({}, "global.index-url='https://b'\ninstall.index-url='https://c'", {"PIP_INDEX_URL": "https://c"}),
        ({}, "global.find-links='/a\\n/b'\nglobal.user='true'", {"PIP_FIND_LINKS": "/a /b"}),
        ({}, "install.target='/x'\nglobal.constraint='/c.txt'", {"PIP_CONSTRAINT": "/c.txt"}),
        ({}, "freeze.user='true'\n:env:.cert='/c'\nnot a setting", {}),
    ],
)
def test_pip_takes_only_what_names_the_index_and_the_network(variables, config, expected):
    assert run.only_network(variables, config) == {**expected, "PIP_CONFIG_FILE": os.devnull}


def test_a_hostile_environment_stays_outside(tmp_path, monkeypatch):
    (tmp_path / "json.py").write_text("raise SystemExit('the wrong json')")
    for name in run.PYTHON_SETTINGS:
        monkeypatch.setenv(name, str(tmp_path))
    for name in run.CALM_THREADS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    environment = run.task_environment()
    assert not {*run.PYTHON_SETTINGS, *run.CALM_THREADS} & set(environment)
    monkeypatch.setattr(run, "PYTHON", sys.executable)
    assert not set(run.PYTHON_SETTINGS) & set(run.pip_environment())


def test_threads_are_calm_as_in_the_package(monkeypatch):
    for name in ("OMP_WAIT_POLICY", *run.CALM_THREADS):
        monkeypatch.delenv(name, raising=False)
    assert run.CALM_THREADS == vg_helpers.CALM_THREADS
    assert run.CALM_THREADS.items() <= run.task_environment().items()


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "disk is full"),
        ("WARNING: Retrying: NewConnectionError('...')\nERROR: No matching distribution found for torch", "network"),
        ("ERROR: No matching distribution found for torch>=2.11", "no version that fits"),
        ("ERROR: Could not install packages due to an OSError: Failed to parse: http://$HOST:$PORT", "the proxy"),
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


def test_an_old_python_or_one_without_venv_is_one_sentence(project, monkeypatch, capsys):
    monkeypatch.setattr(run.sys, "version_info", (3, 9, 1))
    assert run.main(["test"]) == 2
    assert "3.11 or newer" in capsys.readouterr().err
    monkeypatch.setattr(run.sys, "version_info", (3, 11, 1))
    monkeypatch.setattr(run.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(run.InstallError, match="no venv module"):
        run.make_venv()


def test_arguments_reach_the_task():
    plain = {"index": None, "latest": False, "fresh": False}
    assert run.parse(["report", "-p", "a.b=1", "--help"]) == ("report", plain, ["-p", "a.b=1", "--help"])
    options = {**plain, "index": "https://x/y"}
    assert run.parse(["report", "--torch-index", "https://x/y", "--force"]) == ("report", options, ["--force"])
    assert run.parse(["--torch-index=https://x/y", "test"]) == ("test", options, [])
    assert run.parse(["test", "--fresh", "--latest"]) == ("test", {"index": None, "latest": True, "fresh": True}, [])
    assert run.parse([])[0] is run.parse(["--help"])[0] is run.parse(["help"])[0] is run.parse(["-h", "-v"])[0] is None
    assert run.parse(["help", "paint"]) == run.parse(["--help", "paint", "x"]) == ("paint", plain, ["--help"])
    for words in (["--fresh"], ["--latest", "--fresh"], ["--torch-index=https://x/y"]):
        with pytest.raises(
            run.InstallError, match=rf"needs a task, for example: python3 run\.py test {' '.join(words)}$"
        ):
            run.parse(words)
    with pytest.raises(run.InstallError, match="there is no task 'pain': did you mean paint"):
        run.parse(["help", "pain"])
    with pytest.raises(run.InstallError, match="did you mean report"):
        run.parse(["reprot"])
    with pytest.raises(run.InstallError, match="address"):
        run.parse(["report", "--torch-index"])


def test_help_starts_nothing_and_imports_the_standard_library_alone():
    code = """
import sys
import run
run.subprocess.Popen = None
assert run.main(["--help"]) == 0
tops = {name.partition(".")[0] for name in sys.modules} - {"run", "__main__"}
assert tops <= sys.stdlib_module_names and not tops & {"venv", "ensurepip"}, tops
"""
    done = subprocess.run([sys.executable, "-S", "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert all(f"run.py {task} " in done.stdout for task in run.TASKS)


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


def test_link_makes_the_project_importable_from_a_moved_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")  # with which Python cannot print the folder's name
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


def test_folders_named_from_here_mean_the_same_to_a_notebook(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VG_DATA_DIR", "paintings")
    monkeypatch.setenv("VG_PHOTOS_DIR", str(tmp_path))
    monkeypatch.delenv("VG_STYLES_DIR", raising=False)
    environment = run.task_environment()
    assert environment["VG_DATA_DIR"] == str(tmp_path / "paintings") and environment["VG_PHOTOS_DIR"] == str(tmp_path)
    assert "VG_STYLES_DIR" not in environment
