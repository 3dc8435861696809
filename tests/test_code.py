"""code: what counts as the code of a result, in modules and in notebook cells."""

import ast

import pytest

from vg_helpers.code import code_of, python_of


@pytest.mark.parametrize(
    "cell",
    [
        "%%bash\necho hi",
        "!ls -l",
        "x?",
        "files = !ls",
        "%matplotlib inline\nx = 1",
        "%%html\n<b>it's</b>",
        "x = (",
        "a b",
    ],
)
def test_cells_with_magics_and_broken_cells_have_a_key(cell):
    plain = python_of(cell)
    ast.parse(plain)
    assert code_of(plain) != code_of(python_of(cell + "y"))


def test_plain_cells_stay_as_they_are_and_imports_beside_magics_are_seen():
    assert python_of("x = 1  # one") == "x = 1  # one"
    names = [node.module for node in ast.walk(ast.parse(python_of("!ls\nfrom a import b"))) if hasattr(node, "module")]
    assert names == ["a"]
