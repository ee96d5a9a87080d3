"""The stage `prepare` on the digits: what it writes is exact, whole and the same every time."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from dvc.utils.serialize import dumps_yaml, loads_yaml

from stages import download, prepare
from stages.config import PARAMS
from stages.datasets.test_set import read_test
from stages.tasks import read

OUTPUTS = ("data/pool.npz", "data/test.npz", "data/splits.json", "data/card.json")


@pytest.fixture(scope="module")
def downloaded(tmp_path_factory):
    """A project in which the digits are downloaded."""
    folder = tmp_path_factory.mktemp("digits")
    params = loads_yaml(PARAMS.read_text(encoding="utf-8"))
    params["data"]["source"] = "digits"
    params["splits"] = {"first": 100, "seeds": 3, "train": 100, "val": 300}
    params["tasks"]["random"].pop("seeds", None)
    params["grid"] |= {"train": [30], "rate": [0.0, 0.2], "seeds": 2}
    params["crossed"] |= {"splits": 2}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        PARAMS.write_text(dumps_yaml(params), encoding="utf-8")
        download.main()
    return folder, params


@pytest.fixture
def project(downloaded, monkeypatch):
    folder, params = downloaded
    monkeypatch.chdir(folder)
    PARAMS.write_text(dumps_yaml(params), encoding="utf-8")

    def change(section, **values):
        changed = {**params, section: {**params[section], **values} if section == "splits" else values}
        PARAMS.write_text(dumps_yaml(changed), encoding="utf-8")

    return change


def _contents():
    return {path: Path(path).read_bytes() for path in OUTPUTS}


def test_the_digits_are_all_there_and_unharmed(project):
    """Against scikit-learn's own: the pixels come back, with their labels, each image in one of the two parts."""
    from sklearn.datasets import load_digits

    prepare.main()
    pool, test = read(), read_test()
    images = np.concatenate([pool.images, test.images])
    labels = np.concatenate([pool.true, test.labels])
    assert images.shape == (1797, 8, 8, 1)
    assert images.max() == 255
    digits = load_digits()
    pixels = np.rint(images[..., 0].astype(float) * 16 / 255)
    ours = sorted((image.tobytes(), label) for image, label in zip(pixels, labels, strict=True))
    theirs = sorted((image.tobytes(), label) for image, label in zip(digits.images, digits.target, strict=True))
    assert ours == theirs


def test_the_test_set_is_a_stratified_500_whatever_the_parameters(project):
    prepare.main()
    labels, before = read_test().labels, Path("data/test.npz").read_bytes()
    assert len(labels) == 500
    all_labels = np.concatenate([read().true, labels])
    assert (np.abs(np.bincount(labels) - 500 * np.bincount(all_labels) / 1797) < 1).all()
    project("splits", seeds=5, train=50, val=60)
    prepare.main()
    assert Path("data/test.npz").read_bytes() == before


def test_two_runs_write_the_same_bytes(project):
    prepare.main()
    before = _contents()
    for path in OUTPUTS:
        Path(path).unlink()
    prepare.main()
    assert _contents() == before


def test_the_crossed_design_has_its_splits_though_no_task_has_as_many_seeds(project):
    project("crossed", task="clean", variants=["none"], splits=5, draws=9)
    prepare.main()
    assert list(read().tasks["clean"].splits) == [*range(100, 105), 1000, 1001, 1002]


def test_splits_lie_in_the_pool(project):
    prepare.main()
    pool = read()
    assert list(pool.tasks) == ["clean", "partly_random", "random", "grid-30", "grid-30-uniform-0_2"]
    splits = pool.tasks["clean"].splits
    assert list(splits) == [100, 101, 102, 1000, 1001, 1002]  # the final ones, then one for each search
    for split in splits.values():
        indices = np.concatenate([split.train, split.val])
        assert len(np.unique(indices)) == 400
        assert indices.min() >= 0
        assert indices.max() < len(pool.images)


