"""What document 001 claims. The benchmark of the variants tests nearly all of it."""

from __future__ import annotations

from stages.config import BASELINE, DEFAULT, TUNED
from stages.documents.claim import Claim, EveryRun, Percent, Points
from stages.documents.evidence import Measure, of_benchmark, of_document
from stages.statistics import Side

PENALTIES = ("l1", "l2", "elastic_net")
REGULARIZERS = (
    *PENALTIES,
    "weight_decay",
    "dropout",
    "batch_norm",
    "augmentation",
    "label_smoothing",
    "early_stopping",
)
"""The variants that add one method to the reference, or two penalties."""
COCKTAIL = ("augmentation", "weight_decay", "dropout", "batch_norm", "label_smoothing", "early_stopping")
"""What the variant `everything` combines."""
SETTINGS = {TUNED: "both tuned", DEFAULT: "both as in `params.yaml`"}
ALL_TUNED = "All variants are tuned, with equally many trials."
AS_WRITTEN = "Strengths and learning rates are those of `params.yaml`."

ACCURACY_FIGURE = "index.html#differences"
EFFECTS_FIGURE = "claims.html#claims-points"


def named(task: str) -> str:
    return f"{task.replace('_', ' ')} labels"


def accuracy(variant: str, track: str, task: str = "clean") -> Measure:
    return of_benchmark(variant, task, "test_accuracy", track)


def beats(
    variant: str,
    other: str = BASELINE,
    task: str = "clean",
    case: str = "",
    track: str = TUNED,
    side: Side = "greater",
) -> Points:
    """The claim that one variant is more accurate on the test set than another."""
    text = f"test accuracy of `{variant}` minus that of `{other}`, {named(task)}, {SETTINGS[track]}"
    difference = accuracy(variant, track, task) - accuracy(other, track, task)
    return Points(case or variant, text, difference, side, ACCURACY_FIGURE)


def excess(variant: str) -> Measure:
    """By how much the validation accuracy of the weights kept is larger than their test accuracy."""
    return of_benchmark(variant, "clean", "val_accuracy", DEFAULT) - accuracy(variant, DEFAULT)


