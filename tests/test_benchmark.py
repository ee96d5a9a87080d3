"""The timing suite runs and does what it says; the page follows from its JSON."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from dvc.utils.serialize import dumps_yaml, loads_yaml

from stages import benchmark
from stages import timing as page
from stages.reporting import timing
from tests.small import ROOT

VARIANTS: dict[str, dict[str, Any]] = {
    "none": {"training": {"network": "AnimalNet", "lr": 0.05, "optimizer": "sgd"}},
    "small_lr": {"training": {"network": "AnimalNet", "lr": 0.005, "optimizer": "sgd"}},
    "adam": {"training": {"network": "AnimalNet", "lr": 0.05, "optimizer": "adam"}},
    "big_l1": {"training": {"network": "BigAnimalNet", "lr": 0.05, "optimizer": "sgd"}, "l1": {"strength": 0.1}},
}
STEP_MS = {"none": 4.0, "small_lr": 4.4, "adam": 8.0, "big_l1": 10.0}
PRODUCTS_MS = {"AnimalNet": 1.0, "BigAnimalNet": 5.0}


def entry(group: str, params: dict[str, Any], milliseconds: float, **extra: Any) -> dict[str, Any]:
    seconds = milliseconds / 1000
    stats = {"median": seconds, "q1": seconds / 2, "q3": seconds * 2, "iqr": seconds * 1.5, "rounds": 7}
    options = {"timer": "perf_counter" if group in ("notebook", "same work") else "process_time"}
    return {"group": group, "params": params, "extra_info": extra, "options": options, "stats": stats}


@pytest.fixture
def result() -> dict[str, Any]:
    """As pytest-benchmark writes it; a stack of 5 takes 4 times as long as one replica."""
    entries = [entry("notebook", {"workers": workers}, time) for workers, time in ((2, 400.0), (0, 90.0))]
    for replicas, factor in ((1, 1), (5, 4)):
        entries.append(entry("same work", {"replicas": replicas}, 10.0 * factor))
        for name, time in STEP_MS.items():
            params = {"variant": name, "replicas": replicas}
            for group, scale in (("epoch", 2), ("step", 1)):
                entries.append(entry(group, params, time * scale * factor, parameters=VARIANTS[name]))
        for network, time in PRODUCTS_MS.items():
            params = {"network": network, "replicas": replicas}
            entries.append(entry("products", params, time * factor, flops=80_000_000 * replicas))
    whole = {"experiments": 15, "epochs": 2000, "workers": 2, "images": 600, "notebook_epochs_timed": 2}
    entries.append(entry("replay", {}, 12_000.0, notebook_seconds=720.0, **whole))
    machine = {
        "device": "cpu",
        "cpu": "A processor",
        "cores": 2,
        "threads": 1,
        "system": "Linux",
        "python": "3.11",
        "torch": "2.9",
        "source": "digits",
        "train": 100,
        "val": 300,
        "image_shape": [3, 32, 32],
        "classes": 3,
    }
    return {"machine_info": machine, "datetime": "2001-02-03T04:05:06", "benchmarks": entries}


def test_ratios_to_the_notebook_count_one_replica(result: dict[str, Any]) -> None:
    timings = timing.read(result)
    ratios = {
        (benchmark.subject, benchmark.replicas): timings.to_same_work(benchmark)
        for benchmark in timings.group("notebook", "same work")
    }
    assert {key: ratio.median for key, ratio in ratios.items()} == pytest.approx(
        {("2 worker processes", 1): 40, ("no worker processes", 1): 9, ("AnimalNet", 1): 1, ("AnimalNet", 5): 0.8}
    )


@pytest.mark.parametrize("replicas", [1, 5])
def test_variants_are_compared_within_a_size_of_stack(result: dict[str, Any], replicas: int) -> None:
    timings = timing.read(result)
    steps = {variant: timings.ratio("step", variant, replicas).median for variant in timings.variants}
    assert steps == pytest.approx({"none": 1, "small_lr": 1.1, "adam": 2, "big_l1": 2.5})
    shares = {variant: timings.share(variant, replicas).median for variant in timings.variants}
    assert shares == pytest.approx({"none": 25, "small_lr": 100 / 4.4, "adam": 12.5, "big_l1": 50})


def test_quartiles_enclose_their_median(result: dict[str, Any]) -> None:
    timings = timing.read(result)
    for variant in timings.variants:
        for value in (timings.ratio("epoch", variant, 5), timings.share(variant, 5)):
            assert value.low < value.median < value.high


def test_same_work_differs_in_the_learning_rate_only(result: dict[str, Any]) -> None:
    assert timing.read(result).equal_to_baseline() == ["small_lr"]


def test_page_links_only_to_what_is_there(result: dict[str, Any]) -> None:
    pages = timing.build(result, VARIANTS)
    html = str(pages["index.html"])
    assert "40 times as long with 2 worker processes" in html
    assert "takes 12 seconds from the start of the process" in html
    assert "with data loaders and 2 worker processes it would take 60 times as long" in html
    assert "lie between 1.10 and 1.10" in html
    assert "processor time; against the notebook wall-clock time" in html
    assert "80 GFLOP/s" in html
    links = set(re.findall(r'(?:href|src)="([^"#:]+)"', html))
    assert {link for link in links if not link.startswith("../")} == {*pages, "benchmark.json"} - {"index.html"}
    assert not re.search(r'(?:href|src)="(?:https?:)?//', html)


def test_network_need_not_be_the_notebook_s(result: dict[str, Any]) -> None:
    kept = [found for found in result["benchmarks"] if found["params"].get("network") != "AnimalNet"]
    for found in kept:
        if "parameters" in found["extra_info"]:
            found["extra_info"] = {"parameters": {"training": {"network": "BigAnimalNet"}}}
    result["benchmarks"] = kept
    assert "16 GFLOP/s at the shapes of BigAnimalNet" in str(timing.build(result, VARIANTS)["index.html"])


def test_charts_draw_columns_that_their_data_has(result: dict[str, Any]) -> None:
    timings = timing.read(result)
    for draw in (timing.notebook_figure, timing.variants_figure, timing.shares_figure):
        figure = draw(timings)
        chart = json.dumps(figure.chart)
        used = set(re.findall(r'"field": "(\w+)"|datum\.(\w+)', chart))
        calculated = set(re.findall(r'"as": "(\w+)"', chart))
        assert {field or datum for field, datum in used} - calculated == set(figure.data.columns)
        assert len(figure.data) == len(figure.data.drop_duplicates(["panel", "row"]))


def test_tables_are_csv(result: dict[str, Any]) -> None:
    pages = timing.build(result, VARIANTS)
    times = pd.read_csv(io.StringIO(str(pages["tables/timing.csv"])))
    assert len(times) == len(result["benchmarks"]) - 1
    replay = pd.read_csv(io.StringIO(str(pages["tables/replay.csv"])))
    assert replay["seconds"].tolist() == pytest.approx([12, 720])
    assert replay["ratio"].tolist() == pytest.approx([1, 60])
    ratios = pd.read_csv(io.StringIO(str(pages["tables/ratios.csv"]))).set_index(["variant", "replicas"])
    assert ratios.loc[("adam", 5), "epoch_ratio"] == pytest.approx(2)
    assert ratios.loc[("big_l1", 1), "products_share"] == pytest.approx(0.5)


def test_stage_writes_all_or_nothing(
    result: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def measure(*options: str) -> int:
        (option,) = (option for option in options if option.startswith("--benchmark-json="))
        Path(option.partition("=")[2]).write_text(json.dumps(result))
        return 0

    monkeypatch.chdir(tmp_path)
    params = loads_yaml((ROOT / "params.yaml").read_text())
    del params["variants"]["adam"]
    (tmp_path / "params.yaml").write_text(dumps_yaml(params))
    with pytest.raises(SystemExit):
        page.main()
    assert "benchmark.json is missing" in capsys.readouterr().err
    monkeypatch.setattr(benchmark, "run_suite", lambda *options: 1)
    with pytest.raises(SystemExit):
        benchmark.main()
    assert "failed" in capsys.readouterr().err
    assert not (tmp_path / "reports").exists()
    monkeypatch.setattr(benchmark, "run_suite", measure)
    benchmark.main()
    assert json.loads((tmp_path / "reports/timing/benchmark.json").read_text()) == result
    page.main()
    html = (tmp_path / "reports/timing/index.html").read_text()
    # `adam` is no variant of these parameters, and so has no page.
    assert 'href="../variants/small_lr.html"' in html
    assert 'href="../variants/adam.html"' not in html


@pytest.mark.slow
def test_every_benchmark_runs_and_checks_its_own_work() -> None:
    """The notebook's epoch ends where ours does, and the products count as many operations as a real step."""
    assert benchmark.run_suite("--benchmark-disable") == 0


@pytest.mark.slow
def test_results_hold_medians_and_no_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)  # beside other tests pytest-benchmark would not measure
    file = tmp_path / "result.json"
    quick = ("--benchmark-max-time=0.01", "--benchmark-min-rounds=2", "-k", "products", f"--benchmark-json={file}")
    assert benchmark.run_suite("--benchmark-only", *quick) == 0
    measured = json.loads(file.read_text())
    assert measured["machine_info"]["threads"] == 1
    assert not {"node", "release"} & set(measured["machine_info"])
    assert set(measured["commit_info"]) == {"id", "dirty"}
    for found in measured["benchmarks"]:
        assert found["stats"]["median"] > 0
        assert "data" not in found["stats"]
