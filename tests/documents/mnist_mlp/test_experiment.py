"""The networks of document 003: trained as it trains them, paired between cases, resumable, and what dies in them."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from stages.documents import FOLDER
from stages.documents.mnist_mlp import MnistMlpSettings
from stages.documents.mnist_mlp import experiment as mnist_mlp
from stages.documents.mnist_mlp.experiment import (
    CLASSES,
    METHODS,
    OUTPUTS,
    MnistMethod,
    build,
    compare,
    measure,
    plan,
    train,
)
from stages.documents.mnist_mlp.page import METHODS as NAMES
from stages.documents.mnist_mlp.page import page
from stages.documents.outcome import write
from stages.training.device import find_device
from tests import small

CPU = torch.device("cpu")
SETTINGS = MnistMlpSettings(data="digits", url="https://example.org", seeds=2, epochs=3)


@pytest.fixture(autouse=True)
def _one_thread():
    find_device("cpu")


@pytest.fixture
def parts():
    """Three parts of 60, 30 and 30 images of 12 pixels, in arrays."""
    generator = np.random.default_rng(0)
    return {
        name: (generator.random((rows, 12), np.float32), np.arange(rows) % CLASSES)
        for name, rows in (("train", 60), ("validation", 30), ("test", 30))
    }


@pytest.fixture
def tensors(parts):
    return {name: (torch.from_numpy(pixels), torch.from_numpy(labels)) for name, (pixels, labels) in parts.items()}


def _document(inputs: int, batch_norm: bool, relu: bool) -> nn.Sequential:
    """The networks as document 003 writes them, without dropout."""
    layers: list[nn.Module] = []
    for fan_in, fan_out in ((inputs, 128), (128, 64), (64, 10)):
        layers.append(nn.Linear(fan_in, fan_out))
        layers += [nn.BatchNorm1d(fan_out)] if batch_norm else []
        layers += [nn.ReLU()] if fan_out > 10 or relu else []
    return nn.Sequential(*layers)


@pytest.mark.parametrize("method", ["none", "penalty", "adam_decay", "adamw", "batch_norm"])
@pytest.mark.parametrize("relu", [True, False])
def test_trains_as_the_document_does(tensors, method, relu):
    settings = replace(METHODS[method], lr=0.001)  # for in a few steps of 0.01 rounding grows too large to compare
    x, y = tensors["train"]
    ours = train(settings, relu, tensors, [0, 1], epochs=6)
    stack = build(settings, relu, [0, 1], x.shape[1], CPU)
    for replica in range(2):
        network = _document(x.shape[1], settings.batch_norm, relu)
        linears = [layer for layer in network if isinstance(layer, nn.Linear)]
        for layer, source in zip(linears, stack.weighted, strict=True):
            layer.load_state_dict({"weight": source.weight[replica], "bias": source.bias[replica]})
        optimizer = settings.optimizer(network.parameters(), lr=settings.lr, weight_decay=settings.weight_decay)
        losses = []
        for _ in range(6):
            loss = nn.CrossEntropyLoss()(network(x), y)
            losses.append(loss.item())
            penalty = sum(torch.norm(p) ** 2 for p in network.parameters())
            optimizer.zero_grad()
            (loss + settings.penalty * penalty).backward()
            optimizer.step()
        np.testing.assert_allclose(ours["losses"][replica], losses, rtol=1e-4)
        network.eval()
        images, labels = tensors["validation"]
        accuracy = (network(images).argmax(1) == labels).double().mean()
        assert ours["val_accuracy"][replica] == pytest.approx(float(accuracy), abs=1 / len(labels))


def test_dropout_where_the_document_has_it(tensors):
    x = tensors["train"][0][None]
    network = build(MnistMethod(dropout=0.5), True, [0], x.shape[2], CPU)
    with torch.no_grad():
        rectified, dropped = network.eval()(x), network.train()(x)
    assert (rectified >= 0).all()
    assert ((dropped == 0) & (rectified > 0)).double().mean() > 0.1


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("training", [True, False])
def test_without_the_relu_only_the_relu_is_gone(tensors, method, training):
    x = tensors["train"][0].expand(2, -1, -1)
    with torch.no_grad():
        rectified, logits = (
            build(METHODS[method], relu, [0, 1], x.shape[2], CPU).train(training)(x) for relu in (True, False)
        )
    assert (logits < 0).any()
    assert torch.equal(logits.relu(), rectified)


def test_cases_share_their_initial_weights():
    first = [build(METHODS[m], o == "relu", [0, 1], 12, CPU).weighted for m, o in product(METHODS, OUTPUTS)]
    for linears in first[1:]:
        for layer, reference in zip(linears, first[0], strict=True):
            assert torch.equal(layer.weight, reference.weight)
    assert not torch.equal(first[0][0].weight[0], first[0][0].weight[1])
    alone = build(METHODS["none"], True, [1], 12, CPU).weighted
    assert torch.equal(alone[0].weight[0], first[0][0].weight[1])


def test_a_decay_of_1e_15_is_lost_in_rounding(tensors):
    none, decayed = (train(METHODS[name], True, tensors, [0, 1], 20) for name in ("none", "decay_1e-15"))
    torch.testing.assert_close(decayed["losses"], none["losses"], rtol=1e-5, atol=0)


def test_dead_classes_and_what_they_cost(tensors):
    network = build(MnistMethod(), True, [0, 1], 12, CPU)
    killed = (3, 7)
    with torch.no_grad():
        for layer in network.weighted:
            layer.bias.abs_()
        network.weighted[-1].weight[0, list(killed)] = 0
        network.weighted[-1].bias[0, list(killed)] = -1
        network.weighted[-1].weight[1] = 0
        network.weighted[-1].bias[1] = -1
    result = measure(network, tensors)
    assert result["dead_classes"][0] >= len(killed)
    assert result["dead_classes"][1] == CLASSES
    # All outputs zero: every class is given a probability of a tenth.
    assert float(result["train_loss"][1]) == pytest.approx(math.log(CLASSES))
    assert float(result["train_accuracy"][1]) == pytest.approx(1 / CLASSES)  # of the first class, by the tie


@pytest.mark.parametrize("method", ["none", "dropout", "penalty"])
def test_every_dead_class_has_its_price(tensors, method):
    result = train(METHODS[method], True, tensors, [0, 1, 2], 60)
    dead = result["dead_classes"] / CLASSES
    # An image of a class that never has the largest output alone gets a probability of one half at most ...
    assert (result["train_loss"] >= dead * math.log(2) - 1e-6).all()
    # ... and is recognized only where a tie goes to its class, as it goes to the first.
    assert (result["train_accuracy"] <= 1 - dead + 1 / CLASSES + 1e-6).all()


def test_identities(parts):
    found = mnist_mlp.identities(parts["train"], CPU)
    assert found["adam_decay_is_l2"].deviation < 1e-10
    assert found["adamw_differs"].deviation > 1e-3


@pytest.mark.parametrize(("rows", "largest"), [(200, 5), (50_000, 1)])
def test_every_case_and_seed_is_in_one_stack(rows, largest):
    stacks = plan(5, rows)
    replicas = [(stack.case, seed) for stack in stacks for seed in stack.seeds]
    assert sorted(replicas) == sorted((f"{m}/{o}", s) for m, o, s in product(METHODS, OUTPUTS, range(5)))
    assert max(len(stack.seeds) for stack in stacks) == largest
    assert len({stack.file for stack in stacks}) == len(stacks)


def test_outcome(parts, tmp_path):
    outcome = compare(SETTINGS, parts, "Noise", CPU, tmp_path / "kept")
    table = outcome.outcomes.pivot_table(index=["case", "seed"], columns="metric", values="value")
    assert len(table) == len(METHODS) * len(OUTPUTS) * 2
    assert table.notna().all(axis=None)
    assert table.filter(like="accuracy").stack().between(0, 1).all()
    assert table["dead_classes"].between(0, CLASSES).all()
    assert outcome.data.description.startswith("Noise: 60 images for training, 30 for validation, 30 for testing")
    assert (outcome.data.title, outcome.data.published) == ("60 handwritten digits", False)
    assert len(outcome.tables["curves"]) == len(table) * SETTINGS.epochs
    units = outcome.tables["scales"].groupby(["case", "seed"]).size().groupby("case").first()
    assert units.to_dict() == {
        f"{m}/{o}": 128 + 64 + 10 for m in ("batch_norm", "batch_norm_small_lr") for o in OUTPUTS
    }
    again = compare(SETTINGS, parts, "Noise", CPU, tmp_path / "again")
    pd.testing.assert_frame_equal(again.outcomes, outcome.outcomes, check_exact=True)


def test_an_interruption_costs_the_runs_under_way(parts, tmp_path, monkeypatch):
    expected = compare(SETTINGS, parts, "Noise", CPU, tmp_path / "whole").outcomes
    real, begun = train, []

    def interrupted(method, *arguments):
        begun.append(method)
        if len(begun) > 6:
            raise KeyboardInterrupt
        return real(method, *arguments)

    monkeypatch.setattr(mnist_mlp, "train", interrupted)
    with pytest.raises(KeyboardInterrupt):
        compare(SETTINGS, parts, "Noise", CPU, tmp_path / "kept")
    kept = len(list((tmp_path / "kept").rglob("*.stack")))
    assert 0 < kept <= 6

    resumed = []
    monkeypatch.setattr(mnist_mlp, "train", lambda *arguments: resumed.append(1) or real(*arguments))
    result = compare(SETTINGS, parts, "Noise", CPU, tmp_path / "kept")
    assert len(resumed) == len(METHODS) * len(OUTPUTS) - kept
    pd.testing.assert_frame_equal(result.outcomes, expected, check_exact=True)


@pytest.mark.parametrize("how", small.DAMAGES)
def test_a_damaged_stack_is_trained_again(parts, tmp_path, monkeypatch, capsys, how):
    whole = compare(SETTINGS, parts, "Noise", CPU, tmp_path)
    damaged = sorted(tmp_path.rglob("*.stack"))[::5]
    before = [file.read_bytes() for file in damaged]
    for file in damaged:
        small.damage(file, how)
    real, again = train, []
    monkeypatch.setattr(mnist_mlp, "train", lambda *arguments: again.append(1) or real(*arguments))
    resumed = compare(SETTINGS, parts, "Noise", CPU, tmp_path)
    assert len(again) == len(damaged) == capsys.readouterr().out.count("\n") > 1
    assert [file.read_bytes() for file in damaged] == before
    pd.testing.assert_frame_equal(resumed.outcomes, whole.outcomes, check_exact=True)
    for name, table in whole.tables.items():
        pd.testing.assert_frame_equal(resumed.tables[name], table, check_exact=True)


def test_kept_runs_of_other_settings_are_not_taken(parts):
    keys = {
        mnist_mlp._key(SETTINGS, parts, CPU),
        mnist_mlp._key(SETTINGS.model_copy(update={"epochs": 4}), parts, CPU),
        mnist_mlp._key(SETTINGS, parts | {"test": parts["validation"]}, CPU),
    }
    assert len(keys) == 3
    # Which seeds a stack has is in its name, so naming fewer of them throws nothing away.
    assert mnist_mlp._key(SETTINGS.model_copy(update={"seeds": 9}), parts, CPU) in keys


def test_printed_numbers_are_beside_ours():
    accuracies = {"none": 0.8, "decay_1e-15": 0.9, "dropout": 0.97, "batch_norm": 0.97}
    outcomes = pd.DataFrame(
        [
            {"case": f"{method}/relu", "seed": seed, "metric": "val_accuracy", "value": value + shift}
            for method, value in accuracies.items()
            for seed, shift in enumerate((-0.01, 0.01))
        ]
    )
    curves = pd.DataFrame(
        [
            {"case": f"{method}/relu", "seed": seed, "step": step, "loss": 0.25}
            for method, seed, step in product(accuracies, (0, 1), (0, 400))
        ]
    )
    accuracy, loss, *_ = mnist_mlp.printed(outcomes, curves, published=True)
    assert (accuracy.printed, accuracy.text, accuracy.same) == ("86.73", "80.00", None)
    assert "lies outside" in accuracy.note
    assert (loss.printed, loss.text) == ("0.2451", "0.2500")
    short = mnist_mlp.printed(outcomes, curves[curves["step"] == 0], published=True)
    assert [number.printed for number in short] == ["86.73", "88.33", "97.42", "97.09"]


def test_page(parts, tmp_path, monkeypatch):
    result, folder = compare(SETTINGS, parts, "Noise", CPU, tmp_path / "kept"), FOLDER / "mnist_mlp"
    monkeypatch.chdir(tmp_path)
    write(result, folder)
    shown = page(folder)
    assert len(shown.figures["dead"].data) == len(METHODS) * len(OUTPUTS) * SETTINGS.seeds
    assert shown.figures["scales"].data.groupby("panel")["share"].sum().to_numpy() == pytest.approx(100)
    accuracies = shown.figures["accuracy"].data.groupby("series").size()
    assert accuracies.to_dict() == {"each seed": len(METHODS) * len(OUTPUTS) * 2, "mean": len(METHODS) * len(OUTPUTS)}
    assert [row[0].text for row in shown.tables["results"].rows] == list(NAMES.values())
    assert shown.facts["cost"] == "0.230"  # log 10 / 10
    assert shown.facts["unchanged"]
