"""Early stopping."""

from __future__ import annotations

import pytest
import torch

from stages.training.loop import Job
from tests.training.conftest import Settings, curve, regularizers, run, train_jobs, weights

SEEDS = [0, 1, 2, 3]


def test_it_keeps_the_best_epoch(settings: Settings) -> None:
    patience = 3
    trained = run(settings(epochs=40, lr=0.3), seeds=SEEDS, early_stopping={"patience": patience})
    history = trained.history
    assert history.epochs == list(range(41))
    stopped = 0
    for r in range(len(SEEDS)):
        last = int(history.rows[r]) - 1
        accuracies = curve(history, "val_accuracy")[: last + 1, r]
        best = int(accuracies.argmax())  # the first of equals
        if last < 40:
            assert last == best + patience + 1
            stopped += 1
        norm = curve(history, "param_norm")[best, r].item()
        assert trained.network.norm()[r].item() == pytest.approx(norm, rel=1e-6)
        if best:
            shorter = run(settings(epochs=best, lr=0.3), seeds=SEEDS)  # a training that ends there
            assert torch.equal(weights(trained.network)[r], weights(shorter.network)[r])
    assert stopped > 0


def test_stopped_replicas_are_not_moved_by_those_that_go_on(settings: Settings) -> None:
    chosen = settings(epochs=40, lr=0.3)
    together = run(chosen, seeds=SEEDS, early_stopping={"patience": 3})
    assert len(set(together.history.rows.tolist())) > 1
    for r, seed in enumerate(SEEDS):
        alone = run(chosen, seeds=[seed], early_stopping={"patience": 3})
        assert torch.allclose(weights(together.network)[r], weights(alone.network)[0], atol=1e-4)


def test_each_replica_has_its_own_patience(settings: Settings) -> None:
    chosen = settings(epochs=40, lr=0.3)
    patiences = [1, 3, 8]
    jobs = [Job(chosen, tuple(regularizers(early_stopping={"patience": p})), 0) for p in patiences]
    rows = train_jobs(jobs).history.rows.tolist()
    for r, patience in enumerate(patiences):
        assert rows[r] == int(run(chosen, early_stopping={"patience": patience}).history.rows[0])
    assert rows == sorted(rows)
    assert len(set(rows)) > 1


def test_a_patience_that_never_ends_only_keeps(settings: Settings) -> None:
    """It is the training without, measured after every epoch, and ends with the weights of its best epoch."""
    chosen = settings(epochs=26)
    patient, plain = run(chosen, early_stopping={"patience": 100}), run(chosen)
    assert patient.history.epochs == list(range(27))
    measured = torch.tensor(plain.history.epochs)
    assert len(measured) < 27
    assert torch.equal(patient.history.values[measured], plain.history.values)
    best = int(curve(patient.history, "val_accuracy")[:, 0].argmax())
    assert patient.network.norm()[0].item() == curve(patient.history, "param_norm")[best, 0].item()


def test_a_diverging_replica_keeps_its_best_epoch(settings: Settings) -> None:
    jobs = [Job(settings(lr=lr), tuple(regularizers(early_stopping={"patience": 5})), 0) for lr in (0.1, 1e30)]
    trained = train_jobs(jobs)
    assert trained.history.diverged.tolist() == [False, True]
    assert weights(trained.network).isfinite().all()
    assert trained.network.norm()[1].item() == pytest.approx(curve(trained.history, "param_norm")[0, 1].item())
