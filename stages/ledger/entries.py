"""Every claim that is put to the test. To add one, add an entry here."""

from __future__ import annotations

from typing import Literal

from stages.config import BASELINE
from stages.ledger.claim import Claim, Percent, Points, Same
from stages.ledger.evidence import EVALUATION, Measure, Outcome

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
"""What the variant `everything` is mixed of."""
UNTUNED = "Strengths are those of `params.yaml`, not tuned."
UNFINISHED = "All variants have equally many epochs; one that slows learning down may not have come to its end in them."

ACCURACY_FIGURE = "index.html#differences"
ADAM: tuple[tuple[str, str, str, Literal["same", "differs"]], ...] = (
    ("Adam", "penalty in the loss against Adam’s `weight_decay`", "adam_decay_is_l2", "same"),
    ("AdamW", "Adam’s `weight_decay` against AdamW’s", "adamw_differs", "differs"),
)
"""What two studies hold against each other."""
ADAM_STUDIES = (
    ("mnist_mlp", "network", "seeds/mnist_mlp.html#mnist_mlp-norm"),
    ("logistic_decay", "logistic regression", "seeds/logistic_decay.html#logistic_decay-adam"),
)
SWEEP_FIGURE = "seeds/linear_decay.html#linear_decay-sweep"
BOOK = ", the book’s way"
DISTANCE_FIGURE = "seeds/decay_scaling.html#decay_scaling-distance"
EFFECTS_FIGURE = "claims.html#claims-points"
MNIST_FIGURE = "seeds/mnist_mlp.html#mnist_mlp-accuracy"


def measured(variant: str, task: str = "clean", metric: str = "test_accuracy") -> Measure:
    """A metric of a variant of the benchmark."""
    return Measure(((1.0, Outcome(EVALUATION, f"{variant}/{task}", metric)),))


def named(task: str) -> str:
    return f"{task.replace('_', ' ')} labels"


def studied(study: str, case: str, metric: str) -> Measure:
    """A metric of a case of a study."""
    return Measure(((1.0, Outcome(study, case, metric)),))


def beats(variant: str, other: str = BASELINE, task: str = "clean", case: str = "") -> Points:
    """The one variant is said to be more accurate on the test set."""
    text = f"test accuracy of `{variant}` minus that of `{other}`, {named(task)}"
    difference = measured(variant, task) - measured(other, task)
    return Points(case or variant, text, difference, "greater", ACCURACY_FIGURE)


def mnist(case: str) -> Measure:
    """Validation accuracy, as the document has it."""
    return studied("mnist_mlp", case, "val_accuracy")


def gain(method: str, outputs: str) -> Measure:
    """Of a method over no regularization, with the ReLU on the outputs or without."""
    return mnist(f"{method}/{outputs}") - mnist(f"none/{outputs}")


def line_loss(strength: int, way: str = "") -> Measure:
    return studied("linear_decay", f"{way}lambda_{strength}", "test_loss")


def fall(way: str = "", text: str = "") -> Percent:
    """The test loss is said to fall up to strength 1."""
    measured = "test loss at strength 1 relative to that at 0"
    return Percent(f"fall{text}", f"{measured}{text}", line_loss(1, way), line_loss(0, way), "less", SWEEP_FIGURE)


def flat(strength: int, way: str = "", text: str = "") -> Percent:
    """The test loss is said to stay what it is at strength 1."""
    measured = f"test loss at strength {strength} relative to that at 1{text}"
    own, reference = line_loss(strength, way), line_loss(1, way)
    return Percent(f"flat at {strength}{text}", measured, own, reference, "negligible", SWEEP_FIGURE)


