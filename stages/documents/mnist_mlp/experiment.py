"""The networks of the notebook on MNIST, with its ReLU on the outputs and without.

The document trains 784-128-64-10 networks on all images at once and compares their validation accuracies: without
regularization, with a weight decay of 1e-15, with dropout, with batch normalization. Its ReLU after the last layer lets
classes die: an output that is zero for every image has no gradient and stays zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from stages import files
from stages.artefacts import versions
from stages.datasets import mnist
from stages.datasets.manifest import RAW
from stages.documents.base import ExperimentContext
from stages.documents.mnist_mlp import MnistMlpSettings
from stages.documents.outcome import DataNote, ExperimentOutcome, Identity, Printed, deviation
from stages.networks.layers import Activation, BatchNorm, Linear, Place
from stages.networks.network import Network, norm
from stages.streams import Streams
from stages.training.device import device_name, find_device
from stages.training.kept import address, keep, kept, packed, unpacked
from stages.training.parallel import in_processes

HIDDEN = (128, 64)
CLASSES = 10
LR = 0.01
BATCH_NORM_LR = 0.1
PENALTY = 0.001
"""Times the squared norm of all parameters. The document prints this penalty and never trains with it."""
DECAY = 2 * PENALTY
"""The `weight_decay` of the same strength: the gradient of the penalty is this times the weights."""
DROPOUT = 0.5
BATCH_NORM_MOMENTUM = 0.1
"""PyTorch's."""
REPORTED_STEP = 400
"""The document prints the loss of every hundredth step of 500, so the last one is that of step 400, counted from 0."""
STACK_ROWS = 5_000
"""The most training images, over all replicas of a stack: on few images the overhead of operations takes most of the
time, and a stack shares it; see `stages/README.md`."""
IDENTITY_ROWS, IDENTITY_STEPS = 500, 5
"""Few, for training is chaotic and rounding grows until nothing can be compared."""

MnistExamples = tuple[np.ndarray, np.ndarray]
"""Pixels (N, inputs) float32 in [0, 1] and class indices (N,) int64."""


@dataclass(frozen=True)
class MnistMethod:
    """How the networks of a case are trained."""

    optimizer: type[torch.optim.Adam] = torch.optim.Adam
    lr: float = LR
    weight_decay: float = 0.0
    penalty: float = 0.0
    """The strength of the squared norm of all parameters in the loss."""
    dropout: float = 0.0
    batch_norm: bool = False


METHODS = {
    "none": MnistMethod(),
    "decay_1e-15": MnistMethod(weight_decay=1e-15),
    "penalty": MnistMethod(penalty=PENALTY),
    "adam_decay": MnistMethod(weight_decay=DECAY),
    "adamw": MnistMethod(torch.optim.AdamW, weight_decay=DECAY),
    "dropout": MnistMethod(dropout=DROPOUT),
    "batch_norm": MnistMethod(batch_norm=True, lr=BATCH_NORM_LR),
    "batch_norm_small_lr": MnistMethod(batch_norm=True),
}
OUTPUTS = ("relu", "logits")
"""With the document's ReLU after the last layer, or without it and all else the same."""

PRINTED = {
    "none": ("86.73", "0.2451"),
    "decay_1e-15": ("88.33", "0.2362"),
    "dropout": ("97.42", "1.1635"),
    "batch_norm": ("97.09", "0.0028"),
}
"""Validation accuracy in percent and training loss of step 400, in the document."""
PROTOCOL = {
    "lr": LR,
    "batch_norm_lr": BATCH_NORM_LR,
    "penalty": PENALTY,
    "weight_decay": DECAY,
    "dropout": DROPOUT,
    "printed_losses": {method: float(loss) for method, (_, loss) in PRINTED.items()},
}


@dataclass(frozen=True)
class MnistStack:
    """Replicas of one case that train together."""

    method: str
    outputs: str
    seeds: tuple[int, ...]

    @property
    def case(self) -> str:
        return f"{self.method}/{self.outputs}"

    @property
    def file(self) -> str:
        return f"{self.method}-{self.outputs}-{'-'.join(map(str, self.seeds))}.stack"


