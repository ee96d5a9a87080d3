"""Small experiments on generated images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from stages import config
from stages.config import Training
from stages.history import METRICS, History
from stages.networks.network import Network
from stages.regularizers import REGULARIZERS, Regularizer
from stages.training.device import make_ready
from stages.training.examples import Examples
from stages.training.loop import Job, Trained, train

CLASSES = 3
SHAPE = (1, 4, 4)
CPU = torch.device("cpu")
PARAMS = config.load(Path(__file__).parents[2] / "params.yaml")

Settings = Callable[..., Training]
Methods = dict[str, dict[str, Any]]
TRIED: list[Methods] = [
    {},
    {"l1": {"strength": 0.01}},
    {"l2": {"strength": 0.01}},
    {"weight_decay": {"strength": 0.1}},
    {"dropout": {"p": 0.5}},
    {"batch_norm": {"momentum": 0.1}},
    {"augmentation": {"horizontal_flip": 0.5, "shift": 1}},
    {"label_smoothing": {"epsilon": 0.1}},
    {"early_stopping": {"patience": 2}},
    {"mixup": {"alpha": 0.4}},
    {"cutmix": {"alpha": 1.0, "p": 0.5}},
    {"cutout": {"side": 0.5}},
    {"affine": {"degrees": 20.0, "scale": 0.2}},
    {"trivial_augment": {"strength": 1.0}},
    {"disturb_label": {"share": 0.2}},
    {"confidence_penalty": {"strength": 0.1}},
    {"focal": {"gamma": 2.0}},
    {"gce": {"q": 0.7}},
    {"symmetric_ce": {"alpha": 0.1, "beta": 1.0}},
    {"mae": {}},
    {"normalized_ce": {"alpha": 1.0, "beta": 1.0}},
    {"forward_correction": {"rate": 0.1}},
    {"bootstrapping": {"beta": 0.95, "hard": False}},
    {"bootstrapping": {"beta": 0.8, "hard": True}},
    {"elr": {"strength": 3.0, "beta": 0.7}},
    {"flooding": {"level": 0.3}},
    {"logit_norm": {"temperature": 0.1}},
    {"gradient_clipping": {"norm": 0.5}},
    {"adaptive_clipping": {"factor": 0.1}},
    {"gradient_centralization": {}},
    {"sam": {"rho": 0.05}},
    {"jacobian_penalty": {"strength": 0.01}},
    {"input_gradient_penalty": {"strength": 0.1}},
    {"gradient_penalty": {"strength": 0.05}},
    {"fgsm_training": {"epsilon": 0.02}},
    {"ema": {"decay": 0.9}},
    {"swa": {"start": 0.75}},
    {"lookahead": {"k": 6, "alpha": 0.5}},
    {"cosine": {}},
    {"one_cycle": {"rise": 0.3}},
    {
        "sam": {"rho": 0.05},
        "batch_norm": {"momentum": 0.1},
        "ema": {"decay": 0.9},
        "jacobian_penalty": {"strength": 0.01},
    },
    {"augmentation": {"horizontal_flip": 0.5, "shift": 1}, "dropout": {"p": 0.2}, "early_stopping": {"patience": 3}},
    {"group_lasso": {"strength": 0.01}},
    {"nuclear_norm": {"strength": 0.01}},
    {"spectral_penalty": {"strength": 0.1}},
    {"soft_orthogonality": {"strength": 0.01}},
    {"l2_sp": {"strength": 0.1}},
    {"max_norm": {"limit": 0.7}},
    {"layer_norm": {}},
    {"group_norm": {"groups": 4}},
    {"ghost_batch_norm": {"size": 5, "momentum": 0.1}},
    {"weight_norm": {}},
    {"spectral_norm": {"iterations": 1}},
    {"input_dropout": {"p": 0.2}},
    {"drop_connect": {"p": 0.5}},
    {"gaussian_dropout": {"p": 0.5}},
    {"input_noise": {"sigma": 0.1}},
    {"weight_noise": {"sigma": 0.05}},
    {"gradient_noise": {"eta": 0.01, "gamma": 0.55}},
    {"stochastic_depth": {"p": 0.5}},
    {"dropblock": {"p": 0.2, "block": 2}},
    {"drop_connect": {"p": 0.2}, "layer_norm": {}, "weight_noise": {"sigma": 0.05}, "weight_norm": {}},
    *(
        {method.key: method.model_dump() for method in PARAMS.variants[name].regularizers}
        for name in ("cocktail", "all_compatible")
    ),
]
IN_PARAMS: Methods = {
    method.key: method.model_dump() for variant in PARAMS.variants.values() for method in variant.regularizers
}
"""Values of each method that a variant of the committed parameters uses."""
METHODS: list[Methods] = TRIED + [
    {key: IN_PARAMS[key]} for key in REGULARIZERS if key in IN_PARAMS and not any(key in methods for methods in TRIED)
]
"""Every method, alone or with others."""
KINDS = ("AnimalNet", "SmallConvNet", "SmallResNet")
"""A network of each kind."""
every_method = pytest.mark.parametrize("methods", METHODS, ids=lambda m: "+".join(m) or "none")
every_kind = pytest.mark.parametrize("network", KINDS)


@pytest.fixture(autouse=True)
def _as_the_stage_sets_up_torch() -> None:
    make_ready()


@pytest.fixture
def settings() -> Settings:
    def make(**changes: Any) -> Training:
        return PARAMS.training.model_copy(update={"epochs": 12, "lr": 0.1, "device": "cpu"} | changes)

    return make


def examples(seed: int, n: int) -> Examples:
    """Images of one replica whose brightness tells their class, but for noise: (1, n, 1, 4, 4).

    Every fourth label is wrong, so that all metrics are numbers.
    """
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(CLASSES, (1, n), generator=generator)
    noise = torch.randn(1, n, *SHAPE, generator=generator)
    true = (labels + (torch.arange(n) % 4 == 0)) % CLASSES
    return Examples(0.3 * noise + (labels.view(1, n, 1, 1, 1) - 1) * 0.4, labels, true)


def stacked(parts: Sequence[Examples]) -> Examples:
    images, labels, true = (torch.cat([getattr(p, part) for p in parts]) for part in ("images", "labels", "true"))
    return Examples(images, labels, true)


def regularizers(**parameters: dict[str, Any]) -> list[Regularizer]:
    return [REGULARIZERS[name](**values) for name, values in parameters.items()]


def train_jobs(jobs: Sequence[Job], n: int = 24) -> Trained:
    """Train a stack, a replica of seed s on images of its own."""
    training = stacked([examples(job.seed, n) for job in jobs])
    validation = stacked([examples(1000 + job.seed, 30) for job in jobs])
    return train(jobs, training, validation, CLASSES)


def run(
    settings: Training,
    seeds: Sequence[int] = (0,),
    n: int = 24,
    others: Sequence[Regularizer] = (),
    **methods: dict[str, Any],
) -> Trained:
    """Train a stack of replicas alike but for their seeds, with methods by name and `others`, a test's own."""
    specs = (*regularizers(**methods), *others)
    return train_jobs([Job(settings, specs, seed) for seed in seeds], n)


def weights(network: Network) -> Tensor:
    """All parameters of a stack: (R, parameters)."""
    return torch.cat([p.detach().flatten(1) for p in network.parameters()], dim=1)


def curve(history: History, metric: str) -> Tensor:
    """One metric over the measured epochs: (rows, R)."""
    return history.values[:, METRICS.index(metric)]


def same(a: Trained, b: Trained) -> bool:
    """Whether two trainings came out the same to the bit."""
    states = a.network.state_dict(), b.network.state_dict()
    return (
        states[0].keys() == states[1].keys()
        and all(torch.equal(value, states[1][name]) for name, value in states[0].items())
        and torch.equal(a.history.values.nan_to_num(), b.history.values.nan_to_num())
    )