CLAIMS = (
    Claim(
        id="decay-is-l2-under-sgd",
        claim="Under SGD, the optimizer’s `weight_decay` is half its strength times the squared norm in the loss.",
        document="000",
        section="L2-regularized logistic regression, by `weight_decay` and by hand",
        experiment="Logistic regression trained both ways; weights and bias are compared after every epoch.",
        parts=[
            Same(
                "plain",
                "weights and bias of the two ways over all epochs",
                "logistic_decay",
                "decay_is_l2_under_sgd",
                "seeds/logistic_decay.html#logistic_decay-parameters",
            ),
            Same(
                "with momentum",
                "weights and bias of the two ways over all epochs, with momentum",
                "logistic_decay",
                "decay_is_l2_with_momentum",
                "seeds/logistic_decay.html#logistic_decay-parameters",
            ),
        ],
    ),
    Claim(
        id="decay-not-divided",
        claim="The optimizer’s weight decay is not divided by the batch size.",
        document="002",
        section="The answer",
        experiment="Logistic regression in NumPy, the penalty divided by the number of rows and not, against PyTorch.",
        parts=[
            Same(
                "not divided",
                "penalty by hand, not divided, against PyTorch",
                "decay_scaling",
                "decay_not_divided",
                DISTANCE_FIGURE,
            ),
            Same(
                "divided",
                "penalty by hand, divided by the number of rows, against PyTorch",
                "decay_scaling",
                "divided_differs",
                DISTANCE_FIGURE,
                expected="differs",
            ),
        ],
    ),
    Claim(
        id="bias-is-decayed",
        claim="Weight decay takes hold of the bias too.",
        document="002",
        section="The answer",
        experiment="Logistic regression in NumPy, the bias penalized and spared, against PyTorch.",
        parts=[
            Same(
                "bias penalized",
                "penalty by hand on weights and bias, against PyTorch",
                "decay_scaling",
                "bias_is_decayed",
                DISTANCE_FIGURE,
            ),
            Same(
                "bias spared",
                "penalty by hand on the weights alone, against PyTorch",
                "decay_scaling",
                "spared_bias_differs",
                DISTANCE_FIGURE,
                expected="differs",
            ),
        ],
    ),
    Claim(
        id="adam-decay-is-not-decoupled",
        claim="Adam’s `weight_decay` is an L2 penalty in the gradient; the decoupled decay of AdamW is another thing.",
        document="003",
        section="When should I use what?",
        experiment="The document prefers Adam’s decay for being decoupled. The penalty in the loss, Adam’s "
        "`weight_decay` and AdamW’s, of one strength and from the same weights, are held against each other.",
        parts=[
            Same(
                f"{name}, {model}",
                text,
                study,
                identity,
                figure,
                expected,
            )
            for study, model, figure in ADAM_STUDIES
            for name, text, identity, expected in ADAM
        ],
    ),
    Claim(
        id="penalties-shrink-weights",
        claim="Networks trained with an L1 penalty, an L2 penalty or both end with smaller norms than without.",
        document="001",
        section="Section 1: L1 and L2 Regularization",
        experiment=f"The benchmark on clean labels: norm over all parameters after training. {UNTUNED}",
        parts=[
            Percent(
                variant,
                f"parameter norm of `{variant}` relative to that of `{BASELINE}`, clean labels",
                measured(variant, metric="param_norm"),
                measured(BASELINE, metric="param_norm"),
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
        document="001",
        section="Section 1: L1 and L2 Regularization",
        experiment="The benchmark on clean labels. The document speaks of penalties whose strength is tuned, which may "
        "do better.",
        parts=[beats(variant) for variant in PENALTIES],
    ),
    Claim(
        id="networks-memorise",
        claim="Every unregularized network comes to fit all of its training images under wholly random labels.",
        document="001",
        section="Tutorial 1 of the same day, memorization",
        experiment="The benchmark on random labels: the mean share over seeds of training labels that the variants "
        "without regularization miss, which the claim says is none, to within the smallest effect. A mean can hide one "
        "network that fails; the CSV file has the value of every seed. `small_lr` has a tenth of the learning rate and "
        "no more epochs: if it alone fails, the network can fit these labels and was not given the time.",
        parts=[
            Points(
                variant,
                f"training labels missed by `{variant}`, random labels",
                measured(variant, "random", "train_error"),
                "negligible",
                f"variants/{variant}.html#{variant}-accuracy",
            )
            for variant in (BASELINE, "small_lr", "large_lr", "wide")
        ],
    ),
    Claim(
        id="regularizers-resist-memorising",
        claim="Some regularizers lower the accuracy on wrong labels without lowering test accuracy.",
        document="001",
        section="Loading Animal Faces Randomized data",
        experiment="The benchmark on partly random labels: a regularizer must learn fewer of the wrong labels and "
        f"must not lose more test accuracy than the smallest effect. {UNTUNED}",
        rule="any",
        parts=[
            part
            for variant in REGULARIZERS
            for part in (
                Points(
                    variant,
                    f"wrong labels learnt by `{variant}` minus those by `{BASELINE}`, partly random labels",
                    measured(variant, "partly_random", "accuracy_on_wrong_given")
                    - measured(BASELINE, "partly_random", "accuracy_on_wrong_given"),
                    "less",
                    "index.html#memorization-partly_random",
                ),
                Points(
                    variant,
                    f"test accuracy of `{variant}` minus that of `{BASELINE}`, partly random labels",
                    measured(variant, "partly_random") - measured(BASELINE, "partly_random"),
                    "not less",
                    ACCURACY_FIGURE,
                ),
            )
        ],
    ),
    Claim(
        id="noise-can-help",
        claim="Training with a small share of wrong labels sometimes beats training with clean labels.",
        document="001",
        section="Tutorial 1 of the same day, memorization",
        experiment="The benchmark: the same networks, images and seeds under partly random and under clean labels. "
        "The tutorial speaks of 10 to 15 % wrong labels; the share here is measured on the page of the data. "
        "“Sometimes” is read as: with one of the two unregularized networks.",
        rule="any",
        parts=[
            Points(
                variant,
                f"test accuracy of `{variant}`, partly random minus clean labels",
                measured(variant, "partly_random") - measured(variant, "clean"),
                "greater",
                EFFECTS_FIGURE,
            )
            for variant in (BASELINE, "wide")
        ],
    ),
    Claim(
        id="early-stopping-helps",
        claim="The epoch with the best validation accuracy does better on unseen data than the last one.",
        document="001",
        section="Tutorial 1 of the same day, early stopping",
        experiment="The benchmark: early stopping keeps the weights of that epoch, and starts from the same weights "
        "as the reference, which keeps the last. It may stop before the best epoch of the full run.",
        parts=[beats("early_stopping", task=task, case=named(task)) for task in ("clean", "partly_random")],
    ),
    Claim(
        id="dropout-helps",
        claim="A network with dropout does better on unseen data than the same network without.",
        document="001",
        section="Section 2: Dropout",
        experiment=f"The notebook’s noisy line with several seeds, and the benchmark on clean labels. {UNTUNED}",
        parts=[
            Percent(
                "noisy line",
                "test loss with dropout relative to that without",
                studied("toy_dropout", "NetDropout", "test_loss"),
                studied("toy_dropout", "Net", "test_loss"),
                "less",
                "seeds/toy_dropout.html#toy_dropout-losses",
            ),
            beats("dropout"),
            beats("wide_dropout", "wide"),
        ],
    ),
    Claim(
        id="augmentation-helps",
        claim="Augmented training images make a network better on unseen data.",
        document="001",
        section="Section 3: Data Augmentation",
        experiment="The benchmark on clean labels. Images are flipped where a flipped picture shows the same thing; "
        f"digits are shifted instead (the file of the source says how). {UNFINISHED}",
        parts=[beats("augmentation")],
    ),
    Claim(
        id="lr-regularizes",
        claim="Within the stable range, a larger learning rate generalizes better.",
        document="001",
        section="Section 4.1: Learning Rate",
        experiment="The benchmark on clean labels with the shared learning rate and with a larger one, equally many "
        "epochs. `small_lr` is not counted: it may not finish learning in its epochs, and the difference would tell "
        "how far it had come, not how well it generalizes.",
        parts=[beats("large_lr")],
    ),
    Claim(
        id="big-regularized-beats-small",
        claim="A large network that is regularized does better on unseen data than a small one that is not.",
        document="001",
        section="Section 3, Think! 3.2: Overparameterized vs. Small NN",
        experiment="The benchmark on clean labels: the network with twice the hidden units and dropout against the "
        f"shared one without. {UNTUNED}",
        parts=[beats("wide_dropout")],
    ),
    Claim(
        id="cocktail-helps",
        claim="All methods together do better on unseen data than each of them alone.",
        document="001",
        section="Section 5: Hyperparameter Tuning, overview of techniques",
        experiment="The benchmark on clean labels: the variant `everything` against each of its methods alone. "
        f"{UNTUNED} Penalty and dropout are weaker in the cocktail than alone. {UNFINISHED}",
        parts=[beats("everything", other, case=other) for other in COCKTAIL],
    ),
    Claim(
        id="max-over-epochs-flatters",
        claim="The maximum over epochs of a validation accuracy overstates the accuracy on unseen data.",
        document="001",
        section="Section 4.1: Learning Rate, maximum test accuracy",
        experiment="The benchmark on clean labels. Early stopping keeps the weights of the epoch with the largest "
        "validation accuracy. By how much that accuracy exceeds these weights’ test accuracy is compared with the "
        "same excess for the last epoch, which nothing has chosen: what the validation images are easier or harder "
        "than the test images cancels. Measured with the validation images of `splits.val` in `params.yaml`; the "
        "notebook has 100, and fewer flatter more. The notebook’s maximum is over all epochs; early stopping sees the "
        "epochs up to its stop only.",
        parts=[
            Points(
                "early_stopping",
                f"validation minus test accuracy, of `early_stopping` minus that of `{BASELINE}`, clean labels",
                (measured("early_stopping", metric="val_accuracy") - measured("early_stopping"))
                - (measured(BASELINE, metric="val_accuracy") - measured(BASELINE)),
                "greater",
                "variants/early_stopping.html#early_stopping-accuracy",
            )
        ],
    ),
    Claim(
        id="relu-on-logits",
        claim="The gains of dropout and batch normalization on MNIST come from the ReLU after the last layer.",
        document="003",
        section="Dropout; BatchNorm",
        experiment="The document’s networks with that ReLU and without it, all else the same. With it, a class whose "
        "output is zero for every image is never learnt. A method’s gain over no regularization comes from that ReLU "
        "if there is one with it, and more than half of it is gone without. `batch_norm` has the document’s learning "
        "rate, 0.1 against the 0.01 of `none`, with the ReLU and without.",
        parts=[
            part
            for method in ("dropout", "batch_norm")
            for part in (
                Points(
                    method,
                    f"gain of `{method}` with the ReLU: validation accuracy minus that of `none`",
                    gain(method, "relu"),
                    "greater",
                    MNIST_FIGURE,
                ),
                Points(
                    method,
                    f"gain of `{method}` with the ReLU minus twice its gain without",
                    gain(method, "relu") - gain(method, "logits") - gain(method, "logits"),
                    "greater",
                    MNIST_FIGURE,
                ),
            )
        ],
    ),
    Claim(
        id="tiny-decay-is-nothing",
        claim="A weight decay of 1e\u221215 changes nothing.",
        document="003",
        section="Weight Decay",
        experiment="The document reads 86.73 against 88.33 % as a gain. Here both start from the same weights, with "
        "several seeds, with and without the ReLU after the last layer.",
        parts=[
            Points(
                text,
                f"validation accuracy with the decay minus that without, {text}",
                gain("decay_1e-15", output),
                "negligible",
                MNIST_FIGURE,
            )
            for output, text in (("relu", "with the ReLU"), ("logits", "without the ReLU"))
        ],
    ),
    Claim(
        id="lambda-plateau",
        claim="Test loss falls steeply up to a penalty of strength 1, then stays flat up to 10.",
        document="004",
        section="A reader’s table of losses",
        experiment="Linear regression with 200 inputs and 20 rows, strengths 0 to 10, many seeds. Flat means that the "
        "loss differs from that at strength 1 by less than the smallest effect. The post shows no program; trained the "
        "way whose test losses match its table: Keras’s initial weights, and neither the loss nor the penalty halved. "
        "The book’s own way, with weights that start at N(0, 1) and both halved, has cases of its own.",
        parts=[
            fall(),
            *(flat(strength) for strength in range(2, 11)),
            fall("book_", BOOK),
            flat(10, "book_", BOOK),
        ],
    ),
    Claim(
        id="decay-is-ridge",
        claim="Gradient descent with decay ends at the ridge solution, which is the most probable one under a "
        "Gaussian prior.",
        document="004",
        section="Exercises: the closed form, and the prior that a penalty stands for",
        experiment="The weights after many full-batch steps, those of scikit-learn’s Ridge, and those of the largest "
        "posterior density, found numerically.",
        parts=[
            Same(
                "ridge",
                "gradient descent with decay against Ridge",
                "linear_decay",
                "decay_is_ridge",
                SWEEP_FIGURE,
            ),
            Same(
                "posterior",
                "maximum of the posterior under a Gaussian prior against Ridge",
                "linear_decay",
                "map_is_ridge",
                "seeds/linear_decay.html#linear_decay-priors",
            ),
        ],
    ),
    Claim(
        id="regularized-is-robust",
        claim="Regularized networks lose less accuracy than unregularized ones when an adversary moves each pixel a "
        "little.",
        document="001",
        section="Bonus: Adversarial Attacks",
        experiment="The benchmark on clean labels: test accuracy lost under the fast gradient sign method of "
        f"strength `evaluation.fgsm_epsilon`. {UNTUNED}",
        parts=[
            Points(
                variant,
                f"test accuracy lost by `{variant}` minus that lost by `{BASELINE}`, clean labels",
                measured(variant, metric="fgsm_drop") - measured(BASELINE, metric="fgsm_drop"),
                "less",
                EFFECTS_FIGURE,
            )
            for variant in REGULARIZERS
        ],
    ),
)
