"""What document 000 claims."""

from __future__ import annotations

from stages.documents.claim import Claim, Same

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
)
