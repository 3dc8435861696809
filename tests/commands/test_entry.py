"""How commands end: one sentence and a code for what the user can change, a traceback for what only we can."""

import argparse
import errno
import importlib
import subprocess
import sys

import optuna
import pytest
import sqlalchemy.exc

from vg_helpers.commands.entry import run
from vg_helpers.files import ROOT


def ends(error, *arguments):
    def work(options):
        raise error

    return run(argparse.ArgumentParser(), work, arguments, stopped="stopped; go on with the same command")


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (ValueError("the photo is empty\nand a detail"), "error: the photo is empty\n"),
        (ValueError(), "error: ValueError\n"),
        (FloatingPointError("overflow"), "error: overflow\n"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "x.jpg"), "error: x.jpg: no such file"),
        (OSError(errno.ENOSPC, "No space left on device"), "error: the disk is full: make room"),
        (sqlalchemy.exc.OperationalError("SELECT", {}, Exception("database is locked")), "database is locked"),
        (optuna.exceptions.StorageInternalError("no answer"), "error: no answer\n"),
        (RuntimeError("[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: …"), "memory is too short"),
        (ValueError("caf\udce9.jpg cannot be read"), "error: caf\\udce9.jpg cannot be read\n"),
        (ValueError("postgresql+psycopg://me:se:cret@host/db is down"), "postgresql+psycopg://me:***@host/db is down"),
    ],
)
def test_what_the_user_can_change_is_one_sentence(capsys, error, sentence):
    assert ends(error) == 2
    printed = capsys.readouterr().err
    assert sentence in printed and printed.count("\n") == 1


def test_debug_shows_where_an_error_arose(capsys):
    assert ends(ValueError("the photo is empty"), "--debug") == 2
    printed = capsys.readouterr().err
    assert "Traceback" in printed and "raise error" in printed and printed.endswith("error: the photo is empty\n")


@pytest.mark.parametrize("error", [AttributeError("no attribute 'x'"), RuntimeError("shapes do not match")])
def test_a_fault_of_ours_keeps_its_traceback(error):
    with pytest.raises(type(error)):
        ends(error)


def test_ctrl_c_says_how_to_go_on(capsys):
    assert ends(KeyboardInterrupt()) == 130
    assert capsys.readouterr().err == "\nstopped; go on with the same command\n"


@pytest.mark.skipif(sys.platform == "win32", reason="closed pipes are other errors there")
def test_a_reader_that_has_read_enough_ends_the_work_without_a_word():
    code = "import argparse, sys; from vg_helpers.commands.entry import run\n"
    code += "sys.exit(run(argparse.ArgumentParser(), lambda options: [print(n, flush=True) for n in range(9999)], []))"
    pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "cwd": ROOT}
    with subprocess.Popen([sys.executable, "-c", code], **pipe) as process:
        assert process.stdout.readline() == b"0\n"
        process.stdout.close()
        assert process.stderr.read() == b"" and process.wait() == 141


def test_files_may_stand_on_both_sides_of_options():
    def parsed(*words):
        parser = argparse.ArgumentParser()
        parser.add_argument("files", nargs="+")
        parser.add_argument("--out")
        seen = []
        assert run(parser, seen.append, words) == 0
        return seen[0].files, seen[0].out

    assert parsed("a", "--out", "x", "b") == parsed("--out", "x", "a", "b") == (["a", "b"], "x")
    assert parsed("--out=x", "--", "-a", "b") == (["-a", "b"], "x")
    with pytest.raises(SystemExit):
        parsed("--out", "x")


@pytest.mark.parametrize("name", ["data", "merge", "paint", "play", "predict", "repaint", "search", "study"])
def test_every_option_says_what_it_does(name):
    parser = importlib.import_module(f"vg_helpers.commands.{name}").build_parser()
    assert [action.dest for action in parser._actions if not action.help] == []
    assert parser.format_help() and parser.description[0].isupper()


@pytest.mark.parametrize(("result", "code"), [(None, 0), (0, 0), (1, 1)])
def test_the_result_of_the_work_is_the_exit_code(result, code):
    assert run(argparse.ArgumentParser(), lambda options: result, []) == code
