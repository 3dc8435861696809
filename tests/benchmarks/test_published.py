"""published: the matrices say what the studies say, and the table prints them."""

import pytest

from vg_helpers.benchmarks import published
from vg_helpers.benchmarks.published import RESULTS, table


def test_the_matrices_give_the_published_figures():
    folego, inception, dense, recaptured, unseen, swin = RESULTS
    for item in (folego, inception, dense):
        assert (item.tn + item.fp, item.fn + item.tp) == (42, 25)
    assert round(2 * folego.tp / (2 * folego.tp + folego.fp + folego.fn), 3) == 0.923
    assert (folego.tn + folego.tp) / 67 == pytest.approx(0.940299, abs=1e-6)
    assert (dense.tn + dense.tp) / 67 == pytest.approx(0.925373, abs=1e-6)
    assert (inception.tp / 25 + inception.tn / 42) / 2 == pytest.approx(0.96429, abs=1e-5)
    assert (recaptured.tn, recaptured.tp) == (37, 19) and (unseen.tp / 34 + unseen.tn / 11) / 2 == pytest.approx(
        0.72, abs=0.005
    )
    assert (swin.tn + swin.tp) / 354 == pytest.approx(0.9322033898305084)


def matrices(van_goghs, others, fits):
    """Return every confusion matrix (tn, fp, fn, tp) with these class sizes of which `fits` is true."""
    every = ((others - fp, fp, van_goghs - tp, tp) for fp in range(others + 1) for tp in range(van_goghs + 1))
    return [matrix for matrix in every if fits(*matrix)]


def test_two_matrices_follow_from_rounded_figures_without_a_doubt():
    def folego(tn, fp, fn, tp):
        return tn + tp == 63 and round(2 * tp / (2 * tp + fp + fn), 3) == 0.923

    def swin(tn, fp, fn, tp):
        if tn + tp != 330 or not tp or not tn:
            return False
        rounded = [round(share, 2) for share in (tp / (tp + fp), tp / 178, tn / (tn + fn), tn / 176)]
        return rounded == [0.92, 0.94, 0.94, 0.92]

    assert matrices(25, 42, folego) == [RESULTS[0][2:6]] and matrices(178, 176, swin) == [RESULTS[5][2:6]]


def test_the_table_has_intervals_and_takes_rows_of_ones_own(capsys):
    frame = table()
    assert frame["F1"][0].startswith("0.923 [0.8") and frame["accuracy"][0].startswith("0.940 [0.8")
    assert frame[["Van Goghs", "others"]].values.tolist()[0] == [25, 42]
    assert published.main(["--row", "mine", "8", "1", "1", "10"]) == 0
    assert "mine" in capsys.readouterr().out
    assert published.main(["--row", "mine", "8", "1", "1", "x"]) == 2
    assert "needs four whole numbers: TN FP FN TP" in capsys.readouterr().err
