"""CSV that spreadsheets may open: no text of a user is a formula there, and numbers stay numbers."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest

from stages import files


@pytest.mark.parametrize("text", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "-", "\t=1", '="x",1'])
def test_a_text_like_a_formula_gets_an_apostrophe(text: str) -> None:
    table = pd.DataFrame({"class": [text, "ant"], text: [1, 2]})
    table["sorted"] = pd.Categorical(table["class"])
    back = pd.read_csv(io.StringIO(files.csv(table)))
    assert list(back.columns) == ["class", f"'{text}", "sorted"]
    assert list(back["class"]) == list(back["sorted"]) == [f"'{text}", "ant"]
    assert list(table.columns) == ["class", text, "sorted"]


def test_numbers_and_other_texts_stay_as_they_are() -> None:
    table = pd.DataFrame(
        {
            "float": [-0.5, np.nan, -np.inf],
            "whole": pd.array([-1, None, 3], dtype="Int64"),
            "mixed": [-1, "-2.5e-3", None],
            "text": ["-7", "a-b", "'"],
            "truth": [True, False, True],
        }
    )
    assert files.csv(table) == table.to_csv(index=False, lineterminator="\n")
    assert files.csv(table, "%.1f") == table.to_csv(index=False, float_format="%.1f", lineterminator="\n")


def test_a_carriage_return_ends_no_line() -> None:
    assert list(pd.read_csv(io.StringIO(files.csv(pd.DataFrame({"class": ["a\r=1"]}))))["class"]) == ["a =1"]
