"""The training loop, held to plain PyTorch and to identities."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from stages.errors import UserError
from stages.history import History, measured_epochs
from stages.networks import NETWORKS
from stages.networks.network import Network, norm
from stages.regularizers import Regularizer
from stages.regularizers.base import ORDER, Group, Step, Work
from stages.streams import Streams
from stages.training.examples import Examples
from stages.training.loop import Job, batches, build, make_optimizer, measure, take, train
from tests.networks.twins import copy, twin
from tests.training.conftest import (
    CLASSES,
    CPU,
    METHODS,
    SHAPE,
    Methods,
    Settings,
    curve,
    every_kind,
    every_method,
    examples,
    regularizers,
    run,
    same,
    stacked,
    train_jobs,
    weights,
)


def method(on: Work, acts_on: str = "weights", key: str = "of_a_test", **values: float) -> Regularizer:
    """A method of a test's own, at work by a subclass of `Work` that is not in the registry."""
    fields = {"__annotations__": dict.fromkeys(values, "float")}
    kind = type(
        "OfATest", (Regularizer,), {**fields, "work": on, "acts_on": acts_on, "key": key, "__module__": __name__}
    )
    made: Regularizer = kind(**values)
    return made


@pytest.mark.parametrize(("epochs", "batch_size"), [(12, 24), (12, 10), (26, 24)])
@every_kind
def test_it_is_the_plain_pytorch_loop(settings: Settings, network: str, epochs: int, batch_size: int) -> None:
    trained = run(settings(network=network, batch_size=batch_size, epochs=epochs), seeds=[7])
    data, validation = examples(7, 24), examples(1007, 30)
    initial = NETWORKS[network].stack(1, SHAPE, CLASSES, CPU)
    streams = Streams([7], CPU)
    initial.draw(streams)
    model = twin(network, SHAPE, CLASSES)
    copy(initial, 0, model)

    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    assert trained.history.epochs == measured_epochs(epochs)
    assert trained.history.rows.tolist() == [len(measured_epochs(epochs))]
    row = 0
    for epoch in range(epochs + 1):
        with torch.no_grad():
            for name, part in (("train", data), ("val", validation)) if epoch in trained.history.epochs else ():
                logits = model(part.images[0])
                accuracy = (logits.argmax(1) == part.labels[0]).double().mean()
                loss = F.cross_entropy(logits, part.labels[0])
                assert curve(trained.history, f"{name}_accuracy")[row, 0].item() == accuracy.item()
                assert curve(trained.history, f"{name}_loss")[row, 0].item() == pytest.approx(loss.item(), abs=1e-5)
            if epoch in trained.history.epochs:
                length = sum(p.square().sum() for p in model.parameters()) ** 0.5
                assert curve(trained.history, "param_norm")[row, 0].item() == pytest.approx(float(length), rel=1e-5)
                row += 1
        if epoch < epochs:
            order = torch.arange(24) if batch_size == 24 else streams.permutation("batch_order", 24)[0]
            for batch in order.split(batch_size):
                optimizer.zero_grad()
                F.cross_entropy(model(data.images[0, batch]), data.labels[0, batch]).backward()
                optimizer.step()
    assert row == len(trained.history.values)
    ends = torch.cat([p.detach().flatten() for p in model.parameters()])
    assert torch.allclose(weights(trained.network)[0], ends, atol=1e-4)


def test_each_replica_has_its_own_learning_rate_and_momentum(settings: Settings) -> None:
    rates = [(0.1, 0.9), (0.02, 0.0), (0.3, 0.5)]
    jobs = [Job(settings(lr=lr, momentum=momentum), (), seed) for seed, (lr, momentum) in enumerate(rates)]
    together = train_jobs(jobs)
    for seed, job in enumerate(jobs):
        alone = train_jobs([job])
        assert torch.allclose(weights(together.network)[seed], weights(alone.network)[0], atol=1e-5)


