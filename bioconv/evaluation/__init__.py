"""How good predictions are, and how sure that is: NumPy alone, no model needed."""

from bioconv.evaluation.calibration import (
    brier,
    calibration_slope_intercept,
    expected_calibration_error,
    fit_logistic,
    fit_temperature,
    reliability_table,
)
from bioconv.evaluation.classification import (
    accuracy,
    confusion_matrix,
    f1,
    matthews,
    precision,
    recall,
    specificity,
)
from bioconv.evaluation.delong import delong_interval, delong_test
from bioconv.evaluation.froc import Detections, Lesions, Marks, froc_curve, match_marks
from bioconv.evaluation.intervals import Difference, Interval, wilson_interval
from bioconv.evaluation.multiclass import log_loss, macro_auroc, one_vs_rest_auroc
from bioconv.evaluation.object_counts import ObjectCounts, average_precision
from bioconv.evaluation.objects import aggregated_jaccard, ap_table, match_objects
from bioconv.evaluation.overlap import class_overlap, dice, iou
from bioconv.evaluation.partial_area import partial_auroc
from bioconv.evaluation.prevalence import predictive_intervals, predictive_values
from bioconv.evaluation.ranking import auprc, auroc, precision_recall_curve, roc_curve
from bioconv.evaluation.regression import mae, mse, pearson, r2, spearman
from bioconv.evaluation.resampling import bootstrap, paired_bootstrap
from bioconv.evaluation.thresholds import (
    choose_threshold,
    operating_point,
    threshold_at_sensitivity,
    threshold_at_specificity,
    youden_threshold,
)

__all__ = [
    "Detections",
    "Difference",
    "Interval",
    "Lesions",
    "Marks",
    "ObjectCounts",
    "accuracy",
    "aggregated_jaccard",
    "ap_table",
    "auprc",
    "auroc",
    "average_precision",
    "bootstrap",
    "brier",
    "calibration_slope_intercept",
    "choose_threshold",
    "class_overlap",
    "confusion_matrix",
    "delong_interval",
    "delong_test",
    "dice",
    "expected_calibration_error",
    "f1",
    "fit_logistic",
    "fit_temperature",
    "froc_curve",
    "iou",
    "log_loss",
    "macro_auroc",
    "mae",
    "match_marks",
    "match_objects",
    "matthews",
    "mse",
    "one_vs_rest_auroc",
    "operating_point",
    "paired_bootstrap",
    "partial_auroc",
    "pearson",
    "precision",
    "precision_recall_curve",
    "predictive_intervals",
    "predictive_values",
    "r2",
    "recall",
    "reliability_table",
    "roc_curve",
    "spearman",
    "specificity",
    "threshold_at_sensitivity",
    "threshold_at_specificity",
    "wilson_interval",
    "youden_threshold",
]
