"""The metrics of the benchmark: each is one record, and nothing else lists them.

`evaluate` computes them, `compare` judges their differences, and pages, MLflow and `dvc metrics` show them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from stages.config import Claims, Evaluation
from stages.statistics import (
    COLDEST,
    HOTTEST,
    Interval,
    confusion_matrix,
    direction,
    expected_calibration_error,
    macro_f1,
    negative_log_likelihood,
    still_learning,
)

Value = float | bool | None
Array = NDArray[Any]
Verdict = Literal["better", "worse", "higher", "lower", "negligible", "undecided", "unfinished"]
"""The verdict on a metric's difference from the reference: `better` or `worse` where one direction is an improvement,
`higher` or `lower` where neither is."""
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)


@dataclass(frozen=True)
class Observed:
    """What is known about a replica after its training, with K classes."""

    test: Array
    """Log-probabilities (M, K) of the test images."""
    test_labels: Array
    """(M,)"""
    disturbed: Mapping[str, Array]
    """The class (M,) predicted for each test image after something was done to it, by the name of what it was."""
    train: Array
    """Log-probabilities (N, K) of the training images."""
    given: Array
    """The labels (N,) trained on."""
    true: Array
    """The true labels (N,)."""
    val: Array
    """Log-probabilities (V, K) of the validation images."""
    val_given: Array
    """Their labels (V,) in the task."""
    temperature: float
    """What its logits are divided by to fit these labels best; NaN if it was trained on the validation images."""
    curve: Mapping[str, Array]
    """What was measured (n,) after each `epoch`, in their order, 0 the initial weights: `train_loss, train_accuracy,
    param_norm` and others."""
    planned: int
    """The number of epochs allowed for its training."""
    diverged: bool
    weights: Array
    """All weights and biases, except scales and shifts of normalization."""
    scales: Array
    """Scales and shifts of normalization; none if there is no normalization."""
    settings: Evaluation


@dataclass(frozen=True)
class Metric:
    """A column of `data/evaluation/runs.parquet`: how it is computed, what it means and how it is shown."""

    key: str
    title: str
    unit: str
    """`%` for shares, which pages show times 100, with differences in points; `points` for differences of shares."""
    decimals: int
    better: Literal["high", "low"] | None
    """Which direction is an improvement; None where neither is."""
    definition: str
    """HTML for the page of the methods; names of `evaluation` in braces stand for their values in `params.yaml`."""
    compute: Callable[[Observed], Value]
    """None or NaN where it is not defined."""

    @property
    def scale(self) -> float:
        """What pages multiply its values by."""
        return 100 if self.unit in ("%", "points") else 1

    @property
    def heading(self) -> str:
        return f"{self.title} ({self.unit})" if self.unit else self.title

    def defined(self, settings: Evaluation) -> str:
        """The definition with the parameters of the evaluation."""
        return self.definition.format(**settings.model_dump())

    def smallest(self, claims: Claims, reference: float) -> float:
        """The smallest difference that matters, in the metric's own scale, given the mean of the reference."""
        return claims.points / 100 if self.scale == 100 else claims.percent / 100 * abs(reference)

    def verdict(self, difference: Interval, smallest: float, unfinished: bool) -> Verdict:
        """What the interval of a difference from the reference says, unless one of the two was still learning."""
        if unfinished:
            return "unfinished"
        found = direction(difference, smallest)
        if self.better is None or found in ("negligible", "undecided"):
            return found
        return "better" if (found == "higher") == (self.better == "high") else "worse"


def accuracy(log_probabilities: Array, labels: Array) -> float:
    """Share of images whose likeliest class is their label, from log-probabilities (N, K) and class indices (N,)."""
    return float((log_probabilities.argmax(1) == labels).mean())


def norm(values: Array) -> float:
    """Square root of the sum of squares; NaN if there are no values."""
    return float(np.sqrt(np.square(values.astype(float)).sum())) if len(values) else np.nan


def on_wrong(o: Observed, labels: Array) -> float:
    """Accuracy under some labels (N,) on the training images whose given label is wrong; NaN if there are none."""
    wrong = o.given != o.true
    return accuracy(o.train[wrong], labels[wrong]) if wrong.any() else np.nan


def epochs_to_fit(o: Observed) -> int | None:
    fitted = o.curve["epoch"][o.curve["train_accuracy"] == 1]
    return int(fitted[0]) if len(fitted) else None


def unfinished(o: Observed) -> bool:
    """Whether a replica was still making progress when its epochs were used up, with labels left to fit.

    False for one that stopped earlier by itself.
    """
    fitted = float(o.curve["train_accuracy"][-1])
    return still_learning(o.curve["epoch"], o.curve["train_loss"], fitted, o.planned, o.settings.unfinished_percent)


def on_test(o: Observed) -> float:
    return accuracy(o.test, o.test_labels)


def under(o: Observed, what: str) -> float:
    """Accuracy on the test images after something was done to them."""
    return float((o.disturbed[what] == o.test_labels).mean())


