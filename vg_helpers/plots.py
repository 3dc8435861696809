"""All figures in one place: each takes arrays or frames and returns a matplotlib Figure, closed, titled by its finding.

A title that is not given is computed from the data; `title=""` leaves it out.
"""

from vg_helpers.plots_base import STYLE, artist_name, look, name_of
from vg_helpers.plots_classify import (
    plot_confusions,
    plot_metric_comparison,
    plot_p_by_artist,
    plot_precision_recall,
    plot_reliability,
    plot_roc,
)
from vg_helpers.plots_data import plot_class_counts, plot_image_sizes, plot_split_sizes
from vg_helpers.plots_images import (
    plot_augmentations,
    plot_cam_panels,
    plot_prediction_examples,
    plot_randomisation,
    plot_result_grid,
    plot_samples,
    plot_triptych,
    plot_twins,
)
from vg_helpers.plots_style import (
    plot_agreement,
    plot_faithfulness,
    plot_judgements,
    plot_quality,
    plot_speed,
    plot_style_trials,
    plot_timings,
)
from vg_helpers.plots_training import plot_learning_curves, plot_trial_comparison, plot_trials

__all__ = [
    "STYLE",
    "artist_name",
    "look",
    "name_of",
    "plot_agreement",
    "plot_augmentations",
    "plot_cam_panels",
    "plot_class_counts",
    "plot_confusions",
    "plot_faithfulness",
    "plot_image_sizes",
    "plot_judgements",
    "plot_learning_curves",
    "plot_metric_comparison",
    "plot_p_by_artist",
    "plot_precision_recall",
    "plot_prediction_examples",
    "plot_quality",
    "plot_randomisation",
    "plot_reliability",
    "plot_result_grid",
    "plot_roc",
    "plot_samples",
    "plot_speed",
    "plot_split_sizes",
    "plot_style_trials",
    "plot_timings",
    "plot_trial_comparison",
    "plot_trials",
    "plot_triptych",
    "plot_twins",
]
