"""A difference that both the claims and the benchmark's comparisons show is one number in the committed site."""

from __future__ import annotations

import json
import re

import pandas as pd
import pytest

from stages.config import BASELINE
from tests.small import ROOT


def test_a_claims_effect_is_the_comparisons_difference() -> None:
    table = pd.read_csv(ROOT / "reports/tables/headline.csv").query("metric == 'test_accuracy' and track == 'tuned'")
    differences = table.set_index(["variant", "task"])[["difference", "difference_low", "difference_high"]]
    pattern = re.compile(
        rf"test accuracy of `(\w+)` minus that of `{BASELINE}`, (clean|partly random|random) labels, both tuned"
    )
    compared = 0
    for claim in json.loads((ROOT / "reports/claims.json").read_text())["claims"]:
        for part in claim["parts"]:
            if found := pattern.fullmatch(part["text"]):
                expected = differences.loc[(found[1], found[2].replace(" ", "_"))].tolist()
                assert [part["effect"], part["low"], part["high"]] == pytest.approx(expected, rel=1e-4, abs=1e-4)
                compared += 1
    assert compared == 8  # the others are judged as written, against the reference as written
