"""What document 002 claims."""

from __future__ import annotations

from stages.documents.claim import Claim, Same

DISTANCE_FIGURE = "documents/decay_scaling.html#decay_scaling-distance"

CLAIMS = (
    Claim(
        id="decay-not-divided",
        claim="The optimizer’s weight decay is not divided by the batch size.",
        section="The answer",
        experiment="Logistic regression in NumPy, the penalty divided by the number of rows or not, against PyTorch.",
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
        claim="Weight decay is applied to the bias too.",
        section="The answer",
        experiment="Logistic regression in NumPy, the bias penalized and exempt, compared with PyTorch.",
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
)