def build(method: MnistMethod, relu: bool, seeds: Sequence[int], inputs: int, device: torch.device) -> Network:
    """A stack of the document's networks inputs-128-64-10, with dropout and normalization as the method has them,
    weights drawn.

    They treat the outputs like the preceding hidden layer: normalization, dropout, ReLU. Without `relu` they lack the
    ReLU on the outputs, and nothing else. The document drops after a ReLU, these networks just before it, which makes
    no difference.
    """
    replicas = len(seeds)
    layers: dict[str, nn.Module] = {}
    sizes = [inputs, *HIDDEN, CLASSES]
    for number, (fan_in, units) in enumerate(pairwise(sizes), start=1):
        layers[f"fc{number}"] = Linear(replicas, fan_in, units, device)
        layers[f"norm{number}"], layers[f"drop{number}"] = Place("norm", units), Place("drop", units)
        if relu or units != CLASSES:
            layers[f"activation{number}"] = Activation("relu")
    network = Network(replicas, layers, (0.0, method.dropout, method.dropout), device)
    if method.batch_norm:
        for place in network.places("norm"):
            place.hang("batch_norm", BatchNorm(replicas, place.units, BATCH_NORM_MOMENTUM, device))
    network.draw(Streams(seeds, device))
    return network


def run(settings: MnistMlpSettings, context: ExperimentContext) -> ExperimentOutcome:
    device = find_device(context.device)
    parts = mnist.load(settings.data, settings.url, RAW / "mnist")
    return compare(settings, parts, mnist.ORIGINS[settings.data], device, context.parts)


def compare(
    settings: MnistMlpSettings, parts: Mapping[str, MnistExamples], origin: str, device: torch.device, folder: Path
) -> ExperimentOutcome:
    """Train every method with and without the ReLU on the outputs, with every seed.

    `parts` are `train`, `validation` and `test`; `origin` says in a few words where they are from. Finished stacks are
    kept below `folder` and not trained again when found there, undamaged.
    """
    stacks = plan(settings.seeds, len(parts["train"][1]))
    trained = _train_all(stacks, parts, settings.epochs, device, folder / _key(settings, parts, device))
    published = settings.data == "mnist"
    to_train, to_validate, to_test = (f"{len(parts[name][1]):,}" for name in ("train", "validation", "test"))
    title = "MNIST" if published else f"{to_train} handwritten digits"
    sizes = f"{to_train} images for training, {to_validate} for validation, {to_test} for testing"
    outcomes = _outcomes(trained)
    curves = pd.concat(
        pd.DataFrame({"case": stack.case, "seed": seed, "step": range(settings.epochs), "loss": losses.numpy()})
        for stack, tensors in trained.items()
        for seed, losses in zip(stack.seeds, tensors["losses"], strict=True)
    )
    return ExperimentOutcome(
        DataNote(title, published, f"{origin}: {sizes}, the same for every seed."),
        settings.model_dump() | PROTOCOL,
        outcomes,
        identities(parts["train"], device),
        printed(outcomes, curves, published),
        {"curves": curves, "scales": _scales(trained)},
        device_name(device),
    )


