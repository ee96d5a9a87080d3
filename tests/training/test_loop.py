"""The training loop, held to plain PyTorch, to identities and to the worked example of a document."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from stages.errors import UserError
from stages.models import NETWORKS, Network
from stages.regularizers import REGULARIZERS
from stages.training.examples import Examples
from stages.training.history import METRICS, History
from stages.training.loop import augment, make_optimizer, measure, step, train
from stages.training.streams import Streams
from tests.training.conftest import CLASSES, METHODS, SHAPE, Settings, examples, regularizers, run, stacked


def weights(network: Network) -> Tensor:
    """All parameters of a stack: (R, parameters)."""
    return torch.cat([p.detach().flatten(1) for p in network.parameters()], dim=1)


def curve(history: History, metric: str) -> Tensor:
    """One metric over the epochs: (epochs + 1, R)."""
    return history.values[:, METRICS.index(metric)]


@pytest.mark.parametrize("batch_size", [24, 10])
def test_it_is_the_plain_pytorch_loop(settings: Settings, batch_size: int) -> None:
    trained = run(settings(batch_size=batch_size), seeds=[7])
    data, validation = examples(7, 24), examples(1007, 30)
    initial = NETWORKS["AnimalNet"].stack(1, SHAPE, CLASSES, torch.device("cpu"))
    streams = Streams([7], torch.device("cpu"))
    initial.draw(streams)
    state = {name: value[0] for name, value in initial.state_dict().items()}

    model = nn.ModuleDict({"fc1": nn.Linear(16, 128), "fc2": nn.Linear(128, 32), "fc3": nn.Linear(32, CLASSES)})
    model.load_state_dict(state)

    def forward(x: Tensor) -> Tensor:
        return model["fc3"](F.relu(model["fc2"](F.relu(model["fc1"](x.flatten(1))))))

    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for epoch in range(13):
        with torch.no_grad():
            for name, part in (("train", data), ("val", validation)):
                logits = forward(part.images[0])
                accuracy = (logits.argmax(1) == part.labels[0]).double().mean()
                loss = F.cross_entropy(logits, part.labels[0])
                assert curve(trained.history, f"{name}_accuracy")[epoch, 0].item() == accuracy.item()
                assert curve(trained.history, f"{name}_loss")[epoch, 0].item() == pytest.approx(loss.item(), abs=1e-5)
            norm = sum(p.square().sum() for p in model.parameters()) ** 0.5
            assert curve(trained.history, "param_norm")[epoch, 0].item() == pytest.approx(float(norm), rel=1e-5)
        order = torch.arange(24) if batch_size == 24 else streams.permutation("batch_order", 24)[0]
        for batch in order.split(batch_size):
            optimizer.zero_grad()
            F.cross_entropy(forward(data.images[0, batch]), data.labels[0, batch]).backward()
            optimizer.step()


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_weight_decay_is_an_l2_penalty_of_half_the_strength(settings: Settings, optimizer: str) -> None:
    chosen = settings(optimizer=optimizer, lr=0.1 if optimizer == "sgd" else 0.003)
    decayed = weights(run(chosen, weight_decay={"strength": 0.2}).network)
    penalized = weights(run(chosen, l2={"strength": 0.1}).network)
    plain = weights(run(chosen).network)
    assert torch.allclose(decayed, penalized, atol=2e-4)
    assert (decayed - plain).abs().max() > 0.01


def test_adamw_decouples_the_decay(settings: Settings) -> None:
    chosen = settings(optimizer="adamw", lr=0.003)
    decayed = weights(run(chosen, weight_decay={"strength": 0.2}).network)
    penalized = weights(run(chosen, l2={"strength": 0.1}).network)
    assert (decayed - penalized).abs().max() > 0.001


def test_the_worked_example_of_weight_decay(settings: Settings) -> None:
    """Document 002: w = b = 1, gradients -32 and -10, lr 0.1, decay 1 give 4.1000 and 1.9000."""
    w, b = nn.Parameter(torch.ones(1, 1)), nn.Parameter(torch.ones(1, 1))
    chosen = settings(lr=0.1, momentum=0.0)
    optimizer = make_optimizer(chosen, regularizers(weight_decay={"strength": 1.0}), [w, b])
    x, y = torch.tensor([[2.0, 4.0]]), torch.tensor([[7.0, 11.0]])
    loss = (w * x + b - y).square().mean()
    assert loss.item() == 26
    loss.backward()
    assert (w.grad.item(), b.grad.item()) == (-32, -10)
    optimizer.step()
    assert (f"{w.item():.4f}", f"{b.item():.4f}") == ("4.1000", "1.9000")


@pytest.mark.parametrize("methods", METHODS, ids=lambda m: "+".join(m) or "none")
@pytest.mark.parametrize("batch_size", [24, 7])
def test_a_replica_learns_the_same_alone_and_in_a_stack(
    settings: Settings, methods: dict[str, Any], batch_size: int
) -> None:
    """Held to rounding over a few steps: native arithmetic may round by where a matrix lies in memory.

    `tests/bits` holds it to the bit, in arithmetic that is the same on every processor.
    """
    chosen = settings(batch_size=batch_size, epochs=3)
    together = run(chosen, seeds=[0, 1, 2], **methods)
    alone = run(chosen, seeds=[1], **methods)
    assert torch.allclose(weights(together.network)[1], weights(alone.network)[0], atol=1e-4)
    rows = int(alone.history.measured[0])
    assert rows == int(together.history.measured[1])
    assert torch.allclose(together.history.values[:rows, :, 1], alone.history.values[:rows, :, 0], atol=1e-3)


@pytest.mark.parametrize("methods", METHODS, ids=lambda m: "+".join(m) or "none")
def test_a_second_run_is_the_same_to_the_bit(settings: Settings, methods: dict[str, Any]) -> None:
    first, second = (run(settings(batch_size=7), seeds=[3, 4], **methods) for _ in range(2))
    assert torch.equal(weights(first.network), weights(second.network))
    assert torch.equal(first.history.values.nan_to_num(), second.history.values.nan_to_num())


def test_seeds_are_paired_between_methods(settings: Settings) -> None:
    """All methods start from the same weights, and a random method does not move the order of the batches."""
    plain = run(settings(batch_size=7))
    idle = run(settings(batch_size=7), augmentation={"horizontal_flip": 0.0, "shift": 0}, l1={"strength": 0.0})
    assert torch.equal(weights(plain.network), weights(idle.network))
    for layer in ("fc1", "fc2", "fc3"):
        assert len({run(settings(), **methods).initial_norms[layer].item() for methods in METHODS}) == 1


@pytest.mark.parametrize(
    ("methods", "batch_size", "passes"),
    [
        ({}, 24, 2),
        ({"l2": {"strength": 0.1}}, 24, 2),
        ({"label_smoothing": {"epsilon": 0.1}}, 24, 2),
        ({"dropout": {"p": 0.5}}, 24, 3),
        ({"batch_norm": {"momentum": 0.1}}, 24, 3),
        ({"augmentation": {"horizontal_flip": 0.5, "shift": 0}}, 24, 3),
        ({}, 12, 4),
    ],
)
def test_a_pass_that_serves_two_purposes_is_computed_once(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, methods: dict[str, Any], batch_size: int, passes: int
) -> None:
    calls = []
    forward = Network.forward
    monkeypatch.setattr(Network, "forward", lambda *a: calls.append(1) or forward(*a))
    run(settings(epochs=5, batch_size=batch_size), **methods)
    assert len(calls) == 5 * passes + 2  # the last measurement is followed by no step


def test_the_shared_pass_changes_nothing(settings: Settings) -> None:
    """An augmentation that does nothing takes the other path, with a pass of its own for training."""
    shared = run(settings())
    separate = run(settings(), augmentation={"horizontal_flip": 0.0, "shift": 0})
    assert torch.equal(weights(shared.network), weights(separate.network))


def test_batch_norm_refuses_a_batch_of_one(settings: Settings) -> None:
    for size in (23, 1):
        with pytest.raises(UserError, match=rf"training\.batch_size: found {size}, .* one of the 24 training images"):
            run(settings(batch_size=size), batch_norm={"momentum": 0.1})
    run(settings(batch_size=23))


def test_images_are_not_changed_in_secret(settings: Settings) -> None:
    class Secret(REGULARIZERS["l2"]):  # type: ignore[misc, name-defined]
        def batch(self, x: Tensor, y: Tensor, streams: Streams) -> tuple[Tensor, Tensor]:
            return x * 0, y

    data = examples(0, 24)
    with pytest.raises(TypeError, match="changes_inputs = True"):
        train(settings(), [Secret(strength=0.0)], data, data, CLASSES, [0])


def test_every_epoch_shows_every_image_once(settings: Settings) -> None:
    shown: list[Tensor] = []

    class Watch(REGULARIZERS["l2"]):  # type: ignore[misc, name-defined]
        def batch(self, x: Tensor, y: Tensor, streams: Streams) -> tuple[Tensor, Tensor]:
            shown.append(x[0].flatten(1))
            return x, y

    data = examples(0, 24)
    train(settings(batch_size=7, epochs=2), [Watch(strength=0.0)], data, data, CLASSES, [0])
    assert [len(batch) for batch in shown] == [7, 7, 7, 3] * 2
    images = data.images[0].flatten(1)
    first, second = torch.cat(shown[:4]), torch.cat(shown[4:])
    for epoch in (first, second):
        assert torch.equal(torch.cdist(images, epoch).argmin(1).sort().values, torch.arange(24))
    assert not torch.equal(first, second)


def test_label_smoothing_is_torchs(settings: Settings) -> None:
    logits = torch.randn(1, 9, CLASSES, requires_grad=True)
    labels = torch.randint(CLASSES, (9,))
    smoothing = regularizers(label_smoothing={"epsilon": 0.2})
    _, targets = augment(logits, F.one_hot(labels, CLASSES)[None].float(), smoothing, Streams([0], torch.device("cpu")))
    parameter = nn.Parameter(torch.zeros(1, 9, CLASSES))
    step(make_optimizer(settings(lr=1.0, momentum=0.0), [], [parameter]), logits + parameter, targets, [], [parameter])
    expected = torch.autograd.grad(F.cross_entropy(logits[0], labels, label_smoothing=0.2), logits)[0]
    assert torch.allclose(-parameter.detach(), expected, atol=1e-6)


def test_a_diverging_replica_is_marked_and_harms_no_other(settings: Settings) -> None:
    parts = [examples(seed, 24) for seed in range(3)]
    # Steps of this replica overflow: its pixels are far outside the range of images.
    parts[1] = Examples(parts[1].images * 1e18, parts[1].labels)
    validation = stacked([examples(1000 + seed, 30) for seed in range(3)])
    trained = train(settings(), [], stacked(parts), validation, CLASSES, [0, 1, 2])
    assert trained.history.diverged.tolist() == [False, True, False]
    rows = int(trained.history.measured[1])
    assert 1 < rows < 13
    losses = curve(trained.history, "train_loss")[:rows, 1]
    assert losses[:-1].isfinite().all()
    assert not losses[-1].isfinite()
    kept = weights(trained.network)
    assert kept.isfinite().all()
    with torch.no_grad():
        loss = F.cross_entropy(trained.network(stacked(parts).images)[1], parts[1].labels[0])
    assert loss.item() == pytest.approx(losses[-2].item(), rel=1e-4)
    healthy = run(settings(), seeds=[0, 1, 2])
    assert torch.allclose(kept[[0, 2]], weights(healthy.network)[[0, 2]], atol=1e-6)


def test_early_stopping_keeps_the_best_epoch(settings: Settings) -> None:
    patience = 3
    seeds = [0, 1, 2, 3]
    trained = run(settings(epochs=40, lr=0.3), seeds=seeds, early_stopping={"patience": patience})
    history = trained.history
    stopped = 0
    for r in range(len(seeds)):
        last = int(history.measured[r]) - 1
        accuracies = curve(history, "val_accuracy")[: last + 1, r]
        best = int(accuracies.argmax())  # the first of equals
        if last < 40:
            assert last == best + patience + 1
            stopped += 1
        norm = curve(history, "param_norm")[best, r].item()
        assert trained.network.norm()[r].item() == pytest.approx(norm, rel=1e-6)
    assert stopped > 0


def test_stopped_replicas_are_not_moved_by_those_that_go_on(settings: Settings) -> None:
    chosen = settings(epochs=40, lr=0.3)
    seeds = [0, 1, 2, 3]
    together = run(chosen, seeds=seeds, early_stopping={"patience": 3})
    assert len(set(together.history.measured.tolist())) > 1
    for r, seed in enumerate(seeds):
        alone = run(chosen, seeds=[seed], early_stopping={"patience": 3})
        assert torch.allclose(weights(together.network)[r], weights(alone.network)[0], atol=1e-4)


@pytest.mark.parametrize("methods", METHODS, ids=lambda m: "+".join(m) or "none")
def test_everything_is_placed_on_the_device(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, methods: dict[str, Any]
) -> None:
    """Fake CUDA tensors raise when an operation mixes devices; they hold no numbers and need no GPU."""
    chosen = settings(batch_size=7)
    methods = {name: values for name, values in methods.items() if name != "early_stopping"}  # decides on numbers

    def backward(loss: Tensor) -> None:  # autograd on CUDA asks for a driver
        assert loss.device.type == "cuda"
        for parameter in parameters:
            parameter.grad = torch.empty_like(parameter)

    monkeypatch.setattr(Tensor, "backward", backward)
    with FakeTensorMode(allow_non_fake_inputs=True):
        device = torch.device("cuda")
        streams = Streams([0, 1], device)
        images = torch.empty(2, 7, *SHAPE, device=device)
        labels = torch.zeros(2, 7, dtype=torch.long, device=device)
        network = NETWORKS["AnimalNet"].stack(2, SHAPE, CLASSES, device)
        chosen_regularizers = regularizers(**methods)
        for regularizer in chosen_regularizers:
            regularizer.build(network)
        network.draw(streams)
        parameters = list(network.parameters())
        optimizer = make_optimizer(chosen, chosen_regularizers, parameters)
        optimizer.step = lambda: None  # type: ignore[method-assign]  # the fused kernel has no fake form
        history = History(2, 3, device)
        x, y = augment(images, F.one_hot(labels, CLASSES).float(), chosen_regularizers, streams)
        step(optimizer, network(x, streams), y, chosen_regularizers, parameters)
        measure(history, network, network(images).detach(), labels, Examples(images, labels))
        assert {value.device.type for value in network.state_dict().values()} == {"cuda"}
        assert {history.values.device.type, history.active.device.type, x.device.type, y.device.type} == {"cuda"}


@pytest.mark.parametrize("shift", [0, 1, 3])
def test_augmentation_moves_whole_images(shift: int) -> None:
    x = torch.zeros(1, 50, 1, 9, 9)
    x[:, :, :, 4, 4] = 1
    method = REGULARIZERS["augmentation"](horizontal_flip=0.0, shift=shift)
    moved, _ = method.batch(x, x, Streams([0], torch.device("cpu")))
    spots = moved[0, :, 0].flatten(1)
    assert torch.equal(spots.sum(1), torch.ones(50))
    where = spots.argmax(1)
    offsets = {(int(i) // 9 - 4, int(i) % 9 - 4) for i in where}
    span = range(-shift, shift + 1)
    assert offsets <= {(a, b) for a in span for b in span}
    assert {a for a, _ in offsets} == {b for _, b in offsets} == set(span)


def test_augmentation_repeats_the_edge_and_mirrors() -> None:
    column = torch.arange(4.0).expand(1, 200, 1, 4, 4)
    streams = Streams([0], torch.device("cpu"))
    shifted, _ = REGULARIZERS["augmentation"](horizontal_flip=0.0, shift=1).batch(column, column, streams)
    rows = {tuple(row.tolist()) for row in shifted[0, :, 0, 0]}
    assert rows == {(0, 1, 2, 3), (0, 0, 1, 2), (1, 2, 3, 3)}
    mirrored, _ = REGULARIZERS["augmentation"](horizontal_flip=0.25, shift=0).batch(column, column, streams)
    flips = (mirrored[0, :, 0, 0, 0] == 3).double().mean().item()
    assert flips == pytest.approx(0.25, abs=0.08)
    assert {tuple(row.tolist()) for row in mirrored[0, :, 0, 0]} == {(0, 1, 2, 3), (3, 2, 1, 0)}


def test_streams_are_named_not_ordered() -> None:
    device = torch.device("cpu")
    straight, other = Streams([5, 6], device), Streams([6], device)
    other.uniform("a new method", 100)
    assert torch.equal(straight.uniform("init", 4)[1], other.uniform("init", 4)[0])
    assert not torch.equal(straight.uniform("init", 4)[0], straight.uniform("init", 4)[1])
    assert not torch.equal(Streams([5], device).uniform("a", 4), Streams([5], device).uniform("b", 4))
    assert torch.equal(straight.permutation("order", 9).sort().values, torch.arange(9).expand(2, 9))
