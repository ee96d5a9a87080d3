"""The outcomes of the experiments, as the claims read them: one number per case, seed and metric."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stages import documents
from stages.artefacts import read_json, read_parquet
from stages.config import DEFAULT, Params
from stages.errors import UserError
from stages.statistics import as_independent, search_correlation

DATA = Path("data")
EVALUATION = "evaluation"
"""The benchmark of the variants, among the experiments; the others are those of the documents."""


class NotTestedError(Exception):
    """An experiment that `params.yaml` does not ask for; the text says what to do."""


class OutcomeKey(NamedTuple):
    """The name of a number that each seed has."""

    experiment: str
    case: str
    metric: str


@dataclass(frozen=True)
class Measure:
    """An outcome seed by seed, or a difference of outcomes."""

    terms: tuple[tuple[float, OutcomeKey], ...]
    """What is summed, each with its weight."""

    def __sub__(self, other: Measure) -> Measure:
        return Measure(self.terms + tuple((-weight, outcome) for weight, outcome in other.terms))


def of_benchmark(variant: str, task: str, metric: str, track: str) -> Measure:
    """A metric of a variant of the benchmark, by how its strengths came about: one of `config.TRACKS`."""
    return Measure(((1.0, OutcomeKey(EVALUATION, f"{variant}/{task}/{track}", metric)),))


def of_document(name: str, case: str, metric: str) -> Measure:
    """A metric of a case of a document's experiment."""
    return Measure(((1.0, OutcomeKey(name, case, metric)),))


@dataclass(frozen=True)
class ExperimentEvidence:
    """The outcome of one experiment."""

    file: str
    """The outcomes lie there, for the reader who wants them."""
    data: str
    """Title of the data it was run on."""
    outcomes: pd.Series
    """Values by `case, metric, seed`."""
    deviations: Mapping[str, float]
    """The relative difference of two computations, by the name of their identity; NaN for what is not finite."""
    record: str = ""
    """The deviations lie there."""
    unfinished: frozenset[str] = frozenset()
    """Cases in which a network was still learning when its epochs were used up."""
    searches: pd.Series = field(default_factory=pd.Series)
    """Which search chose the settings of each seed, on the tracks that are tuned."""
    against: Mapping[str, str] = field(default_factory=dict)
    """The reference of each variant that is not its own."""
    needless: Collection[tuple[str, str]] = frozenset()
    """Each variant with a task on which its methods have nothing to do, so that it is not compared."""


@dataclass(frozen=True)
class Evidence:
    """The experiments that have run, by name."""

    experiments: Mapping[str, ExperimentEvidence]

    def values(self, *measures: Measure) -> pd.DataFrame:
        """A column for each measure, a row for each seed; NaN where a seed lacks one.

        Raises `NotTestedError` for what `params.yaml` leaves out and `KeyError` for what no experiment measures.
        """
        columns = []
        for measure in measures:
            parts = [weight * self._outcome(outcome) for weight, outcome in measure.terms]
            columns.append(pd.concat(parts, axis=1).sum(axis=1, skipna=False))
        return pd.concat(columns, axis=1).sort_index()

    def unfinished(self, *measures: Measure) -> list[str]:
        """The cases among those of the measures that had not finished learning."""
        outcomes = [outcome for measure in measures for _, outcome in measure.terms]
        return sorted({o.case for o in outcomes if o.case in self._experiment(o.experiment).unfinished})

    def independent(self, measure: Measure, values: pd.Series) -> NDArray[np.float64]:
        """The values of a measure by seed, as an interval of independent ones may take them.

        Tuned variants share the luck of their search, which is in the spread then. How much of it there is, is
        estimated as in the comparisons: from all variants of a task, track and metric. Of several, the most counts.
        """
        tuned = {
            (*outcome.case.split("/")[1:], outcome.metric)
            for _, outcome in measure.terms
            if outcome.experiment == EVALUATION and not outcome.case.endswith(f"/{DEFAULT}")
        }
        own = values.to_numpy(np.float64)
        if not tuned:
            return own
        correlation = max(self._correlation(*family) for family in tuned)
        return as_independent(own, self._searches(values.index), correlation)

    def _correlation(self, task: str, track: str, metric: str) -> float:
        """That of seeds of a search, in the differences of all variants from their references."""
        benchmark = self._experiment(EVALUATION)
        outcomes = benchmark.outcomes.xs(metric, level="metric").unstack("seed")
        against = {own: other for own, other in benchmark.against.items() if (own, task) not in benchmark.needless}
        own, others = (
            outcomes.reindex([f"{name}/{task}/{track}" for name in names]) for names in (against, against.values())
        )
        seeds = own.columns[own.notna().any()]
        differences = own[seeds].to_numpy() - others[seeds].to_numpy()
        return search_correlation(differences, self._searches(seeds))

    def _searches(self, seeds: pd.Index) -> NDArray[np.int64]:
        """Which search chose the settings of each seed."""
        return self._experiment(EVALUATION).searches.loc[seeds].to_numpy()

    def deviation(self, experiment: str, identity: str) -> float:
        return self._experiment(experiment).deviations[identity]

    def _experiment(self, name: str) -> ExperimentEvidence:
        if name not in self.experiments:
            raise NotTestedError(f"name `{name}` under `documents` in params.yaml, then run `dvc repro claims`")
        return self.experiments[name]

    def _outcome(self, wanted: OutcomeKey) -> pd.Series:
        outcomes = self._experiment(wanted.experiment).outcomes
        if wanted.experiment == EVALUATION and wanted.case not in outcomes.index.unique("case"):
            variant, task, _ = wanted.case.split("/")
            keys = f"`{variant}` under `variants` and `{task}` under `tasks`"
            raise NotTestedError(f"name {keys} in params.yaml, then run `dvc repro claims`")
        return outcomes.loc[(wanted.case, wanted.metric)]