def test_the_default_labels_are_those_of_the_first_results(project):
    """Taken when there were three fixed sets of labels: a change would make published results another experiment."""
    prepare.main()
    found = {
        name: sha256(task.labels.tobytes()).hexdigest()[:16]
        for name, task in read().tasks.items()
        if "grid" not in name
    }
    assert found == {
        "clean": "f292069af87706dc",
        "partly_random": "adf6105b8eb34dd6",
        "random": "61617e1d2e4f48c8",
    }


def test_the_card_agrees_with_the_arrays(project):
    prepare.main()
    pool, test, card = read(), read_test(), json.loads(prepare.CARD.read_text())
    assert card["source"] == "digits"
    assert tuple(card["image"].values()) == pool.images.shape[1:]
    assert "AFHQ" not in prepare.CARD.read_text()
    assert card["splits"] == {"first": 100, "seeds": 3, "train": 100, "val": 300}
    assert list(card["counts"]["test"].values()) == np.bincount(test.labels).tolist()
    for name, task in pool.tasks.items():
        labels = task.labels
        assert card["tasks"][name]["wrong_share"] == (labels != pool.true).mean()
        assert list(card["tasks"][name]["counts"].values()) == np.bincount(labels).tolist()
    assert card["tasks"]["clean"]["wrong_share"] == 0
    assert 0.07 < card["tasks"]["partly_random"]["wrong_share"] < 0.1
    assert 0.85 < card["tasks"]["random"]["wrong_share"] < 0.95


def test_a_task_more_changes_nothing_of_the_others(project):
    prepare.main()
    before = read()
    params = loads_yaml(PARAMS.read_text(encoding="utf-8"))
    more = {
        "few": {"train": 30},
        "many": {"train": 400, "noise": {"kind": "uniform", "rate": 0.1}},
        "pairs": {"noise": {"kind": "class_dependent", "rate": 0.3}},
        "hard": {"noise": {"kind": "instance_dependent", "rate": 0.3}, "about": "Hard ones."},
    }
    clean, others = params["tasks"].pop("clean"), params["tasks"]
    project("tasks", **{"clean": clean} | more | others)
    prepare.main()
    after = read()
    assert [name for name in after.tasks if "grid" not in name] == ["clean", *more, *others]
    for name, task in before.tasks.items():
        assert (after.tasks[name].labels == task.labels).all()
        for seed, split in task.splits.items():
            assert (after.tasks[name].splits[seed].train == split.train).all()
            assert (after.tasks[name].splits[seed].val == split.val).all()
    assert {name: len(task.splits[100].train) for name, task in after.tasks.items()}["many"] == 400
    assert set(after.tasks["few"].splits[102].train) < set(after.tasks["clean"].splits[102].train)
    assert (after.tasks["few"].labels == after.true).all()
    tasks = json.loads(prepare.CARD.read_text())["tasks"]
    assert tasks["pairs"]["wrong_share"] == pytest.approx(0.3, abs=5e-3)
    assert tasks["hard"]["wrong_share"] == pytest.approx(0.3, abs=1e-3)
    assert "hard for a linear classifier" in tasks["hard"]["origin"]


def test_too_few_images_end_with_an_error_that_names_the_keys(project, capsys):
    project("splits", train=1000, val=300)
    with pytest.raises(SystemExit) as exit_:
        prepare.main()
    assert exit_.value.code == 1
    error = capsys.readouterr().err
    assert "splits.train + splits.val require 1000 + 300 images, but there are 1297" in error


def test_damaged_digits_are_noticed(project, capsys):
    path = Path("data/raw/digits/digits.npz")
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + b"\1")
    try:
        with pytest.raises(SystemExit):
            prepare.main()
        assert "digits.npz is not the file that was downloaded first" in capsys.readouterr().err
    finally:
        path.write_bytes(whole)
