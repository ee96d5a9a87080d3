"""Weight decay with more inputs than rows: closed forms, and what the book's programs print."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from stages.documents import FOLDER
from stages.documents.linear_decay import LinearDecaySettings
from stages.documents.linear_decay import experiment as linear_decay
from stages.documents.linear_decay.experiment import (
    TRAIN_ROWS,
    WAYS,
    batches,
    descend,
    draw,
    ridge,
    soft_threshold,
    starts,
)
from stages.documents.linear_decay.page import floored, page
from stages.documents.outcome import ExperimentOutcome, write
from tests.documents.conftest import NOWHERE


@pytest.fixture(scope="module")
def outcome() -> ExperimentOutcome:
    return linear_decay.run(LinearDecaySettings(seeds=4), NOWHERE)


def test_identities_hold_to_rounding(outcome: ExperimentOutcome) -> None:
    assert outcome.identities.keys() >= {"decay_is_ridge", "map_is_ridge", "l1_is_lasso", "scratch_is_optimizer"}
    assert all(identity.deviation < 1e-8 for identity in outcome.identities.values())


def test_ridge_has_no_gradient_left() -> None:
    rows = draw([0, 1], "train", TRAIN_ROWS)
    strengths = np.array([0.5, 3.0])
    w, b = ridge(rows, strengths)
    residual = rows.residual(w, b)
    assert np.abs(rows.x.transpose(0, 2, 1) @ residual / TRAIN_ROWS + strengths * w).max() < 1e-12
    assert np.abs(residual.mean(1)).max() < 1e-12


def test_ridge_without_a_penalty_fits_every_row_with_the_smallest_norm() -> None:
    rows = draw([0], "train", TRAIN_ROWS)
    w, b = ridge(rows, np.zeros(1))
    assert rows.loss(w, b).max() < 1e-20
    centered = rows.x[0] - rows.x[0].mean(0)
    smallest, *_ = np.linalg.lstsq(centered, rows.y[0] - rows.y[0].mean(), rcond=None)
    assert np.allclose(w[0, :, 0], smallest)


def test_one_step_is_that_of_the_book() -> None:
    rows = draw([3], "train", TRAIN_ROWS)
    start, order = starts([3], WAYS["book"].start, 1), batches([3], 1)[:, :1]
    w, b = descend(rows, start, order, linear_decay.squared_norm(2.0), loss=0.5, lr=0.1)
    x, y = rows.x[0, order[0, 0, 0]], rows.y[0, order[0, 0, 0]]
    residual = x @ start[0, :, 0] - y
    assert np.allclose(w[0, :, 0], start[0, :, 0] - 0.1 * (x.T @ residual / 5 + 2 * start[0, :, 0]))
    assert b[0, 0] == pytest.approx(-0.1 * residual.mean())


def test_every_epoch_visits_every_row_once() -> None:
    order = batches([0, 1], 3)
    assert all(
        sorted(order[epoch, :, seed].ravel()) == list(range(TRAIN_ROWS)) for epoch in range(3) for seed in (0, 1)
    )


def test_soft_thresholding() -> None:
    assert soft_threshold(np.array([-3.0, -1.0, 0.5, 2.0]), by=1.0).tolist() == [-2, 0, 0, 1]


def test_only_soft_thresholding_gives_exact_zeros_and_subtracting_lets_weights_grow(outcome: ExperimentOutcome) -> None:
    l1 = outcome.tables["l1"]
    first, last = (l1[l1["epoch"] == epoch].set_index(["way", "seed"]) for epoch in (0, 100))
    assert (last.loc["proximal", "zeros"] > 0.3).all()
    assert (last.loc["subgradient", "zeros"] == 0).all()
    assert (last.loc["subtracted", "l1_norm"] > 2 * first.loc["subtracted", "l1_norm"]).all()


def test_the_book_s_printed_norms_lie_near_ours(outcome: ExperimentOutcome) -> None:
    assert [number.printed for number in outcome.printed] == ["0.00922", "0.00162", "0.0136"]
    assert all(abs(number.ours / float(number.printed) - 1) < 0.35 for number in outcome.printed)


def test_the_page_reads_the_printed_norms_and_claims_no_more_than_it_measured(
    outcome: ExperimentOutcome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(outcome, FOLDER / "linear_decay")
    shown = page(FOLDER / "linear_decay").figures["norms"].data.query("series == 'printed'")
    assert sorted(shown["value"]) == sorted(float(number.printed) for number in outcome.printed)
    values = {5.27e8: "5 × 10⁸", 9.99e11: "9 × 10¹¹", 1000.0: "1 × 10³", 0.0375: "3 × 10⁻²"}
    assert {value: floored(value) for value in values} == values


def test_a_lazy_layer_forgets_the_start_it_was_given() -> None:
    layer = torch.nn.LazyLinear(1)
    layer.weight.data.normal_(0, 0.01)
    layer(torch.zeros(1, 200))
    assert layer.weight.std().item() == pytest.approx(1 / np.sqrt(3 * 200), rel=0.2)


def test_the_reader_s_test_losses_come_from_keras_s_start(outcome: ExperimentOutcome) -> None:
    means = outcome.outcomes.query("metric == 'test_loss'").groupby("case")["value"].mean()
    printed = outcome.tables["reader"].set_index("lambda")["test_loss"]
    assert all(abs(means[f"lambda_{strength}"] / value - 1) < 0.35 for strength, value in printed.items())
    assert means["book_lambda_0"] > 50 * printed[0]


def test_outcomes_have_one_value_for_each_case_seed_and_metric(outcome: ExperimentOutcome) -> None:
    assert not outcome.outcomes.duplicated(["case", "seed", "metric"]).any()
    assert set(outcome.outcomes["case"]) >= {f"lambda_{strength}" for strength in range(11)}
    assert outcome.outcomes["value"].notna().all()


def test_a_seed_is_the_same_beside_other_seeds(outcome: ExperimentOutcome) -> None:
    alone = linear_decay.sweep_strengths([2])[0]
    beside = outcome.tables["sweep"].query("seed == 2").reset_index(drop=True)
    assert np.allclose(alone["test_loss"], beside["test_loss"], rtol=1e-9)