@every_method
@pytest.mark.parametrize("batch_size", [24, 7])
@every_kind
def test_a_replica_learns_the_same_alone_and_in_a_stack(
    settings: Settings, network: str, methods: Methods, batch_size: int
) -> None:
    """Held to rounding over a few steps: native arithmetic may round by where a matrix lies in memory.

    `tests/bits` holds it to the bit, in arithmetic that is the same on every processor.
    """
    chosen = settings(batch_size=batch_size, epochs=3, network=network)
    together = run(chosen, seeds=[0, 1, 2], **methods)
    alone = run(chosen, seeds=[1], **methods)
    assert torch.allclose(weights(together.network)[1], weights(alone.network)[0], atol=1e-4)
    rows = int(alone.history.rows[0])
    assert rows == int(together.history.rows[1])
    assert torch.allclose(together.history.values[:rows, :, 1], alone.history.values[:rows, :, 0], atol=1e-3)


@every_method
@every_kind
def test_a_second_run_is_the_same_to_the_bit(settings: Settings, network: str, methods: Methods) -> None:
    chosen = settings(batch_size=7, network=network, epochs=12 if network == "AnimalNet" else 3)
    assert same(*(run(chosen, seeds=[3, 4], **methods) for _ in range(2)))


def test_seeds_are_paired_between_methods(settings: Settings) -> None:
    """All methods start from the same weights, and a random method does not move the order of the batches."""
    plain = run(settings(batch_size=7))
    idle = run(settings(batch_size=7), augmentation={"horizontal_flip": 0.0, "shift": 0}, l1={"strength": 0.0})
    assert torch.equal(weights(plain.network), weights(idle.network))
    for layer in ("fc1", "fc2", "fc3"):
        assert len({run(settings(epochs=1), **methods).initial_norms[layer].item() for methods in METHODS}) == 1


def test_a_batch_of_all_images_is_trained_in_their_order(settings: Settings) -> None:
    """As the whole of them in any batch size that is at least their number."""
    assert same(run(settings(batch_size=24)), run(settings(batch_size=128)))


def test_batch_norm_refuses_a_batch_of_one(settings: Settings) -> None:
    for size in (23, 1):
        with pytest.raises(UserError, match=rf"training\.batch_size: found {size}, .* one of the 24 training images"):
            run(settings(batch_size=size), batch_norm={"momentum": 0.1})
    run(settings(batch_size=23))
    run(settings(batch_size=22), batch_norm={"momentum": 0.1})


@pytest.mark.parametrize("batch_size", [7, 24])
def test_every_epoch_shows_every_image_once(settings: Settings, batch_size: int) -> None:
    """And tells which each is, of its replica's."""
    shown: list[Step] = []

    class Watch(Work):
        def batch(self, step: Step) -> None:
            shown.append(replace(step))

    seeds = [0, 5]
    run(settings(batch_size=batch_size, epochs=2), seeds, others=[method(Watch, "images")])
    sizes = [7, 7, 7, 3] if batch_size == 7 else [24]
    assert [step.x.shape[1] for step in shown] == sizes * 2
    assert [(step.t, step.total) for step in shown] == [(t, 2 * len(sizes)) for t in range(2 * len(sizes))]
    data = stacked([examples(seed, 24) for seed in seeds])
    targets = F.one_hot(data.labels, CLASSES).float()
    orders = []
    for epoch in (shown[: len(sizes)], shown[len(sizes) :]):
        index = torch.cat([step.index for step in epoch], 1)
        for r in range(len(seeds)):
            assert torch.equal(index[r].sort().values, torch.arange(24))
            assert torch.equal(torch.cat([step.x for step in epoch], 1)[r], data.images[r, index[r]])
            assert torch.equal(torch.cat([step.y for step in epoch], 1)[r], targets[r, index[r]])
        orders += index.unbind()
    for i, a in enumerate(orders):
        for b in orders[:i]:
            assert torch.equal(a, b) == (batch_size == 24)


def test_a_diverging_replica_is_marked_and_harms_no_other(settings: Settings) -> None:
    parts = [examples(seed, 24) for seed in range(3)]
    # Steps of this replica overflow: its pixels are far outside the range of images.
    parts[1] = replace(parts[1], images=parts[1].images * 1e18)
    validation = stacked([examples(1000 + seed, 30) for seed in range(3)])
    trained = train([Job(settings(), (), seed) for seed in range(3)], stacked(parts), validation, CLASSES)
    assert trained.history.diverged.tolist() == [False, True, False]
    rows = int(trained.history.rows[1])
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