def f1(o: Observed) -> float:
    guess, classes = o.test.argmax(1), o.test.shape[1]
    return macro_f1(confusion_matrix(o.test_labels, guess, classes))


def scaled(o: Observed) -> Array:
    """Log-probabilities (M, K) of the test images after temperature scaling."""
    cooled = o.test / o.temperature
    cooled = cooled - cooled.max(1, keepdims=True)
    result: Array = cooled - np.log(np.exp(cooled).sum(1, keepdims=True))
    return result


def calibration_error(o: Observed, log_probabilities: Array) -> float:
    if not np.isfinite(log_probabilities).all():
        return np.nan
    return expected_calibration_error(np.exp(log_probabilities), o.test_labels, o.settings.calibration_bins)


_I = "<sub><var>i</var></sub>"
_HIT = f"<var>ŷ</var>{_I} = <var>y</var>{_I}"
_CORRUPTIONS = '<a href="https://arxiv.org/abs/1903.12261">Hendrycks and Dietterich 2019</a>.'

METRICS: dict[str, Metric] = {
    metric.key: metric
    for metric in (
        Metric(
            "test_accuracy",
            "Test accuracy",
            "%",
            1,
            "high",
            f"The share of test images with {_HIT}.",
            on_test,
        ),
        Metric(
            "test_loss",
            "Test loss",
            "nats",
            3,
            "low",
            f"The negative log likelihood on the test set, −(1/<var>N</var>) Σ{_I} ln <var>p</var>{_I}(<var>y</var>"
            f"{_I}). Guessing evenly among <var>K</var> classes costs ln <var>K</var> nats.",
            lambda o: negative_log_likelihood(o.test, o.test_labels),
        ),
        Metric(
            "expected_calibration_error",
            "Calibration error",
            "%",
            1,
            "low",
            "How far apart confidence and accuracy are on the test set: Σ<sub><var>b</var></sub> "
            "(<var>n<sub>b</sub></var>/<var>N</var>) |acc<sub><var>b</var></sub> − conf<sub><var>b</var></sub>|, over "
            "{calibration_bins} bins of equal width of the largest probability. "
            '<a href="https://arxiv.org/abs/1706.04599">Guo et al. 2017</a>.',
            lambda o: calibration_error(o, o.test),
        ),
        Metric(
            "scaled_test_loss",
            "Test loss, scaled",
            "nats",
            3,
            "low",
            "The test loss after temperature scaling: all logits of a network are divided by the one temperature that "
            "gives the validation labels at hand the least loss. No prediction changes, only how sure it is. Not "
            'defined where the validation images were trained on. <a href="https://arxiv.org/abs/1706.04599">Guo et '
            "al. 2017</a>.",
            lambda o: negative_log_likelihood(scaled(o), o.test_labels),
        ),
        Metric(
            "scaled_calibration_error",
            "Calibration error, scaled",
            "%",
            1,
            "low",
            "The calibration error after the same temperature scaling. Where validation labels are wrong, it makes the "
            "network as unsure as these are.",
            lambda o: calibration_error(o, scaled(o)),
        ),
        Metric(
            "temperature",
            "Temperature",
            "",
            2,
            None,
            f"The temperature of that scaling, between {COLDEST:g} and {HOTTEST:g}: above 1 the network is too sure of "
            "itself for the validation labels at hand, below 1 not sure enough.",
            lambda o: o.temperature,
        ),
        Metric(
            "macro_f1",
            "Macro F1",
            "%",
            1,
            "high",
            "The mean over the classes of 2<var>PR</var>/(<var>P</var> + <var>R</var>), with precision <var>P</var> "
            "and recall <var>R</var> of the class on the test set; 0 for a class that is never predicted correctly.",
            f1,
        ),
        Metric(
            "fgsm_accuracy",
            "Accuracy under FGSM",
            "%",
            1,
            "high",
            f"The share of test images with {_HIT} after an attack by the fast gradient sign method: each pixel moves "
            "by {fgsm_epsilon} of the range from black to white towards either, in whichever direction the loss of the "
            'true class grows, and never beyond black or white. <a href="https://arxiv.org/abs/1412.6572">Goodfellow, '
            "Shlens and Szegedy 2015</a>.",
            lambda o: under(o, "fgsm"),
        ),
        Metric(
            "fgsm_drop",
            "Lost under FGSM",
            "points",
            1,
            None,
            "Test accuracy minus accuracy under FGSM. A network that classifies nothing correctly has nothing to lose.",
            lambda o: on_test(o) - under(o, "fgsm"),
        ),
        Metric(
            "pgd_accuracy",
            "Accuracy under PGD",
            "%",
            1,
            "high",
            f"The share of test images with {_HIT} after an attack by projected gradient descent: {{pgd_steps}} steps "
            "in the direction in which the loss of the true class grows, after which no pixel has moved by more than "
            "{pgd_epsilon} of the range from black to white. It starts at the image itself. "
            '<a href="https://arxiv.org/abs/1706.06083">Madry et al. 2018</a>.',
            lambda o: under(o, "pgd"),
        ),
        Metric(
            "noise_accuracy",
            "Accuracy under noise",
            "%",
            1,
            "high",
            f"The share of test images with {_HIT} after normal noise on every pixel, its standard deviation "
            "{noise_sigma} of the range from black to white; the same draws for all networks. "
            f"{_CORRUPTIONS}",
            lambda o: under(o, "noise"),
        ),
        Metric(
            "blur_accuracy",
            "Accuracy under blur",
            "%",
            1,
            "high",
            f"The share of test images with {_HIT} after a Gaussian blur with a standard deviation of {{blur_sigma}} "
            f"pixels. {_CORRUPTIONS}",
            lambda o: under(o, "blur"),
        ),
        Metric(
            "contrast_accuracy",
            "Accuracy under low contrast",
            "%",
            1,
            "high",
            f"The share of test images with {_HIT} after each pixel was brought nearer to the mean of its image, to "
            f"{{contrast_factor}} times its distance. {_CORRUPTIONS}",
            lambda o: under(o, "contrast"),
        ),
        Metric(
            "train_accuracy",
            "Training accuracy",
            "%",
            1,
            None,
            f"The share of training images with <var>ŷ</var>{_I} equal to the label trained on, right or wrong.",
            lambda o: accuracy(o.train, o.given),
        ),
        Metric(
            "train_accuracy_clean",
            "Training accuracy, true labels",
            "%",
            1,
            None,
            f"The share of training images with <var>ŷ</var>{_I} equal to their true label, whatever they were trained "
            "on. On a task without noise it is the training accuracy.",
            lambda o: accuracy(o.train, o.true),
        ),
        Metric(
            "train_loss",
            "Training loss",
            "nats",
            3,
            None,
            "The negative log likelihood of the labels trained on, without any penalty.",
            lambda o: negative_log_likelihood(o.train, o.given),
        ),
        Metric(
            "val_accuracy",
            "Validation accuracy",
            "%",
            1,
            None,
            f"The share of validation images with <var>ŷ</var>{_I} equal to their label in the task, right or wrong.",
            lambda o: accuracy(o.val, o.val_given),
        ),
        Metric(
            "generalization_gap",
            "Generalization gap",
            "points",
            1,
            None,
            "Training accuracy on true labels minus test accuracy: both count true labels, so that label noise "
            "does not enter by itself. On a task without noise it is training accuracy minus test accuracy.",
            lambda o: accuracy(o.train, o.true) - on_test(o),
        ),
        Metric(
            "accuracy_on_wrong_given",
            "Wrong labels memorized",
            "%",
            1,
            None,
            f"Among the training images whose label is wrong: the share with <var>ŷ</var>{_I} equal to that wrong "
            "label. This is memorization.",
            lambda o: on_wrong(o, o.given),
        ),
        Metric(
            "accuracy_on_wrong_true",
            "Wrong labels, true class predicted",
            "%",
            1,
            None,
            f"Among the same images: the share with <var>ŷ</var>{_I} equal to the true class.",
            lambda o: on_wrong(o, o.true),
        ),
        Metric(
            "epochs_to_fit",
            "Epochs to fit",
            "epochs",
            0,
            None,
            "The first epoch after which every training label is fitted; a mean over the replicas that get there.",
            epochs_to_fit,
        ),
        Metric(
            "epochs",
            "Epochs trained",
            "epochs",
            0,
            None,
            "Epochs until training ended, as planned, by early stopping, or by divergence.",
            lambda o: int(o.curve["epoch"][-1]),
        ),
        Metric(
            "diverged",
            "Diverged",
            "%",
            0,
            "low",
            "Whether the training loss was no longer finite; in a mean, the share of such replicas.",
            lambda o: o.diverged,
        ),
        Metric(
            "unfinished",
            "Unfinished",
            "%",
            0,
            None,
            'Whether the replica was <a href="#unfinished">still learning</a> when its epochs were used up; in a mean, '
            "the share of such replicas.",
            unfinished,
        ),
        Metric(
            "param_norm",
            "Parameter norm",
            "",
            2,
            None,
            "√(Σ <var>w</var>²) over the weights and biases of the network. Scales and shifts of batch normalization "
            "are left out, because they compensate for weights of any size; networks without it have none.",
            lambda o: norm(o.weights),
        ),
        Metric(
            "initial_norm",
            "Initial norm",
            "",
            2,
            None,
            "The parameter norm before the first step.",
            lambda o: float(o.curve["param_norm"][0]),
        ),
        Metric(
            "normalization_norm",
            "Norm of scales and shifts",
            "",
            2,
            None,
            "√(Σ <var>γ</var>² + Σ <var>β</var>²) over the scales <var>γ</var> and shifts <var>β</var> of batch "
            "normalization; not defined without it.",
            lambda o: norm(o.scales),
        ),
        Metric(
            "near_zero",
            "Weights near zero",
            "%",
            1,
            None,
            "The share of weights and biases smaller in magnitude than {near_zero}.",
            lambda o: float((np.abs(o.weights) < o.settings.near_zero).mean()),
        ),
    )
}
"""By key, in the order in which they are shown."""
