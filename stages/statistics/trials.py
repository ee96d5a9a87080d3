"""What a search of a given number of trials finds, on average."""

from __future__ import annotations

from math import comb

import numpy as np


def expected_of_best(validation: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Expected score of the trial with the best validation score among n of B trials, for n = 1, ..., B: (B,).

    From the trials' validation scores (B,), larger being better, and any other finite scores (B,), such as on the test
    set; the validation scores themselves give the expected best one, and the difference of the two is the winner's
    curse. Ties in validation are broken at random. The mean over all subsets of n trials, which is unbiased:
    sum over i of C(i-1, n-1) / C(B, n) times the score of the i-th worst (Tang et al. 2020,
    https://aclanthology.org/2020.acl-main.246).
    """
    validation, scores = np.asarray(validation, dtype=float), np.asarray(scores, dtype=float)
    if validation.shape != scores.shape:
        raise ValueError(f"each trial needs both scores, found {len(validation)} and {len(scores)}")
    levels, index = np.unique(validation, return_inverse=True)
    tied = np.bincount(index, weights=scores, minlength=len(levels)) / np.bincount(index, minlength=len(levels))
    ordered, trials = tied[np.sort(index)], len(scores)
    weights = [[comb(i, n - 1) / comb(trials, n) for i in range(trials)] for n in range(1, trials + 1)]
    return np.array([(np.array(each) * ordered).sum() for each in weights])