@every_method
def test_a_neighbour_that_diverges_changes_no_bit(settings: Settings, methods: Methods) -> None:
    """By a learning rate that no training survives."""

    def end(lr: float) -> tuple[Tensor, Tensor, list[bool]]:
        jobs = [Job(settings(lr=rate, epochs=6), tuple(regularizers(**methods)), 0) for rate in (0.1, lr)]
        trained = train_jobs(jobs)
        return weights(trained.network)[0], trained.history.values[..., 0], trained.history.diverged.tolist()

    calm, wild = end(0.1), end(1e30)
    assert wild[2] == [False, True]
    assert calm[2] == [False, False]
    rows = int((~calm[1][:, 0].isnan()).sum())
    assert torch.equal(calm[0], wild[0])
    assert torch.equal(calm[1][:rows], wild[1][:rows])


def test_training_can_be_interrupted_before_every_epoch(settings: Settings) -> None:
    calls = []
    data = examples(0, 24)
    train([Job(settings(epochs=5), (), 0)], data, data, CLASSES, lambda: calls.append(1))
    assert len(calls) == 6

    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train([Job(settings(), (), 0)], data, data, CLASSES, interrupt)


@every_method
@every_kind
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_everything_is_placed_on_the_device(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, network: str, methods: Methods, optimizer: str
) -> None:
    """Fake CUDA tensors raise when an operation mixes devices; they hold no numbers and need no GPU."""
    chosen = settings(batch_size=4, network=network, optimizer=optimizer)
    jobs = [Job(chosen, tuple(regularizers(**methods)), seed) for seed in range(2)]

    def backward(loss: Tensor) -> None:  # autograd on CUDA asks for a driver
        assert loss.device.type == "cuda"
        for parameter in stack.parameters():
            parameter.grad = torch.empty_like(parameter)

    def grad(of: Tensor, by: Tensor | Sequence[Tensor], create_graph: bool = False) -> tuple[Tensor, ...]:
        assert of.device.type == "cuda"
        return tuple(torch.empty_like(value) for value in ([by] if isinstance(by, Tensor) else by))

    monkeypatch.setattr(Tensor, "backward", backward)
    monkeypatch.setattr(torch.autograd, "grad", grad)
    # What asks for numbers, which fake tensors do not have.
    monkeypatch.setattr(Tensor, "__bool__", lambda x: True)
    with FakeTensorMode(allow_non_fake_inputs=True):
        device = torch.device("cuda")
        streams = Streams([0, 1], device)
        labels = torch.zeros(2, 7, dtype=torch.long, device=device)
        data = Examples(torch.empty(2, 7, *SHAPE, device=device), labels, labels)
        stack, works = build(jobs, SHAPE, CLASSES, device)
        stack.draw(streams)
        opt = make_optimizer(jobs, works, list(stack.parameters()))
        history = History(2, [0, 1, 2], device)
        targets = F.one_hot(data.labels, CLASSES).float()
        for x, y, index in batches(data.images, targets, 4, streams):
            step = Step(x, y, index, opt.steps, 10, stack, streams, x.shape[1])
            take(step, works, opt)
            assert step.logits is not None
            assert {t.device.type for t in (step.x, step.y, step.index, step.logits)} == {"cuda"}
        state = measure(history, stack, works, data, data)
        asked = [found for work in works for found in (work.keep(history), work.stop(history)) if found is not None]
        assert {value.device.type for value in (*state.values(), *asked, *stack.state_dict().values())} == {"cuda"}
        assert {history.values.device.type, history.active.device.type, history.rows.device.type} == {"cuda"}
        for averages in opt.states.values():
            assert {value.device.type for value in averages.values()} == {"cuda"}


def noting(calls: list[tuple[str, str]], name: str) -> type[Work]:
    """A method that does nothing but note when its hooks are called."""

    class Noting(Work):
        def build(self, network: Network) -> None:
            calls.append(("build", name))

        def groups(self, groups: list[Group]) -> list[Group]:
            calls.append(("groups", name))
            return groups

        def schedule(self, t: int, total: int) -> float:
            calls.append(("schedule", name))
            return 1.0

        def batch(self, step: Step) -> None:
            calls.append(("batch", name))

        def loss(self, step: Step, loss: Tensor) -> Tensor:
            calls.append(("loss", name))
            return loss

        def gradients(self, step: Step, backward: Callable[[], None]) -> None:
            calls.append(("gradients", name))

        def updated(self, step: Step) -> None:
            calls.append(("updated", name))

        def weights(self, network: Network) -> dict[str, Tensor] | None:
            calls.append(("weights", name))
            return None

        def keep(self, history: History) -> Tensor | None:
            calls.append(("keep", name))
            return None

        def stop(self, history: History) -> Tensor | None:
            calls.append(("stop", name))
            return None

    return Noting


