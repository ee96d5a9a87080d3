"""What document 004 claims."""

from __future__ import annotations

from stages.documents.claim import Claim, Percent, Same
from stages.documents.evidence import Measure, of_document

SWEEP_FIGURE = "documents/linear_decay.html#linear_decay-sweep"
BOOK = ", the book’s way"


def loss(strength: int, way: str = "") -> Measure:
    return of_document("linear_decay", f"{way}lambda_{strength}", "test_loss")


def fall(way: str = "", text: str = "") -> Percent:
    """The claim that the test loss falls up to strength 1."""
    measured = "test loss at strength 1 relative to that at 0"
    return Percent(f"fall{text}", f"{measured}{text}", loss(1, way), loss(0, way), "less", SWEEP_FIGURE)


def flat(strength: int, way: str = "", text: str = "") -> Percent:
    """The claim that the test loss stays what it is at strength 1."""
    measured = f"test loss at strength {strength} relative to that at 1{text}"
    own, reference = loss(strength, way), loss(1, way)
    return Percent(f"flat at {strength}{text}", measured, own, reference, "negligible", SWEEP_FIGURE)


CLAIMS = (
    Claim(
        id="lambda-plateau",
        claim="Test loss falls steeply up to a penalty of strength 1, then stays flat up to 10.",
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
                "documents/linear_decay.html#linear_decay-priors",
            ),
        ],
    ),
)
