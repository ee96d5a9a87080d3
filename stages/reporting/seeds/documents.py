"""The seed documents, whose experiments and claims the benchmark reproduces, and the pages on each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Document:
    number: str
    title: str
    about: str
    """What it does, in a sentence."""
    url: str
    """Empty where no address is known."""
    pages: tuple[str, ...]
    """The pages on it, by name."""


DOCUMENTS = (
    Document(
        "000",
        "Lecture 7: Regularization in Neural Networks, code",
        "Logistic regression on two features, with weight decay by the optimizer and as a penalty in the loss.",
        "https://github.com/DL4CV-NPTEL/Deep-Learning-For-Computer-Vision",
        ("logistic_decay",),
    ),
    Document(
        "001",
        "Neuromatch Academy, Regularization techniques part 2",
        "A course notebook: penalties, dropout, augmentation and learning rates on Animal Faces, and a noisy line.",
        "https://deeplearning.neuromatch.io/tutorials/W2D1_Regularization/student/W2D1_Tutorial2.html",
        ("replay", "toy_dropout"),
    ),
    Document(
        "002",
        "Stack Overflow, a question: why L2 regularization by hand does not match PyTorch’s",
        "Its author divides the penalty by the number of rows; the answer shows that PyTorch does not.",
        "",
        ("decay_scaling",),
    ),
    Document(
        "003",
        "A notebook on MNIST: Regularization in Machine Learning",
        "Networks on MNIST without regularization, with weight decay, dropout and batch normalization.",
        "",
        ("mnist_mlp",),
    ),
    Document(
        "004",
        "Dive into Deep Learning, forum on weight decay",
        "Readers’ answers to a chapter’s exercises on linear regression with more inputs than rows.",
        "https://d2l.ai/chapter_linear-regression/weight-decay.html",
        ("linear_decay",),
    ),
)
