"""Document 000: its digits where its data are, and what must hold on any points."""

from __future__ import annotations

import os

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from stages.documents import DOCUMENTS, FOLDER
from stages.documents.logistic_decay import LogisticDecaySettings, data, experiment, page
from stages.documents.outcome import write
from stages.documents.page import render

MIRROR = os.environ.get("REGBENCH_MIRROR", "")
URL = "published nowhere/toydata.txt"


def _run(source, raw):
    settings = LogisticDecaySettings(data=source, url=URL, seeds=3)
    return experiment.compare(settings, data.load(settings, raw))


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    """The experiment on generated points, shorter, with few shuffles."""
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(experiment, "SHUFFLES", 4)
        patch.setattr(experiment, "FAIR_EPOCHS", 200)
        patch.setattr(experiment, "ADAM_EPOCHS", 50)
        return _run("generated", tmp_path_factory.mktemp("raw"))


@pytest.fixture(scope="module")
def splits():
    points = data.generate()
    orders = np.stack([np.random.default_rng(seed).permutation(100) for seed in range(3)])
    return experiment.split(points.features, points.labels, orders)


@pytest.mark.skipif(not MIRROR, reason="REGBENCH_MIRROR names no mirror with toydata.txt")
def test_every_printed_digit_comes_out_on_the_published_points(tmp_path, monkeypatch):
    monkeypatch.setenv("REGBENCH_MIRROR", MIRROR)
    for name in ("SHUFFLES", "FAIR_EPOCHS", "ADAM_EPOCHS"):  # of what the document does not do
        monkeypatch.setattr(experiment, name, 1)
    printed = _run("published", tmp_path).printed
    assert len(printed) == 2 * (30 + 30 + 3 + 1)  # costs, training accuracies, parameters, test accuracy; both ways
    assert [number.what for number in printed if number.same is not True] == []


def test_on_other_points_nothing_printed_is_compared(outcome):
    assert outcome.printed
    assert all(number.same is None for number in outcome.printed)


def test_decay_and_penalty_are_the_same_but_not_under_adamw(outcome):
    deviations = {name: identity.deviation for name, identity in outcome.identities.items()}
    assert deviations.pop("adamw_differs") > 0.1
    assert max(deviations.values()) < 1e-6


def test_points_are_standardized_by_the_training_ones(splits):
    torch.testing.assert_close(splits.train_x.mean(1), torch.zeros(3, 2), atol=1e-6, rtol=0)
    torch.testing.assert_close(splits.train_x.std(1, correction=0), torch.ones(3, 2))
    assert splits.test_x.shape == (3, 25, 2)
    assert (splits.train_y.sum(1) + splits.test_y.sum(1) == 50).all()


@pytest.mark.parametrize("strength", [strength for strength in experiment.STRENGTHS if strength])
def test_the_trained_model_is_the_penalized_one_of_scikit_learn(splits, strength):
    ours = experiment.train(splits, experiment.FAIR_EPOCHS, lr=experiment.FAIR_LR, weight_decay=strength)[-1]
    for x, y, parameters in zip(splits.train_x, splits.train_y, ours, strict=True):
        with_ones = np.column_stack([x, np.ones(len(x))])  # so that the bias is penalized too
        theirs = LogisticRegression(C=1 / strength, fit_intercept=False, tol=1e-8).fit(with_ones, y)
        np.testing.assert_allclose(parameters, theirs.coef_[0], rtol=2e-3, atol=2e-3)


def test_the_learning_rate_of_the_document_is_too_large_for_the_strongest_decay(splits):
    path = experiment.train(splits, experiment.EPOCHS, lr=experiment.LR, weight_decay=max(experiment.STRENGTHS))
    assert ((path[-1] - path[-2]).norm(dim=-1) > 0.5).all()


def test_a_split_trains_in_a_stack_as_it_does_alone(splits):
    alone = experiment.PointSplits(*(getattr(splits, name)[1:2] for name in ("train_x", "train_y", "test_x", "test_y")))
    stacked = experiment.train(splits, 30, lr=0.1, weight_decay=2.0)[:, 1:2]
    torch.testing.assert_close(experiment.train(alone, 30, lr=0.1, weight_decay=2.0), stacked)