def test_hooks_are_called_in_the_declared_order_whatever_the_order_of_keys(settings: Settings) -> None:
    orders = []
    for way in (1, -1):
        calls: list[tuple[str, str]] = []
        # On each place two methods, of which the keys tell the order.
        own = [
            method(noting(calls, f"{place} {key}"), place, f"{key}_{len(ORDER) - i:02}")
            for i, place in enumerate(ORDER)
            for key in ("a", "b")
        ]
        trained = run(settings(epochs=1), others=own[::way])
        assert same(trained, run(settings(epochs=1)))
        orders.append(calls)
    assert orders[0] == orders[1]
    expected = [f"{place} {key}" for place in ORDER for key in ("a", "b")]
    for hook in ("build", "groups", "batch", "loss", "gradients", "updated"):
        assert [name for kind, name in orders[0] if kind == hook] == expected, hook
    for hook in ("weights", "keep", "stop"):  # measured before and after the epoch
        assert [name for kind, name in orders[0] if kind == hook] == expected * 2, hook
    assert list(dict.fromkeys(kind for kind, _ in orders[0] if kind != "schedule")) == [
        "build", "groups", "weights", "keep", "stop", "batch", "loss", "gradients", "updated"
    ]  # fmt: skip


def test_the_order_of_keys_does_not_matter(settings: Settings) -> None:
    methods: Methods = {
        "weight_decay": {"strength": 0.01},
        "l1": {"strength": 0.01},
        "label_smoothing": {"epsilon": 0.1},
        "dropout": {"p": 0.3},
        "batch_norm": {"momentum": 0.1},
        "augmentation": {"horizontal_flip": 0.5, "shift": 1},
    }
    backward = dict(reversed(methods.items()))
    assert same(run(settings(batch_size=8), **methods), run(settings(batch_size=8), **backward))


def test_losses_go_through_all_methods_in_turn(settings: Settings) -> None:
    """A loss doubled before the penalty is added, in its place of `criterion`, or after it, in that of `total`."""

    class Twice(Work):
        def loss(self, step: Step, loss: Tensor) -> Tensor:
            return 2 * loss

    plain = settings(lr=0.1, momentum=0.0, epochs=3)
    halved = plain.model_copy(update={"lr": 0.05})
    doubled = run(halved, others=[method(Twice, "total")], l2={"strength": 0.01})
    assert torch.allclose(weights(doubled.network), weights(run(plain, l2={"strength": 0.01}).network), atol=1e-6)
    before = run(halved, others=[method(Twice, "criterion")], l2={"strength": 0.02})
    assert torch.allclose(weights(before.network), weights(run(plain, l2={"strength": 0.01}).network), atol=1e-6)
    assert not torch.allclose(weights(before.network), weights(run(plain, l2={"strength": 0.02}).network), atol=1e-6)


def test_the_first_loss_is_the_mean_cross_entropy_of_each_replica(settings: Settings) -> None:
    found: list[Tensor] = []

    class Watch(Work):
        def loss(self, step: Step, loss: Tensor) -> Tensor:
            assert step.logits is not None
            found.append(loss.detach())
            logits = step.logits.detach()
            assert torch.allclose(loss, F.cross_entropy(logits.mT, step.y.mT, reduction="none").mean(1), atol=1e-6)
            return loss

    trained = run(settings(epochs=3), [0, 1], others=[method(Watch, "criterion")])
    assert torch.allclose(torch.stack(found).double(), curve(trained.history, "train_loss")[:3], atol=1e-6)


class Sharp(Work):
    """Sharpness-aware steps: gradients at the weights moved up the slope by rho."""

    def gradients(self, step: Step, backward: Callable[[], None]) -> None:
        own = list(step.network.parameters())
        slopes = [p.grad for p in own if p.grad is not None]
        rho = self.each("rho") / norm(slopes)
        moves = [slope * rho.view(-1, *[1] * (slope.dim() - 1)) for slope in slopes]
        before = [p.detach().clone() for p in own]
        with torch.no_grad():
            for parameter, move in zip(own, moves, strict=True):
                parameter += move
        backward()
        with torch.no_grad():
            for parameter, value in zip(own, before, strict=True):
                parameter.copy_(value)


