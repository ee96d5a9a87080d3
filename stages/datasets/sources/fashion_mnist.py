"""Fashion-MNIST: 70,000 pictures of clothes in the format of MNIST."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from stages.datasets import idx
from stages.datasets.sources.mnist import PREFIX, Mnist


class FashionMnist(Mnist):
    title: ClassVar[str] = "Fashion-MNIST"
    description: ClassVar[str] = "Pictures of clothes and shoes in 28x28 gray pixels, from a shop's catalogue."
    url: ClassVar[str | None] = "https://github.com/zalandoresearch/fashion-mnist"
    licence: ClassVar[str | None] = "MIT"
    licence_url: ClassVar[str | None] = "https://github.com/zalandoresearch/fashion-mnist/blob/master/LICENSE"
    citation: ClassVar[str | None] = (
        "H. Xiao, K. Rasul, R. Vollgraf: Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning "
        "Algorithms. 2017. https://arxiv.org/abs/1708.07747"
    )
    augmentation: ClassVar[Mapping[str, float]] = {"horizontal_flip": 0.5, "shift": 2}
    address: ClassVar[str] = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com"
    files: ClassVar[Mapping[str, idx.Content]] = idx.contents(
        {  # as the publisher states them, of the compressed files
            f"{PREFIX}train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            f"{PREFIX}train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
            f"{PREFIX}t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
            f"{PREFIX}t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
        },
        packed=True,
    )
    classes: ClassVar[tuple[str, ...]] = (
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    )
