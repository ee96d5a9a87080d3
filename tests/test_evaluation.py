"""Attacks, corruptions, temperature scaling and classifiers without networks, each against what is known of it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from stages.evaluation import classical, corruptions
from stages.evaluation.attacks import direction, fast_gradient_sign, projected_gradient
from stages.networks import NETWORKS
from stages.networks.layers import Flatten, Linear
from stages.networks.network import Network
from stages.statistics import COLDEST, HOTTEST, best_temperature, expected_calibration_error
from stages.streams import Streams

CPU = torch.device("cpu")


def linear_network(weight: list[list[float]], bias: list[float]) -> Network:
    """A network without hidden layers, its inputs the pixels of a row."""
    layers = {"flatten": Flatten(), "fc1": Linear(1, len(weight[0]), len(weight), CPU)}
    network = Network(1, layers, (), CPU)
    network.load_state_dict({"fc1.weight": torch.tensor([weight]), "fc1.bias": torch.tensor([bias])})
    return network.requires_grad_(False)


def fgsm(network: Network, images: torch.Tensor, labels: torch.Tensor, size: float) -> torch.Tensor:
    return fast_gradient_sign(images, direction(network, images, labels), size)


def pgd(network: Network, images: torch.Tensor, labels: torch.Tensor, size: float, steps: int = 5) -> torch.Tensor:
    return projected_gradient(network, images, labels, direction(network, images, labels), size, steps)


ATTACKS = pytest.mark.parametrize("attack", [fgsm, pgd])
Attack = Callable[[Network, torch.Tensor, torch.Tensor, float], torch.Tensor]


@pytest.fixture
def mlp() -> Network:
    network = NETWORKS["AnimalNet"].stack(2, (1, 4, 4), 3, CPU)
    network.draw(Streams([1, 2], CPU))
    return network.eval().requires_grad_(False)


@pytest.fixture
def some() -> tuple[torch.Tensor, torch.Tensor]:
    """Images of the network's size, and labels."""
    generator = torch.Generator().manual_seed(3)
    images = torch.rand(2, 50, 1, 4, 4, generator=generator) * 2 - 1
    return images, torch.randint(3, (2, 50), generator=generator)


@ATTACKS
@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_an_attack_on_a_linear_network_takes_the_sum_of_weights_off_the_margin(attack: Attack, scale: float) -> None:
    # However sure the network is: the probability of the true class rounds to one under the larger scale.
    weight = [[0.5 * scale, -1.0 * scale, 0.0], [-0.5 * scale, 2.0 * scale, 0.0]]
    network = linear_network(weight, [0.0, 0.0])
    images = torch.tensor([0.3, -0.4, 0.1]).view(1, 1, 1, 1, 3)
    moved = attack(network, images, torch.tensor([[0]]), 0.25)
    assert torch.allclose(moved.flatten(), torch.tensor([0.3 - 0.25, -0.4 + 0.25, 0.1]))
    before, after = (logits[0, 0, 0] - logits[0, 0, 1] for logits in (network(images), network(moved)))
    assert (before - after).item() == pytest.approx(0.25 * scale * (1.0 + 3.0), rel=1e-5)


@ATTACKS
def test_an_attack_stays_between_black_and_white(attack: Attack) -> None:
    network = linear_network([[1.0, -1.0], [0.0, 0.0]], [0.0, 0.0])
    images = torch.tensor([-0.9, 1.0]).view(1, 1, 1, 1, 2)
    assert attack(network, images, torch.tensor([[0]]), 0.5).flatten().tolist() == [-1.0, 1.0]


@ATTACKS
def test_an_attack_moves_no_pixel_further_than_its_size(
    attack: Attack, mlp: Network, some: tuple[torch.Tensor, torch.Tensor]
) -> None:
    distance = (attack(mlp, *some, 0.3) - some[0]).abs()
    assert distance.max() == pytest.approx(0.3, abs=1e-6)


def test_one_step_of_projected_gradient_descent_is_the_fast_gradient_sign(
    mlp: Network, some: tuple[torch.Tensor, torch.Tensor]
) -> None:
    assert torch.allclose(pgd(mlp, *some, 0.3, steps=1), fgsm(mlp, *some, 0.3), atol=1e-6)


def test_several_steps_raise_the_loss_more_than_one(mlp: Network, some: tuple[torch.Tensor, torch.Tensor]) -> None:
    def loss(images: torch.Tensor) -> float:
        return torch.nn.functional.cross_entropy(mlp(images).flatten(0, 1), some[1].flatten()).item()

    assert loss(some[0]) < loss(fgsm(mlp, *some, 1.0)) < loss(pgd(mlp, *some, 1.0))


GRAY = np.full((400, 6, 6, 2), 0.5, np.float32)
NOISES = np.random.default_rng(0).random((20, 6, 6, 2)).astype(np.float32)


def test_noise_has_its_spread_and_is_the_same_for_an_image_whatever_the_others() -> None:
    noisy = corruptions.noise(GRAY, 0.1)
    assert (noisy - 0.5).std() == pytest.approx(0.1, rel=0.02)
    assert abs(noisy.mean() - 0.5) < 0.003
    assert np.array_equal(corruptions.noise(GRAY[:7], 0.1), noisy[:7])
    assert not np.array_equal(noisy[0], noisy[1])


