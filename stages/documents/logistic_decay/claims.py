"""What document 000 claims."""

from __future__ import annotations

from stages.documents.claim import Claim, Points, Same
from stages.documents.evidence import Measure, of_document


def accuracy(strength: int) -> Measure:
    """Test accuracy on fresh data sets."""
    return of_document("logistic_decay", f"fresh_lambda_{strength}", "test_accuracy")


CLAIMS = (
    Claim(
        id="decay-is-l2-under-sgd",
        claim="Under SGD, the optimizer’s `weight_decay` equals half its strength times the squared norm in the loss.",
        section="L2-regularized logistic regression, by `weight_decay` and by hand",
        experiment="Logistic regression trained both ways; weights and bias are compared after every epoch.",
        parts=[
            Same(
                "plain",
                "weights and bias of the two ways over all epochs",
                "logistic_decay",
                "decay_is_l2_under_sgd",
                "documents/logistic_decay.html#logistic_decay-parameters",
            ),
            Same(
                "with momentum",
                "weights and bias of the two ways over all epochs, with momentum",
                "logistic_decay",
                "decay_is_l2_with_momentum",
                "documents/logistic_decay.html#logistic_decay-parameters",
            ),
        ],
    ),
    Claim(
        id="decay-helps-logistic",
        claim="Logistic regression with the lecture’s weight decay does better on unseen points than without.",
        section="L2-regularized logistic regression, by `weight_decay` and by hand",
        experiment="The lecture decays the weights to regularize and trains no model without. Both are trained on "
        "fresh data sets like the lecture’s, always drawn from two Gaussian clouds, each with a large test set. The "
        "points that the lecture has are but one data set.",
        parts=[
            Points(
                "accuracy",
                "test accuracy with a strength of 2 minus that without, fresh data sets",
                accuracy(2) - accuracy(0),
                "greater",
                "documents/logistic_decay.html#logistic_decay-gains",
            )
        ],
    ),
)