def read(params: Params, names: Iterable[str]) -> Evidence:
    """The benchmark, and the experiments of the documents of these names, from `data/`.

    Raises `UserError` if one is missing, because it has not run since the parameters changed, or damaged.
    """
    return Evidence({EVALUATION: _evaluation(params)} | {name: _document(documents.FOLDER / name) for name in names})


def _evaluation(params: Params) -> ExperimentEvidence:
    """The benchmark: cases are named `<variant>/<task>/<track>`; `train_error` is added to the metrics.

    The value of a seed is the mean over its networks, NaN if one of them has none.
    """
    file = DATA / "evaluation/runs.parquet"
    runs = read_parquet(file)
    if missing := sorted(set(params.variants) - set(runs["variant"])):
        raise UserError(f"{file} has no results for {', '.join(missing)}; run `dvc repro claims`")
    runs = runs[runs["variant"].isin(params.variants)].copy()
    runs["train_error"] = 1 - runs["train_accuracy"]
    runs["case"] = runs["variant"] + "/" + runs["task"] + "/" + runs["track"]
    unfinished = frozenset(runs.loc[runs["unfinished"], "case"])
    networks = runs.drop(columns=["variant", "task", "track"]).melt(["case", "seed", "repeat"], var_name="metric")
    networks["value"] = networks["value"].astype("Float64").to_numpy(np.float64, na_value=np.nan)
    tidy = networks.groupby(["case", "metric", "seed"])["value"].mean(skipna=False).reset_index()
    card = read_json(DATA / "card.json")
    searches = pd.Series({seed: params.search(seed) for seed in runs["seed"].unique().tolist()})
    against = {name: variant.against for name, variant in params.variants.items() if variant.against != name}
    return ExperimentEvidence(
        str(file),
        card["title"],
        indexed(tidy),
        {},
        unfinished=unfinished,
        searches=searches,
        against=against,
        needless=params.needless,
    )


def _document(folder: Path) -> ExperimentEvidence:
    file, record_file = folder / "outcomes.parquet", folder / "record.json"
    record = read_json(record_file)
    deviations = {
        name: np.nan if identity["deviation"] is None else identity["deviation"]
        for name, identity in record["identities"].items()
    }
    outcomes = indexed(read_parquet(file))
    return ExperimentEvidence(str(file), record["data"]["title"], outcomes, deviations, str(record_file))


def indexed(outcomes: pd.DataFrame) -> pd.Series:
    """The column `value` of a table `case, seed, metric, value`, as float64 by case, metric and seed.

    Raises `ValueError` if a case has two values of one metric under one seed.
    """
    key = ["case", "metric", "seed"]
    if outcomes.duplicated(key).any():
        raise ValueError(f"two values for {outcomes.loc[outcomes.duplicated(key), key].iloc[0].to_dict()}")
    values = pd.to_numeric(outcomes["value"]).to_numpy(np.float64, na_value=np.nan)
    return pd.Series(values, pd.MultiIndex.from_frame(outcomes[key])).sort_index()