def test_a_blur_keeps_what_is_even_and_spreads_a_point_as_a_gaussian() -> None:
    assert np.allclose(corruptions.blur(GRAY, 0.7), GRAY)
    point = np.zeros((1, 21, 21, 2), np.float32)
    point[0, 10, 10, 0] = 1
    spread = corruptions.blur(point, 1.5)[0]
    assert not spread[..., 1].any()  # channels do not mix
    offsets = np.arange(21) - 10
    assert spread[..., 0].sum() == pytest.approx(1, rel=1e-5)
    assert (spread[..., 0].sum(0) * offsets**2).sum() ** 0.5 == pytest.approx(1.5, rel=0.01)


def test_contrast_scales_the_spread_and_keeps_the_mean() -> None:
    less = corruptions.contrast(NOISES, 0.4)
    assert np.allclose(less.mean((1, 2)), NOISES.mean((1, 2)), atol=1e-6)
    assert np.allclose(less.std((1, 2)), 0.4 * NOISES.std((1, 2)), atol=1e-6)


@pytest.mark.parametrize(
    "corrupt",
    [lambda x: corruptions.noise(x, 2.0), lambda x: corruptions.blur(x, 1.0), lambda x: corruptions.contrast(x, 0.5)],
)
def test_corrupted_images_stay_between_black_and_white(corrupt: Callable[[np.ndarray], np.ndarray]) -> None:
    worse = corrupt(NOISES)
    assert worse.dtype == np.float32
    assert worse.min() >= 0
    assert worse.max() <= 1


def calibrated(replicas: int, images: int, classes: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Logits (R, N, K), and labels (R, N) drawn from the very probabilities they stand for."""
    generator = np.random.default_rng(5)
    logits = 2 * generator.standard_normal((replicas, images, classes))
    return logits, (logits + generator.gumbel(size=logits.shape)).argmax(-1)


def test_a_temperature_is_found_again() -> None:
    logits, labels = calibrated(4, 20_000)
    own = best_temperature(logits, labels)
    assert own == pytest.approx(np.ones(4), abs=0.05)
    scales = np.array([0.2, 1.0, 3.0, 10.0])
    assert best_temperature(logits * scales[:, None, None], labels) == pytest.approx(own * scales, rel=1e-9)


def test_a_temperature_gives_the_least_loss() -> None:
    logits, labels = calibrated(5, 60)

    def loss(inverse: float, r: int) -> float:
        return float(-log_softmax(inverse * logits[r], axis=-1)[np.arange(60), labels[r]].mean())

    for r, temperature in enumerate(best_temperature(logits, labels)):
        best = minimize_scalar(loss, bounds=(0.01, 100), args=(r,), method="bounded", options={"xatol": 1e-9})
        assert 1 / temperature == pytest.approx(best.x, rel=1e-5)


def test_a_temperature_depends_neither_on_an_offset_of_the_logits_nor_on_the_stack() -> None:
    logits, labels = calibrated(6, 61)
    together = best_temperature(logits, labels)
    assert best_temperature(log_softmax(logits, axis=-1), labels) == pytest.approx(together, rel=1e-9)
    assert [best_temperature(logits[r : r + 1], labels[r : r + 1])[0] for r in range(6)] == together.tolist()


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e4])
def test_a_temperature_without_a_bound_is_the_end_of_its_range(scale: float) -> None:
    logits = scale * np.eye(3)[None]
    right, wrong = np.arange(3)[None], (np.arange(3)[None] + 1) % 3
    assert best_temperature(logits, right) == pytest.approx([COLDEST], rel=1e-3)
    assert best_temperature(logits, wrong) == pytest.approx([HOTTEST], rel=1e-3)


def test_scaling_calibrates_a_network_that_is_too_sure() -> None:
    logits, labels = calibrated(1, 20_000)
    sure = 4 * logits
    temperature = best_temperature(sure[:, :10_000], labels[:, :10_000])[0]

    def error(logits: np.ndarray) -> float:
        return expected_calibration_error(np.exp(log_softmax(logits, axis=-1)), labels[0, 10_000:], 15)

    assert error(sure[0, 10_000:]) > 0.1
    assert error(sure[0, 10_000:] / temperature) < 0.03


@pytest.mark.parametrize("method", classical.METHODS)
def test_a_classifier_learns_what_can_be_learned(method: str) -> None:
    generator = np.random.default_rng(1)
    labels = np.arange(90) % 3
    images = np.eye(3)[labels] + 0.1 * generator.standard_normal((90, 3))
    parts = images[:60], labels[:60], images[60:75], labels[60:75]
    fitted = classical.METHODS[method](*parts, 7)
    assert (fitted.predict(images[75:]) == labels[75:]).all()
    anywhere, again = generator.random((200, 3)), classical.METHODS[method](*parts, 7)
    assert np.array_equal(fitted.predict(anywhere), again.predict(anywhere))


def test_the_strength_of_a_logistic_regression_is_chosen_by_the_labels_at_hand() -> None:
    generator = np.random.default_rng(2)
    labels = np.arange(80) % 2
    images = 0.3 * (2 * labels[:, None] - 1) + generator.standard_normal((80, 20))
    val = images[40:]
    right = classical.logistic_regression(images[:40], labels[:40], val, labels[40:], 0).predict(val)
    wrong = classical.logistic_regression(images[:40], labels[:40], val, 1 - labels[40:], 0).predict(val)
    assert (right == labels[40:]).mean() > (wrong == labels[40:]).mean()