class Bowl(Work):
    """In place of the loss half the sum of squares of the weights, each with a curvature of its own, minus a slope."""

    @staticmethod
    def curvatures(parameter: Tensor) -> Tensor:
        return torch.linspace(0.5, 2.0, parameter[0].numel()).view(parameter.shape[1:])

    def loss(self, step: Step, loss: Tensor) -> Tensor:
        bowls = [(0.5 * self.curvatures(p) * p.square() - 0.1 * p).flatten(1).sum(1) for p in step.network.parameters()]
        return 0 * loss + torch.stack(bowls).sum(0)


def test_gradients_can_be_computed_anew_elsewhere(settings: Settings) -> None:
    """On a quadratic the gradient moves by rho H g / |g|, for each replica by its own norm."""
    rho, lr = 0.5, 0.1
    bowl, sharp = method(Bowl, "criterion"), method(Sharp, "gradients", "sharp", rho=rho)
    chosen = settings(epochs=1, momentum=0.0, lr=lr)
    trained = run(chosen, [0, 1], others=[bowl, sharp])
    initial = NETWORKS["AnimalNet"].stack(2, SHAPE, CLASSES, CPU)
    initial.draw(Streams([0, 1], CPU))
    slopes = [Bowl.curvatures(p) * p.detach() - 0.1 for p in initial.parameters()]
    lengths = torch.cat([slope.flatten(1) for slope in slopes], 1).norm(dim=1)
    assert lengths[0] != lengths[1]
    for before, after, slope in zip(initial.parameters(), trained.network.parameters(), slopes, strict=True):
        unit = slope / lengths.view(-1, *[1] * (slope.dim() - 1))
        expected = before - lr * (slope + rho * Bowl.curvatures(before) * unit)
        assert torch.allclose(after, expected, atol=1e-6)


def test_gradients_computed_anew_where_they_were_are_the_same(settings: Settings) -> None:
    sharp = method(Sharp, "gradients", "sharp", rho=0.0)
    assert same(run(settings(batch_size=7), [0, 1]), run(settings(batch_size=7), [0, 1], others=[sharp]))
    moved = run(settings(batch_size=7), [0, 1], others=[method(Sharp, "gradients", "sharp", rho=0.05)])
    assert not torch.allclose(weights(moved.network), weights(run(settings(batch_size=7), [0, 1]).network), atol=1e-3)


def test_a_pass_anew_goes_through_the_losses_of_all_methods(settings: Settings) -> None:
    """Of an idle sharp method and a penalty no more is left than of the penalty."""
    sharp = method(Sharp, "gradients", "sharp", rho=0.0)
    penalty: dict[str, Any] = {"l2": {"strength": 0.1}, "label_smoothing": {"epsilon": 0.2}}
    assert same(run(settings(), **penalty), run(settings(), others=[sharp], **penalty))


class Average(Work):
    """A running average of all that the network's state holds."""

    share: ClassVar[float] = 0.3
    states: dict[str, Tensor] | None = None

    def weights(self, network: Network) -> dict[str, Tensor] | None:
        if self.states is None:
            self.states = {name: value.clone() for name, value in network.state_dict().items()}
        return self.states

    def updated(self, step: Step) -> None:
        assert self.states
        self.states = {
            name: value.lerp(step.network.state_dict()[name], self.share) for name, value in self.states.items()
        }


def following(states: list[dict[str, Tensor]]) -> type[Work]:
    class Following(Work):
        def updated(self, step: Step) -> None:
            states.append({name: value.clone() for name, value in step.network.state_dict().items()})

    return Following


