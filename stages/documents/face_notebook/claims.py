"""What document 001 claims. The benchmark of the variants tests nearly all of it."""

from __future__ import annotations

from stages.config import BASELINE
from stages.documents.claim import Claim, Percent, Points
from stages.documents.evidence import of_benchmark, of_document

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
UNTUNED = "Strengths are those of `params.yaml`, not tuned."
UNFINISHED = "All variants have equally many epochs; one that slows learning down may not finish learning in them."

ACCURACY_FIGURE = "index.html#differences"
EFFECTS_FIGURE = "claims.html#claims-points"


def named(task: str) -> str:
    return f"{task.replace('_', ' ')} labels"


def beats(variant: str, other: str = BASELINE, task: str = "clean", case: str = "") -> Points:
    """The claim that one variant is more accurate on the test set than another."""
    text = f"test accuracy of `{variant}` minus that of `{other}`, {named(task)}"
    difference = of_benchmark(variant, task) - of_benchmark(other, task)
    return Points(case or variant, text, difference, "greater", ACCURACY_FIGURE)


CLAIMS = (
    Claim(
        id="penalties-shrink-weights",
        claim="Networks trained with an L1 penalty, an L2 penalty or both end with smaller norms than without.",
        section="Section 1: L1 and L2 Regularization",
        experiment=f"The benchmark on clean labels: norm over all parameters after training. {UNTUNED}",
        parts=[
            Percent(
                variant,
                f"parameter norm of `{variant}` relative to that of `{BASELINE}`, clean labels",
                of_benchmark(variant, metric="param_norm"),
                of_benchmark(BASELINE, metric="param_norm"),
                "less",
                f"variants/{variant}.html#{variant}-norm",
            )
            for variant in PENALTIES
        ],
    ),
    Claim(
        id="penalties-help",
        claim="At the strengths of `params.yaml`, which are not tuned, a network with an L1 penalty, an L2 penalty or "
        "both does better on unseen data than one without.",
        section="Section 1: L1 and L2 Regularization",
        experiment="The benchmark on clean labels. The document speaks of penalties whose strength is tuned, which may "
        "do better.",
        parts=[beats(variant) for variant in PENALTIES],
    ),
    Claim(
        id="networks-memorise",
        claim="Every unregularized network comes to fit all of its training images under wholly random labels.",
        section="Tutorial 1 of the same day, memorization",
        experiment="The benchmark on random labels: the mean share over seeds of training labels that the variants "
        "without regularization miss, which the claim says is none, to within the smallest effect. A mean can hide one "
        "network that fails; the CSV file has the value of every seed. `small_lr` has a tenth of the learning rate and "
        "no more epochs: if it alone fails, the network can fit these labels but was not given the time.",
        parts=[
            Points(
                variant,
                f"training labels missed by `{variant}`, random labels",
                of_benchmark(variant, "random", "train_error"),
                "negligible",
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
        f"must not lose more test accuracy than the smallest effect. {UNTUNED}",
        rule="any",
        parts=[
            part
            for variant in REGULARIZERS
            for part in (
                Points(
                    variant,
                    f"wrong labels memorized by `{variant}` minus those by `{BASELINE}`, partly random labels",
                    of_benchmark(variant, "partly_random", "accuracy_on_wrong_given")
                    - of_benchmark(BASELINE, "partly_random", "accuracy_on_wrong_given"),
                    "less",
                    "index.html#memorization-partly_random",
                ),
                Points(
                    variant,
                    f"test accuracy of `{variant}` minus that of `{BASELINE}`, partly random labels",
                    of_benchmark(variant, "partly_random") - of_benchmark(BASELINE, "partly_random"),
                    "not less",
                    ACCURACY_FIGURE,
                ),
            )
        ],
    ),
    Claim(
        id="noise-can-help",
        claim="Training with a small share of wrong labels sometimes beats training with clean labels.",
        section="Tutorial 1 of the same day, memorization",
        experiment="The benchmark: the same networks, images and seeds under partly random and under clean labels. "
        "The tutorial speaks of 10 to 15 % wrong labels; the share measured here is on the data page. "
        "“Sometimes” is read as: with one of the two unregularized networks.",
        rule="any",
        parts=[
            Points(
                variant,
                f"test accuracy of `{variant}`, partly random minus clean labels",
                of_benchmark(variant, "partly_random") - of_benchmark(variant, "clean"),
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
        "as the reference, which keeps the last. It may stop before the best epoch of the full run.",
        parts=[beats("early_stopping", task=task, case=named(task)) for task in ("clean", "partly_random")],
    ),
    Claim(
        id="dropout-helps",
        claim="A network with dropout does better on unseen data than the same network without.",
        section="Section 2: Dropout",
        experiment=f"The notebook’s noisy line with several seeds, and the benchmark on clean labels. {UNTUNED}",
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
        f"digits are shifted instead (`data.augmentation` in `params.yaml`). {UNFINISHED}",
        parts=[beats("augmentation")],
    ),
    Claim(
        id="lr-regularizes",
        claim="Within the stable range, a larger learning rate generalizes better.",
        section="Section 4.1: Learning Rate",
        experiment="The benchmark on clean labels with the shared learning rate and with a larger one, equally many "
        "epochs. `small_lr` is not counted: it may not finish learning in its epochs, and the difference would show "
        "how far it had come, not how well it generalizes.",
        parts=[beats("large_lr")],
    ),
    Claim(
        id="big-regularized-beats-small",
        claim="A large network that is regularized does better on unseen data than a small one that is not.",
        section="Section 3, Think! 3.2: Overparameterized vs. Small NN",
        experiment="The benchmark on clean labels: the network with twice the hidden units and dropout against the "
        f"shared one without. {UNTUNED}",
        parts=[beats("wide_dropout")],
    ),
    Claim(
        id="cocktail-helps",
        claim="All methods together do better on unseen data than each of them alone.",
        section="Section 5: Hyperparameter Tuning, overview of techniques",
        experiment="The benchmark on clean labels: the variant `everything` against each of its methods alone. "
        f"{UNTUNED} Penalty and dropout are weaker in the cocktail than alone. {UNFINISHED}",
        parts=[beats("everything", other, case=other) for other in COCKTAIL],
    ),
    Claim(
        id="max-over-epochs-flatters",
        claim="The maximum over epochs of a validation accuracy overstates the accuracy on unseen data.",
        section="Section 4.1: Learning Rate, maximum test accuracy",
        experiment="The benchmark on clean labels. Early stopping keeps the weights of the epoch with the largest "
        "validation accuracy. By how much that accuracy exceeds these weights’ test accuracy is compared with the "
        "same excess for the last epoch, which was not selected: any difference in difficulty between the validation "
        "and test images cancels. Measured with the validation images of `splits.val` in `params.yaml`; the "
        "notebook has 100, and fewer images flatter more. The notebook’s maximum is over all epochs; early stopping "
        "sees the "
        "epochs up to its stop only.",
        parts=[
            Points(
                "early_stopping",
                f"validation minus test accuracy, of `early_stopping` minus that of `{BASELINE}`, clean labels",
                (of_benchmark("early_stopping", metric="val_accuracy") - of_benchmark("early_stopping"))
                - (of_benchmark(BASELINE, metric="val_accuracy") - of_benchmark(BASELINE)),
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
        f"strength `evaluation.fgsm_epsilon`. {UNTUNED}",
        parts=[
            Points(
                variant,
                f"test accuracy lost by `{variant}` minus that lost by `{BASELINE}`, clean labels",
                of_benchmark(variant, metric="fgsm_drop") - of_benchmark(BASELINE, metric="fgsm_drop"),
                "less",
                EFFECTS_FIGURE,
            )
            for variant in REGULARIZERS
        ],
    ),
)
