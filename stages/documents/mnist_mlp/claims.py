"""What document 003 claims."""

from __future__ import annotations

from typing import Literal

from stages.documents.claim import Claim, Points, Same
from stages.documents.evidence import Measure, of_document

ADAM: tuple[tuple[str, str, str, Literal["same", "differs"]], ...] = (
    ("Adam", "penalty in the loss against Adam’s `weight_decay`", "adam_decay_is_l2", "same"),
    ("AdamW", "Adam’s `weight_decay` against AdamW’s", "adamw_differs", "differs"),
)
"""What two documents’ experiments compare."""
ADAM_EXPERIMENTS = (
    ("mnist_mlp", "network", "documents/mnist_mlp.html#mnist_mlp-norm"),
    ("logistic_decay", "logistic regression", "documents/logistic_decay.html#logistic_decay-adam"),
)
ACCURACY_FIGURE = "documents/mnist_mlp.html#mnist_mlp-accuracy"


def accuracy(case: str) -> Measure:
    """Validation accuracy, as the document has it."""
    return of_document("mnist_mlp", case, "val_accuracy")


def gain(method: str, outputs: str) -> Measure:
    """The gain of a method over no regularization, with the ReLU on the outputs or without."""
    return accuracy(f"{method}/{outputs}") - accuracy(f"none/{outputs}")


CLAIMS = (
    Claim(
        id="adam-decay-is-not-decoupled",
        claim="Adam’s `weight_decay` is an L2 penalty in the gradient; the decoupled decay of AdamW is different.",
        section="When should I use what?",
        experiment="The document prefers Adam’s decay for being decoupled. The penalty in the loss, Adam’s "
        "`weight_decay` and AdamW’s, at one strength and from the same weights, are compared.",
        parts=[
            Same(
                f"{name}, {model}",
                text,
                document,
                identity,
                figure,
                expected,
            )
            for document, model, figure in ADAM_EXPERIMENTS
            for name, text, identity, expected in ADAM
        ],
    ),
    Claim(
        id="relu-on-logits",
        claim="The gains of dropout and batch normalization on MNIST come from the ReLU after the last layer.",
        section="Dropout; BatchNorm",
        experiment="The document’s networks with that ReLU and without it, all else the same. With it, a class whose "
        "output is zero for every image is never learned. A method’s gain over no regularization comes from that ReLU "
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
                    ACCURACY_FIGURE,
                ),
                Points(
                    method,
                    f"gain of `{method}` with the ReLU minus twice its gain without",
                    gain(method, "relu") - gain(method, "logits") - gain(method, "logits"),
                    "greater",
                    ACCURACY_FIGURE,
                ),
            )
        ],
    ),
    Claim(
        id="tiny-decay-is-nothing",
        claim="A weight decay of 1e\u221215 changes nothing.",
        section="Weight Decay",
        experiment="The document reads 86.73 against 88.33 % as a gain. Here both start from the same weights, with "
        "several seeds, with and without the ReLU after the last layer.",
        parts=[
            Points(
                text,
                f"validation accuracy with the decay minus that without, {text}",
                gain("decay_1e-15", output),
                "negligible",
                ACCURACY_FIGURE,
            )
            for output, text in (("relu", "with the ReLU"), ("logits", "without the ReLU"))
        ],
    ),
)