def plan(seeds: int, rows: int) -> list[MnistStack]:
    """All replicas in stacks, which depend on the data alone: what shares a stack decides the last bits of a result."""
    size = max(1, STACK_ROWS // rows)
    return [
        MnistStack(method, outputs, tuple(range(first, min(first + size, seeds))))
        for first in range(0, seeds, size)
        for method, outputs in product(METHODS, OUTPUTS)
    ]


def _train_all(
    stacks: Sequence[MnistStack], parts: Mapping[str, MnistExamples], epochs: int, device: torch.device, folder: Path
) -> dict[MnistStack, dict[str, Tensor]]:
    """What `train` gives for each stack: those that `folder` does not hold side by side."""
    found = {stack: outcome for stack in stacks if (outcome := kept(folder / stack.file))}
    missing = [stack for stack in stacks if stack not in found]
    work = partial(train_stack, parts=parts, epochs=epochs, device=device)
    with tqdm(
        total=len(stacks),
        initial=len(found),
        desc="mnist_mlp",
        unit="stack",
        disable=None,  # silent where standard error is not a terminal
    ) as bar:
        for place, payload in in_processes(work, missing, None if device.type == "cpu" else 1):
            keep(folder / missing[place].file, payload)
            found[missing[place]] = unpacked(payload)
            bar.update()
    return {stack: found[stack] for stack in stacks}


def train_stack(stack: MnistStack, parts: Mapping[str, MnistExamples], epochs: int, device: torch.device) -> bytes:
    """What `train` gives for one stack, packed."""
    tensors = {
        name: (torch.from_numpy(pixels).to(device), torch.from_numpy(labels).to(device))
        for name, (pixels, labels) in parts.items()
    }
    outcome = train(METHODS[stack.method], stack.outputs == "relu", tensors, stack.seeds, epochs)
    return packed({name: value.cpu().contiguous() for name, value in outcome.items()})


def train(
    method: MnistMethod,
    relu: bool,
    parts: Mapping[str, tuple[Tensor, Tensor]],
    seeds: Sequence[int],
    epochs: int,
) -> dict[str, Tensor]:
    """Train a stack of R replicas, all on the same images, each step on all of them.

    Returns `losses` (R, epochs), each before its step and as it was trained on, so with dropout; what `measure` gives;
    and `scale.1`, ... (R, units), the scales of the batch normalizations.
    """
    pixels, labels = parts["train"]
    network = build(method, relu, seeds, pixels.shape[1], pixels.device)
    optimizer = _optimizer(method, network)
    x = pixels.expand(len(seeds), *pixels.shape)
    targets = F.one_hot(labels, CLASSES).float()
    losses = torch.empty(epochs, len(seeds), device=pixels.device)
    for epoch in range(epochs):
        losses[epoch] = _step(method, network, optimizer, x, targets)
    scales = {f"scale.{layer}": module.weight.detach() for layer, module in enumerate(network.normalizations, start=1)}
    return {"losses": losses.T, **measure(network.eval(), parts), **scales}


@torch.no_grad()
def measure(network: Network, parts: Mapping[str, tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
    """Each (R,), without dropout: accuracies, training loss in nats, classes that are dead, norm of all parameters.

    A class is dead if its output is the largest, without a tie, for no training image.
    """
    outputs = {name: network(pixels.expand(network.replicas, *pixels.shape)) for name, (pixels, _) in parts.items()}
    accuracies = {
        name: (outputs[name].max(-1).indices == labels).double().mean(1) for name, (_, labels) in parts.items()
    }
    first, second = outputs["train"].topk(2).values.unbind(-1)
    wins = (outputs["train"] == first[..., None]) & (first > second)[..., None]
    return {
        "train_accuracy": accuracies["train"],
        "val_accuracy": accuracies["validation"],
        "test_accuracy": accuracies["test"],
        "train_loss": _cross_entropy(outputs["train"], F.one_hot(parts["train"][1], CLASSES).float()),
        "dead_classes": CLASSES - wins.any(1).sum(-1),
        "norm": norm(network.parameters()),
    }


def identities(training: MnistExamples, device: torch.device) -> dict[str, Identity]:
    """Adam's `weight_decay` against the penalty in the loss, and against AdamW: a few steps in double precision."""
    pixels, labels = (torch.from_numpy(array[:IDENTITY_ROWS]).to(device) for array in training)
    x, targets = pixels.double()[None], F.one_hot(labels, CLASSES).double()

    def weights(name: str) -> Tensor:
        """The weights of the trained network, in one row."""
        network = build(METHODS[name], False, [0], pixels.shape[1], device).double()
        optimizer = _optimizer(METHODS[name], network)
        for _ in range(IDENTITY_STEPS):
            _step(METHODS[name], network, optimizer, x, targets)
        return torch.cat([p.detach().flatten() for p in network.parameters()]).cpu()

    decayed = weights("adam_decay")

    after = f"weights after {IDENTITY_STEPS} steps of Adam"
    return {
        "adam_decay_is_l2": Identity(
            f"{after}: weight_decay {DECAY:g}, and {PENALTY:g} times the squared norm in the loss",
            deviation(decayed, weights("penalty")),
        ),
        "adamw_differs": Identity(
            f"{after} with weight_decay {DECAY:g}, and of AdamW with the same", deviation(decayed, weights("adamw"))
        ),
    }


def printed(outcomes: pd.DataFrame, curves: pd.DataFrame, published: bool) -> list[Printed]:
    """The document's numbers beside the means over our seeds. Its seed is unknown, so its draws cannot be replayed."""
    numbers = []
    for method, (accuracy, loss) in PRINTED.items():
        own, curve = outcomes[outcomes["case"] == f"{method}/relu"], curves[curves["case"] == f"{method}/relu"]
        accuracies = 100 * own[own["metric"] == "val_accuracy"]["value"]
        losses = curve[curve["step"] == REPORTED_STEP]["loss"]
        for what, number, values in (
            (f"{method}: validation accuracy (%)", accuracy, accuracies),
            (f"{method}: training loss after {REPORTED_STEP} steps", loss, losses),
        ):
            if values.empty:  # of a training shorter than the document's
                continue
            low, high = values.min(), values.max()
            note = f"mean over {len(values)} seeds, which lie between {low:.4g} and {high:.4g}"
            if published:
                inside = low <= float(number) <= high
                note += f"; the document's unknown seed lies {'among' if inside else 'outside'} them"
            else:
                note += "; on digits, not MNIST"
            numbers.append(Printed(what, number, float(values.mean()), comparable=False, note=note))
    return numbers


def _optimizer(method: MnistMethod, network: Network) -> torch.optim.Optimizer:
    # Torch's other steps of Adam take MKL's roots, which depend on the processor.
    return method.optimizer(network.parameters(), lr=method.lr, weight_decay=method.weight_decay, fused=True)


def _step(
    method: MnistMethod,
    network: Network,
    optimizer: torch.optim.Optimizer,
    x: Tensor,
    targets: Tensor,
) -> Tensor:
    """One step on all images x (R, N, inputs); the losses (R,) before it, without the penalty."""
    losses = _cross_entropy(network(x), targets)
    total = losses.sum()  # gives each replica the gradient of its own loss
    if method.penalty:
        total = total + method.penalty * sum(p.square().sum() for p in network.parameters())
    optimizer.zero_grad()
    total.backward()
    optimizer.step()
    return losses.detach()


def _cross_entropy(outputs: Tensor, targets: Tensor) -> Tensor:
    """Mean negative log likelihoods (R,) in nats, from outputs (R, N, 10) and one-hot targets (N, 10)."""
    # The layout in which `Linear` leaves its outputs: in the other it takes twice as long.
    return -(targets.mT * outputs.mT.log_softmax(-2)).sum(-2).mean(-1)


def _outcomes(trained: Mapping[MnistStack, Mapping[str, Tensor]]) -> pd.DataFrame:
    rows = [
        {"case": stack.case, "seed": seed, "metric": metric, "value": float(value)}
        for stack, tensors in trained.items()
        for metric, values in tensors.items()
        if values.dim() == 1
        for seed, value in zip(stack.seeds, values, strict=True)
    ]
    return pd.DataFrame(rows)


def _scales(trained: Mapping[MnistStack, Mapping[str, Tensor]]) -> pd.DataFrame:
    """`case, seed, layer, unit, scale`: gamma of each batch-normalized unit, layers counted from 1."""
    tables = [
        pd.DataFrame(
            {
                "case": stack.case,
                "seed": seed,
                "layer": int(name.removeprefix("scale.")),
                "unit": range(len(scales)),
                "scale": scales.numpy(),
            }
        )
        for stack, tensors in trained.items()
        for name, values in tensors.items()
        if name.startswith("scale.")
        for seed, scales in zip(stack.seeds, values, strict=True)
    ]
    return pd.concat(tables, ignore_index=True)


def _key(settings: MnistMlpSettings, parts: Mapping[str, MnistExamples], device: torch.device) -> str:
    """A name for everything that determines the outcome of a stack: code, epochs, data, device, version of torch; its
    seeds are in the name of its file."""
    shared = ("stages/networks", "stages/streams.py", "stages/rng.py", "stages/training")
    code = files.sha256(Path(__file__), *map(Path, shared))
    arrays = [array for part in parts.values() for array in part]
    return address([settings.epochs, code, device.type, versions()], *arrays)
