"""The recommendation is true whatever came out, and its fragment is a variant that the benchmark accepts."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stages import config
from stages.config import BASELINE, DEFAULT, TUNED
from stages.reporting import recommendation
from stages.reporting import results as reading
from stages.reporting.comparison import Comparison
from stages.reporting.figures import Drawing
from stages.reporting.recommendation import Advice
from stages.reporting.results import Results
from tests.reporting.sample import VARIANTS, write_results

BETTER = {"difference": 0.03, "simultaneous_low": 0.02, "simultaneous_high": 0.04, "verdict": "better"}
SURER = {"difference": 0.028, "simultaneous_low": 0.025, "simultaneous_high": 0.031, "verdict": "better"}
SLIGHT = {"difference": 0.01, "simultaneous_low": 0.002, "simultaneous_high": 0.018, "verdict": "undecided"}
UNDECIDED = {"difference": 0.01, "simultaneous_low": -0.01, "simultaneous_high": 0.03, "verdict": "undecided"}
WORSE = {"difference": -0.03, "simultaneous_low": -0.04, "simultaneous_high": -0.02, "verdict": "worse"}
NEGLIGIBLE = {"difference": 0.0, "simultaneous_low": -0.004, "simultaneous_high": 0.004, "verdict": "negligible"}
UNFINISHED = {"difference": 0.03, "simultaneous_low": 0.02, "simultaneous_high": 0.04, "verdict": "unfinished"}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recommendation")
    more = {
        "all": {"training": {"images": "train_and_val"}},
        "conv": {"training": {"network": "SmallConvNet"}},
        "conv_smooth": {
            "against": "conv",
            "training": {"network": "SmallConvNet"},
            "label_smoothing": {"epsilon": 0.1},
        },
        "smooth": {"label_smoothing": {"epsilon": 0.1}},
    }
    write_results(folder, VARIANTS | more)
    return folder


@pytest.fixture(scope="module")
def found(root: Path) -> Results:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        return reading.read(config.load())


def advised(found: Results, written: dict[str, Any] = WORSE, **outcomes: dict[str, Any]) -> Advice:
    """What is said of clean labels if these were the outcomes; of every other variant it is that it is worse."""
    table = found.comparisons.copy()
    on = (table["task"] == "clean") & (table["metric"] == "test_accuracy")
    for variant in found.params.variants:
        outcome = outcomes.get(variant, WORSE)
        for track, values in ((DEFAULT, written if variant == BASELINE else outcome), (TUNED, outcome)):
            if (variant, track) != (BASELINE, TUNED):
                own = on & (table["variant"] == variant) & (table["track"] == track)
                table.loc[own, list(values)] = list(values.values())
    params = found.params
    comparison = Comparison(table, tuple(params.variants), tuple(params.tasks))
    costs = dict.fromkeys(params.variants, 1.2)
    return recommendation.advise(found, comparison, "clean", params.tasks["clean"], costs)


def said(advice: Advice) -> str:
    return " ".join([advice.headline, *advice.sentences])


def test_the_surest_of_several_is_named_not_the_largest(found: Results) -> None:
    advice = advised(found, l1=BETTER, smooth=SURER)
    assert "2 of 4 variants help beyond noise, the surest being `smooth`: +2.8 [2.5, 3.1] points" in advice.headline
    assert advice.variant == "smooth"
    assert advice.table is not None
    assert [row[0].text for row in advice.table.rows] == ["smooth", "l1"]
    assert "It trains for 1.2 times as many epochs as `none`." in said(advice)
    assert "the better one with a probability of" in said(advice)


def test_one_that_helps(found: Results) -> None:
    assert "1 of 4 variants helps beyond noise, the surest being `l1`" in advised(found, l1=BETTER).headline


def test_nothing_helps(found: Results) -> None:
    advice = advised(found, l1=UNDECIDED, smooth=NEGLIGIBLE)
    assert "nothing here helps beyond noise: of 4 variants, none is sure to gain 1 point or more" in advice.headline
    assert "The largest difference is that of `l1`, +1.0 [−1.0, 3.0] points." in said(advice)
    assert "2 are worse, 1 makes no difference that matters and 1 is undecided" in said(advice)
    assert advice.variant == BASELINE
    assert advice.table is not None
    assert advice.table.caption.startswith("What comes closest")


def test_what_is_sure_but_perhaps_too_small_is_said_to_be_so(found: Results) -> None:
    advice = advised(found, l1=SLIGHT)
    assert "nothing here helps beyond noise" in advice.headline
    assert "Sure to gain something, but perhaps less than 1 point: `l1` (+1.0 [0.2, 1.8])." in said(advice)
    assert "The largest difference" not in said(advice)


def test_what_has_not_finished_is_not_recommended(found: Results) -> None:
    advice = advised(found, l1=UNFINISHED)
    assert "nothing here helps beyond noise" in advice.headline
    assert "1 was still learning" in said(advice)
    none = advised(found, l1=UNFINISHED, smooth=UNFINISHED, large_lr=UNFINISHED, conv=UNFINISHED)
    assert "nothing can be said: networks were still learning" in none.headline
    assert "The largest difference" not in said(none)


def test_more_labels_are_no_method(found: Results) -> None:
    advice = advised(found, all=BETTER)
    assert "nothing here helps beyond noise: of 4 variants" in advice.headline
    assert "training on the validation images, too, gives: `all`, +3.0 [2.0, 4.0] points" in said(advice)


def test_what_helps_another_network_is_not_recommended_for_this_one(found: Results) -> None:
    advice = advised(found, conv_smooth=BETTER)
    assert "nothing here helps beyond noise: of 4 variants" in advice.headline
    assert "With another network, compared with the plain one: `conv_smooth` over `conv`, +3.0" in said(advice)


@pytest.mark.parametrize(
    ("outcome", "text"),
    [
        (WORSE, "Tuning the learning rate of `none` itself is worth +3.0 points [2.0, 4.0]: do that first."),
        (BETTER, "made it worse, −3.0 points [−4.0, −2.0]: the one as written was better."),
        (NEGLIGIBLE, "itself changes next to nothing, 0.0 points [−0.4, 0.4]."),
        (UNDECIDED, "itself helps is undecided, −1.0 points [−3.0, 1.0]."),
        (UNFINISHED, "As written, `none` was still learning when its epochs were used up."),
    ],
)
def test_what_tuning_the_reference_is_worth(found: Results, outcome: dict[str, Any], text: str) -> None:
    assert text in said(advised(found, outcome))


def test_a_lone_reference_is_compared_with_nothing(found: Results) -> None:
    alone = replace(found.params, variants={BASELINE: found.params.variants[BASELINE]})
    advice = advised(replace(found, params=alone))
    assert advice.headline == "On clean labels, there is nothing to compare."
    assert advice.table is None
    assert advice.fragment


@pytest.mark.parametrize("variant", [*VARIANTS, "smooth"])
@pytest.mark.parametrize("task", ["clean", "partly_random"])
def test_the_fragment_is_the_variant_as_a_search_chose_it(
    root: Path, found: Results, tmp_path: Path, variant: str, task: str
) -> None:
    fragment = recommendation.fragment(found, variant, task)
    text = (root / "params.yaml").read_text()
    assert text.rstrip().splitlines()[-1].startswith("  "), "the variants are the last section"
    (tmp_path / "params.yaml").write_text(text.rstrip() + "\n" + fragment)
    pasted = config.load(tmp_path / "params.yaml").variants[f"{variant}_for_{task}"]
    own = found.params.variants[variant]
    chosen = [own.with_parameters(one["parameters"]) for one in found.chosen[own.tuned_as][task][TUNED]]
    assert pasted.parameters() in [one.parameters() for one in chosen]


def test_cost_is_that_of_epochs(found: Results) -> None:
    runs = found.replicas.assign(epochs=np.where(found.replicas["variant"] == "l1", 50, 100))
    assert recommendation.epochs_of(replace(found, replicas=runs), "l1") == 0.5


def test_page_holds_the_advice_and_the_fragment_of_each_task(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    found = reading.read(config.load())
    comparison = Comparison(found.comparisons, tuple(found.params.variants), tuple(found.params.tasks))
    with Drawing() as drawing:
        files = recommendation.build(found, comparison, drawing)
    page = str(files["recommendation.html"])
    for task in ("clean", "partly_random"):
        assert f'data-copy="{task}-fragment"' in page
        assert len(pd.read_csv(StringIO(str(files[f"tables/recommendation-{task}.csv"])))) > 0
    assert "random-fragment" not in page.replace("partly_random-fragment", "")