def test_more_decay_leaves_smaller_weights_for_every_shuffle(outcome):
    norms = outcome.outcomes.query("metric == 'norm' and seed < 4").pivot(index="seed", columns="case", values="value")
    ordered = norms[[f"lambda_{strength:g}" for strength in experiment.STRENGTHS]].to_numpy()
    assert ordered.shape[0] == 4
    assert (np.diff(ordered, axis=1) < 0).all()


def test_fresh_data_sets_are_many_of_the_documents_kind():
    few, more = experiment.fresh(2), experiment.fresh(3)
    assert few.train_x.shape == (2, 75, 2)
    assert few.test_x.shape == (2, 10_000, 2)
    torch.testing.assert_close(few.test_x, more.test_x[:2])  # a data set more changes none of the others
    assert (more.train_x[0] != more.train_x[1]).any()
    torch.testing.assert_close(more.train_x.mean(1), torch.zeros(3, 2), atol=1e-5, rtol=0)
    torch.testing.assert_close(more.train_x.std(1, correction=0), torch.ones(3, 2))
    assert more.test_y.mean(1).tolist() == [0.5] * 3
    mean, std = (np.array([cloud[part] for cloud in data.CLOUDS], dtype=object) for part in (0, 1))
    apart = (np.subtract(*mean) / std.mean()).astype(float)
    found = more.test_x[0][more.test_y[0] == 0].mean(0) - more.test_x[0][more.test_y[0] == 1].mean(0)
    assert np.sign(found.numpy()).tolist() == np.sign(apart).tolist()


def test_the_gain_on_fresh_data_sets_is_known_to_a_fraction_of_a_point(outcome):
    accuracies = outcome.outcomes.query("metric == 'test_accuracy'").pivot(index="seed", columns="case", values="value")
    fresh = accuracies[[f"{experiment.FRESH}lambda_{strength:g}" for strength in experiment.STRENGTHS]].dropna()
    assert len(fresh) == 3
    assert fresh.to_numpy().min() > 0.9  # of the two clouds few points are on the wrong side
    steps = fresh.to_numpy() * experiment.FRESH_TEST
    np.testing.assert_allclose(steps, steps.round(), atol=0.01)


def test_what_the_figures_draw(outcome):
    epochs = outcome.tables["epochs"]
    assert epochs.groupby("way").size().to_dict() == dict.fromkeys(experiment.WAYS, 31) | dict.fromkeys(
        experiment.ADAM_WAYS, 51
    )
    assert epochs.query("epoch == 0")["cost"].to_numpy() == pytest.approx(np.log(2))
    assert outcome.tables["points"].groupby("part").size().to_dict() == {"training": 75, "test": 25}


@pytest.mark.parametrize(("a", "b", "c"), [(1, 2, 0.5), (-3, 0.2, 1), (1, 0, 2), (0, -2, 3), (1, 1, 5.9)])
def test_a_clipped_line_ends_at_the_edge(a, b, c):
    ends = experiment.clipped(a, b, c)
    np.testing.assert_allclose(ends @ [a, b], c)
    np.testing.assert_allclose(np.abs(ends).max(axis=1), experiment.EDGE)


def test_a_line_beyond_the_edge_is_left_out():
    assert experiment.clipped(1, 1, 6.1) is None
    assert experiment.clipped(0, 1, 3.1) is None


def test_its_page_renders(outcome, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = FOLDER / "logistic_decay"
    write(outcome, folder)
    own = page.page(folder)
    document = DOCUMENTS["logistic_decay"]
    rendered = render(own, "logistic_decay/page.html", folder, document=document, pages={}, claims=[])
    html = rendered["documents/logistic_decay.html"]
    for figure in own.figures.values():
        assert f'id="{figure.name}"' in html
        assert set(figure.data["panel"]) == set(figure.chart["facet"]["sort"])
    for table in own.tables.values():
        assert f'id="table-{table.name}"' in html
    assert "nan" not in html