@pytest.mark.parametrize("methods", [{}, {"batch_norm": {"momentum": 0.1}}, {"dropout": {"p": 0.5}}], ids=str)
def test_an_average_of_weights_is_measured_and_saved_and_training_knows_nothing_of_it(
    settings: Settings, methods: Methods
) -> None:
    chosen, seeds = settings(batch_size=7, epochs=23), [0, 1]
    plain: list[dict[str, Tensor]] = []
    beside: list[dict[str, Tensor]] = []
    run(chosen, seeds, others=[method(following(plain))], **methods)
    averaged = run(chosen, seeds, others=[method(Average, key="average"), method(following(beside))], **methods)
    assert len(plain) == len(beside) == 4 * 23
    for mine, other in zip(plain, beside, strict=True):
        assert all(torch.equal(value, other[name]) for name, value in mine.items())

    jobs = [Job(chosen, tuple(regularizers(**methods)), seed) for seed in seeds]
    network, _ = build(jobs, SHAPE, CLASSES, CPU)
    network.draw(Streams(seeds, CPU))
    network.eval()
    data = stacked([examples(seed, 24) for seed in seeds])
    average = {name: value.clone() for name, value in network.state_dict().items()}
    states = iter(plain)
    for epoch in range(24):
        for state in (next(states) for _ in range(4 * (epoch > 0))):
            average = {name: value.lerp(state[name], Average.share) for name, value in average.items()}
        if epoch not in averaged.history.epochs:
            continue
        network.load_state_dict(average)
        row = averaged.history.epochs.index(epoch)
        with torch.no_grad():
            log_p = network(data.images).log_softmax(-1)
        losses = -log_p.gather(-1, data.labels[..., None])[..., 0].mean(1)
        assert torch.equal(curve(averaged.history, "train_loss")[row], losses.double())
        assert torch.equal(curve(averaged.history, "param_norm")[row], network.norm().double())
    for name, value in averaged.network.state_dict().items():
        assert torch.equal(value, average[name])


def test_learning_rates_follow_the_product_of_schedules(settings: Settings) -> None:
    seen: list[tuple[int, int]] = []

    class Falling(Work):
        def schedule(self, t: int, total: int) -> float:
            seen.append((t, total))
            return 1 - t / total

    class Half(Work):
        def schedule(self, t: int, total: int) -> float:
            return 0.5

    chosen = settings(batch_size=12, epochs=5)
    trained = run(chosen, others=[method(Falling), method(Half, key="half")])
    assert seen == [(t, 10) for t in range(10)]
    initial = NETWORKS["AnimalNet"].stack(1, SHAPE, CLASSES, CPU)
    streams, data = Streams([0], CPU), examples(0, 24)
    initial.draw(streams)
    model = twin("AnimalNet", SHAPE, CLASSES)
    copy(initial, 0, model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda t: 0.5 * (1 - t / 10))
    for _ in range(5):
        for batch in streams.permutation("batch_order", 24)[0].split(12):
            optimizer.zero_grad()
            F.cross_entropy(model(data.images[0, batch]), data.labels[0, batch]).backward()
            optimizer.step()
            schedule.step()
    expected = torch.cat([p.detach().flatten() for p in model.parameters()])
    assert torch.allclose(weights(trained.network)[0], expected, atol=1e-6)
    assert not torch.allclose(weights(run(chosen).network)[0], expected, atol=1e-3)


def test_a_scheduled_learning_rate_is_rounded_once(settings: Settings) -> None:
    """0.1 * 0.3 in float64, as in PyTorch, and not float32's 0.1 times 0.3."""
    parameter = torch.zeros(1, 1)
    optimizer = make_optimizer([Job(settings(lr=0.1, momentum=0.0), (), 0)], [], [parameter])
    parameter.grad = -torch.ones(1, 1)
    optimizer.step(0.3)
    assert parameter.item() == torch.tensor(0.1 * 0.3).item()


