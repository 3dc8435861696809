"""Helpers of the six notebooks: each module has one subject and can be read and tested alone.

Foundations
    files       atomic writes, JSON and CSV, hashes
    images      read and write pictures
    modes       pictures of any mode as 8-bit sRGB or grey levels
    stage       what a notebook reads and writes: parameters, inputs, figures, tables, manifest
    show        what a notebook displays and the report takes over
    passwords   addresses without their passwords, and how a notebook gets them
    code        which source files a result depends on
    device      which device, which precision, what the machine is
    intervals   a value with its 95 % interval
    metrics     ROC AUC, F1 and others with intervals, confusion matrices, paired tests
    calibration thresholds, temperature scaling, reliability
    search      Optuna: storage, resume, several workers
    tracking    Weights & Biases, and a local record of the same numbers

Subjects
    data/       paintings and labels, near-duplicates, splits, cache and transforms, download
    models/     layers by name, weights and their origin, classifier, feature extractor, texture judge, embedded weights
    classify/   the classification task: features, tuning, training, texture, answers, checks
    style/      style transfer: losses, engine, optimisation, search for its weights
    gradcam/    Grad-CAM maps, evidence by texture, and checks whether to trust them
    study/      a page that asks people about pictures, and what their answers say
    demo/       the painted data set for machines without paintings

What people see and call
    findings/   the sentences of each notebook that depend on its results
    plots/      one function per figure
    commands/   the words of run.py: data, merge, paint, play, predict, search, study; their inputs and shards
    playground/ the widgets of `run.py play` and of its notebook
    benchmarks/ timings of training, style transfer, loading and judging; distance to the style; README's pictures
"""

import os
import sys

# OpenMP's threads wait for each other by computing in a loop. Beside another busy program that loop keeps a core from
# the thread that all wait for. GNU's OpenMP counts rounds of it; Intel's and LLVM's (Windows, macOS) milliseconds.
CALM_THREADS = {"GOMP_SPINCOUNT": "1000", "KMP_BLOCKTIME": "1"}


def _calm_threads() -> None:
    """Let waiting threads give way soon, unless torch is loaded already or the user has set how they wait."""
    if "torch" not in sys.modules and not {"OMP_WAIT_POLICY", *CALM_THREADS} & set(os.environ):
        os.environ.update(CALM_THREADS)


_calm_threads()
