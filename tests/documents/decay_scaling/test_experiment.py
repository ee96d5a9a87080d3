"""Document 002: the worked example to its digits, and which penalty by hand is PyTorch's."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from stages.documents import DOCUMENTS, FOLDER
from stages.documents.decay_scaling import DecayScalingSettings, experiment, page
from stages.documents.outcome import write
from stages.documents.page import render
from tests.documents.conftest import NOWHERE


@pytest.fixture(scope="module")
def outcome():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(experiment, "SEEDS", 3)
        return experiment.run(DecayScalingSettings(epochs=400), NOWHERE)


def test_every_printed_digit_comes_out(outcome):
    assert [number.text for number in outcome.printed if number.same is not True] == []
    assert {number.printed for number in outcome.printed} == {
        *("3.", "5.", "26.0", "-32.", "-10.", "4.1000", "1.9000", "4.15")
    }


def test_pytorch_neither_divides_the_decay_nor_spares_the_bias_nor_reports_the_penalty(outcome):
    deviations = {name: identity.deviation for name, identity in outcome.identities.items()}
    differ = {deviations.pop(name) for name in ("divided_differs", "spared_bias_differs", "loss_with_penalty_differs")}
    assert min(differ) > 0.01
    assert max(deviations.values()) < 1e-12


def test_the_first_step_from_zero_knows_no_decay(outcome):
    second = outcome.tables["paths"].query("epoch == 1")
    assert len(second) == 5
    assert second["distance"].max() < 1e-15


def test_by_hand_it_ends_at_the_penalized_model_of_scikit_learn():
    x, y = experiment.rows()
    strength = 2.0  # strong, so that few steps suffice
    ours = experiment.descend(x, y, np.full(5, strength), [np.arange(100)] * 500)[-1]
    # The mean of the loss is penalized here and its sum there.
    theirs = LogisticRegression(C=1 / (strength * len(y)), fit_intercept=False, tol=1e-10).fit(x, y)
    np.testing.assert_allclose(ours, theirs.coef_[0], atol=1e-5)


def test_the_share_that_decay_leaves_is_that_of_sgd(outcome):
    for row in outcome.tables["shrinkage"].itertuples():
        weight = torch.ones(1, dtype=torch.float64, requires_grad=True)
        optimizer = torch.optim.SGD([weight], lr=experiment.LR, weight_decay=experiment.DECAY)
        weight.grad = torch.zeros_like(weight)
        kept = []
        for _ in range(row.steps):
            optimizer.step()
            kept.append(weight.item())
        assert kept[0] == pytest.approx(row.step)
        assert kept[-1] == pytest.approx(row.epoch)


def test_an_undivided_decay_means_the_same_at_every_batch_size(outcome):
    norms = outcome.outcomes.query("metric == 'norm'").groupby("case")["value"].mean()
    undivided, divided = (
        norms[[f"batch_{size}/{version}" for size in experiment.BATCH_SIZES]] for version in ("undivided", "divided")
    )
    assert undivided.max() / undivided.min() < 1.05
    assert divided.is_monotonic_increasing
    assert divided.min() > undivided.max()


def test_an_epoch_of_batches_holds_every_row_once():
    drawn = list(islice(experiment.batches_of(20, 100, np.random.default_rng(0)), 10))
    for epoch in (drawn[:5], drawn[5:]):
        np.testing.assert_array_equal(np.sort(np.concatenate(epoch)), np.arange(100))


def test_its_page_renders(outcome, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = FOLDER / "decay_scaling"
    write(outcome, folder)
    own = page.page(folder)
    document = DOCUMENTS["decay_scaling"]
    rendered = render(own, "decay_scaling/page.html", folder, document=document, pages={}, claims=[])
    html = rendered["documents/decay_scaling.html"]
    for figure in own.figures.values():
        assert f'id="{figure.name}"' in html
        assert set(figure.data["panel"]) == set(figure.chart["facet"]["sort"])
    for table in own.tables.values():
        assert f'id="table-{table.name}"' in html
    assert "nan" not in html