def test_parameters_can_be_divided_into_groups(settings: Settings) -> None:
    """As in the groups of torch.optim: biases at a tenth of the rate and undecayed."""

    class Split(Work):
        def groups(self, groups: list[Group]) -> list[Group]:
            return [part for group in groups for part in self.parts(group)]

        def parts(self, group: Group) -> list[Group]:
            own = [p for p in group.parameters if p.dim() == 2]
            others = [p for p in group.parameters if p.dim() != 2]
            zero = torch.zeros_like(group.lr)
            return [replace(group, parameters=others), Group(own, group.lr / 10, zero, group.momentum)]

    trained = run(settings(), others=[method(Split, key="zz")], weight_decay={"strength": 0.1})
    initial = NETWORKS["AnimalNet"].stack(1, SHAPE, CLASSES, CPU)
    initial.draw(Streams([0], CPU))
    model, data = twin("AnimalNet", SHAPE, CLASSES), examples(0, 24)
    copy(initial, 0, model)
    weighty = [p for p in model.parameters() if p.dim() == 2]
    biases = [p for p in model.parameters() if p.dim() == 1]
    groups = [{"params": weighty, "lr": 0.1, "weight_decay": 0.1}, {"params": biases, "lr": 0.01}]
    optimizer = torch.optim.SGD(groups, momentum=0.9)
    for _ in range(12):
        optimizer.zero_grad()
        F.cross_entropy(model(data.images[0]), data.labels[0]).backward()
        optimizer.step()
    expected = torch.cat([p.detach().flatten() for p in model.parameters()])
    assert torch.allclose(weights(trained.network)[0], expected, atol=1e-5)
    whole = run(settings(), weight_decay={"strength": 0.1})
    assert not torch.allclose(weights(whole.network)[0], expected, atol=1e-3)


@pytest.mark.parametrize("every", [True, False])
def test_methods_choose_what_is_kept_and_when_to_stop(settings: Settings, every: bool) -> None:
    """What was kept at row e is a training of so many epochs; who is stopped has no more rows."""

    class Chosen(Work):
        every_epoch: ClassVar[bool] = every

        def keep(self, history: History) -> Tensor:
            return torch.tensor([history.row in rows for rows in ((2,), (0, 5), (3, 9))])

        def stop(self, history: History) -> Tensor:
            return torch.tensor([history.row >= 4, False, history.row >= 7])

    chosen, seeds = settings(epochs=24), [0, 1, 2]
    trained = run(chosen, seeds, others=[method(Chosen)])
    assert len(trained.history.epochs) == (25 if every else 18)
    assert trained.history.rows.tolist() == [5, 25 if every else 18, 8]
    for r, epochs in enumerate((2, 5, 3)):  # the last would be kept at 9, when it was stopped already
        shorter = run(settings(epochs=epochs), seeds)
        for name, value in trained.network.state_dict().items():
            assert torch.equal(value[r], shorter.network.state_dict()[name][r])
        assert torch.equal(trained.history.values[: epochs + 1, :, r], shorter.history.values[:, :, r])


def test_training_ends_when_all_are_stopped(settings: Settings) -> None:
    class Stopping(Work):
        def stop(self, history: History) -> Tensor:
            return torch.full((2,), history.row >= 3)

    calls: list[int] = []
    data = stacked([examples(seed, 24) for seed in (0, 1)])
    jobs = [Job(settings(), (method(Stopping),), seed) for seed in (0, 1)]
    trained = train(jobs, data, data, CLASSES, lambda: calls.append(1))
    assert len(calls) == 4
    assert trained.history.rows.tolist() == [4, 4]
    shorter = train([replace(job, settings=settings(epochs=3), methods=()) for job in jobs], data, data, CLASSES)
    assert torch.equal(weights(trained.network), weights(shorter.network))


def test_who_has_stopped_or_diverged_does_not_go_on(settings: Settings) -> None:
    """Though the method says so only once."""

    class Once(Work):
        def stop(self, history: History) -> Tensor:
            return torch.tensor([history.row == 2, False, False])

    jobs = [Job(settings(lr=lr), (method(Once),), 0) for lr in (0.1, 1e30, 0.1)]
    trained = train_jobs(jobs)
    assert trained.history.rows.tolist()[::2] == [3, 13]
    assert trained.history.diverged.tolist() == [False, True, False]
    assert trained.history.rows[1] < 4
    shorter = train_jobs([replace(job, settings=job.settings.model_copy(update={"epochs": 2})) for job in jobs])
    assert torch.equal(weights(trained.network)[0], weights(shorter.network)[0])


def test_two_methods_that_keep_have_to_agree(settings: Settings) -> None:
    def keeping(rows: set[int]) -> type[Work]:
        class Keeping(Work):
            def keep(self, history: History) -> Tensor:
                return torch.tensor([history.row in rows])

        return Keeping

    trained = run(settings(), others=[method(keeping({2, 5}), key="a"), method(keeping({5, 9}), key="b")])
    assert torch.equal(weights(trained.network), weights(run(settings(epochs=5)).network))