CLAIMS = (
    Claim(
        id="penalties-shrink-weights",
        claim="Networks trained with an L1 penalty, an L2 penalty or both end with smaller norms than without.",
        section="Section 1: L1 and L2 Regularization",
        experiment=f"The benchmark on clean labels: norm over all parameters after training. {AS_WRITTEN}",
        parts=[
            Percent(
                variant,
                f"parameter norm of `{variant}` relative to that of `{BASELINE}`, clean labels",
                of_benchmark(variant, "clean", "param_norm", DEFAULT),
                of_benchmark(BASELINE, "clean", "param_norm", DEFAULT),
                "less",
                f"variants/{variant}.html#{variant}-norm",
            )
            for variant in PENALTIES
        ],
    ),
    Claim(
        id="penalties-help",
        claim="A network with a tuned L1 penalty, L2 penalty or both does better on unseen data than one without.",
        section="Section 1: L1 and L2 Regularization",
        experiment="The benchmark on clean labels. The strengths of the penalties and the learning rate are tuned; so "
        "is the learning rate of the network without.",
        parts=[beats(variant) for variant in PENALTIES],
    ),
    Claim(
        id="networks-memorise",
        claim="Every unregularized network comes to fit all of its training images under wholly random labels.",
        section="Tutorial 1 of the same day, memorization",
        experiment="The benchmark on random labels: the runs of the variants without regularization that fit every "
        f"training label are counted, and all must. {AS_WRITTEN} `small_lr` has a tenth of the learning rate and no "
        "more epochs: while it is still learning, the claim is undecided.",
        parts=[
            EveryRun(
                variant,
                f"runs of `{variant}` that fit every training label, random labels",
                of_benchmark(variant, "random", "train_error", DEFAULT),
                f"variants/{variant}.html#{variant}-accuracy",
            )
            for variant in (BASELINE, "small_lr", "large_lr", "wide")
        ],
    ),
    Claim(
        id="regularizers-resist-memorising",
        claim="Some regularizers lower the accuracy on wrong labels without lowering test accuracy.",
        section="Loading Animal Faces Randomized data",
        experiment="The benchmark on partly random labels: a regularizer must memorize fewer of the wrong labels and "
        f"must not lose more test accuracy than the smallest effect. {AS_WRITTEN}",
        rule="any",
        parts=[
            part
            for variant in REGULARIZERS
            for part in (
                Points(
                    variant,
                    f"wrong labels memorized by `{variant}` minus those by `{BASELINE}`, partly random labels",
                    of_benchmark(variant, "partly_random", "accuracy_on_wrong_given", DEFAULT)
                    - of_benchmark(BASELINE, "partly_random", "accuracy_on_wrong_given", DEFAULT),
                    "less",
                    "index.html#memorization-partly_random",
                ),
                beats(variant, task="partly_random", track=DEFAULT, side="not less"),
            )
        ],
    ),
    Claim(
        id="noise-can-help",
        claim="Training with a small share of wrong labels sometimes beats training with clean labels.",
        section="Tutorial 1 of the same day, memorization",
        experiment="The benchmark: the same networks, images and seeds under partly random and under clean labels, "
        "the learning rate tuned for either. The tutorial speaks of 10 to 15 % wrong labels; the share measured here "
        "is on the data page. “Sometimes” is read as: with one of the two unregularized networks.",
        rule="any",
        parts=[
            Points(
                variant,
                f"test accuracy of `{variant}`, partly random minus clean labels, {SETTINGS[TUNED]}",
                accuracy(variant, TUNED, "partly_random") - accuracy(variant, TUNED, "clean"),
                "greater",
                EFFECTS_FIGURE,
            )
            for variant in (BASELINE, "wide")
        ],
    ),
    Claim(
        id="early-stopping-helps",
        claim="The epoch with the best validation accuracy does better on unseen data than the last one.",
        section="Tutorial 1 of the same day, early stopping",
        experiment="The benchmark: early stopping keeps the weights of that epoch, and starts from the same weights "
        f"as the reference, which keeps the last. It may stop before the best epoch of the full run. {ALL_TUNED}",
        parts=[beats("early_stopping", task=task, case=named(task)) for task in ("clean", "partly_random")],
    ),
    Claim(
        id="dropout-helps",
        claim="A network with dropout does better on unseen data than the same network without.",
        section="Section 2: Dropout",
        experiment=f"The notebook’s noisy line with several seeds, and the benchmark on clean labels. {ALL_TUNED}",
        parts=[
            Percent(
                "noisy line",
                "test loss with dropout relative to that without",
                of_document("face_notebook", "NetDropout", "test_loss"),
                of_document("face_notebook", "Net", "test_loss"),
                "less",
                "documents/toy_dropout.html#toy_dropout-losses",
            ),
            beats("dropout"),
            beats("wide_dropout", "wide"),
        ],
    ),
    Claim(
        id="augmentation-helps",
        claim="Augmented training images make a network better on unseen data.",
        section="Section 3: Data Augmentation",
        experiment="The benchmark on clean labels. Images are flipped where a flipped picture shows the same thing; "
        f"digits are shifted instead (the source’s file says which). {ALL_TUNED}",
        parts=[beats("augmentation")],
    ),
    Claim(
        id="lr-regularizes",
        claim="Within the stable range, a larger learning rate generalizes better.",
        section="Section 4.1: Learning Rate",
        experiment="The benchmark on clean labels with the shared learning rate of `params.yaml` and with a larger "
        "one, equally many epochs. Neither is tuned, for the claim is on the rate. `small_lr` is not counted: it may "
        "not finish learning in its epochs, and the difference would show how far it had come, not how well it "
        "generalizes.",
        parts=[beats("large_lr", track=DEFAULT)],
    ),
    Claim(
        id="big-regularized-beats-small",
        claim="A large network that is regularized does better on unseen data than a small one that is not.",
        section="Section 3, Think! 3.2: Overparameterized vs. Small NN",
        experiment="The benchmark on clean labels: the network with twice the hidden units and dropout against the "
        f"shared one without. {ALL_TUNED}",
        parts=[beats("wide_dropout")],
    ),
    Claim(
        id="cocktail-helps",
        claim="All methods together do better on unseen data than each of them alone.",
        section="Section 5: Hyperparameter Tuning, overview of techniques",
        experiment="The benchmark on clean labels: the variant `everything` against each of its methods alone. "
        f"{ALL_TUNED} The cocktail has more to tune with as many trials.",
        parts=[beats("everything", other, case=other) for other in COCKTAIL],
    ),
    Claim(
        id="max-over-epochs-flatters",
        claim="The maximum over epochs of a validation accuracy overstates the accuracy on unseen data.",
        section="Section 4.1: Learning Rate, maximum test accuracy",
        experiment="The benchmark on clean labels. Early stopping keeps the weights of the epoch with the largest "
        "validation accuracy. By how much that accuracy exceeds these weights’ test accuracy is compared with the "
        "same excess for the last epoch, which was not selected: any difference in difficulty between the validation "
        f"and test images cancels. {AS_WRITTEN} Measured with the validation images of `splits.val` in `params.yaml`; "
        "the notebook has 100, and fewer images flatter more. The notebook’s maximum is over all epochs; early "
        "stopping sees the "
        "epochs up to its stop only.",
        parts=[
            Points(
                "early_stopping",
                f"validation minus test accuracy, of `early_stopping` minus that of `{BASELINE}`, clean labels",
                excess("early_stopping") - excess(BASELINE),
                "greater",
                "variants/early_stopping.html#early_stopping-accuracy",
            )
        ],
    ),
    Claim(
        id="regularized-is-robust",
        claim="Regularized networks lose less accuracy than unregularized ones when an adversary moves each pixel a "
        "little.",
        section="Bonus: Adversarial Attacks",
        experiment="The benchmark on clean labels: test accuracy lost under the fast gradient sign method of "
        f"strength `evaluation.fgsm_epsilon`. {ALL_TUNED}",
        parts=[
            Points(
                variant,
                f"test accuracy lost by `{variant}` minus that lost by `{BASELINE}`, clean labels, {SETTINGS[TUNED]}",
                of_benchmark(variant, "clean", "fgsm_drop", TUNED)
                - of_benchmark(BASELINE, "clean", "fgsm_drop", TUNED),
                "less",
                EFFECTS_FIGURE,
            )
            for variant in REGULARIZERS
        ],
    ),
)
