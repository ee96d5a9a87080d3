"""The page about time, from the JSON of pytest-benchmark: what training costs, as ratios of medians of one run."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from stages.config import BASELINE
from stages.reporting import site, svg
from stages.reporting.charts import dots
from stages.reporting.figures import Figure
from stages.reporting.tables import Cell, Table, number, number_cell, span

OWNED = ("index.html", "figures", "tables")
"""What `build` makes in `reports/timing/`."""
NETWORK = "AnimalNet"
"""What the notebook trains."""
GROUPS = {
    "notebook": "Notebook’s epoch",
    "same work": "The same work here",
    "epoch": "Epoch",
    "step": "Step",
    "products": "Products of a step",
}
"""The groups of benchmarks of single epochs and less, and how tables name them."""
REPLAY = "replay"
"""The group of the one benchmark of a whole process."""
CLOCKS = {"perf_counter": "wall-clock time", "process_time": "processor time"}
DRAWN = "Dots are medians, lines span the middle half of the rounds."

Result = Mapping[str, Any]
"""The JSON of pytest-benchmark."""


@dataclass(frozen=True)
class Quartiles:
    """Over the rounds of a benchmark."""

    median: float
    low: float
    high: float

    def over(self, reference: float) -> Quartiles:
        return Quartiles(self.median / reference, self.low / reference, self.high / reference)

    def under(self, reference: float) -> Quartiles:
        return Quartiles(reference / self.median, reference / self.high, reference / self.low)


@dataclass(frozen=True)
class Benchmark:
    group: str
    subject: str
    """A variant, a network, or how the notebook loads its data."""
    replicas: int
    time: Quartiles
    """Milliseconds per replica."""
    rounds: int
    extra: Mapping[str, Any]


@dataclass(frozen=True)
class Timings:
    """The benchmarks of a run by group, subject and replicas."""

    benchmarks: Mapping[tuple[str, str, int], Benchmark]
    variants: tuple[str, ...]
    stacks: tuple[int, ...]
    """Numbers of replicas that were timed together; the first is 1."""

    def ratio(self, group: str, variant: str, replicas: int) -> Quartiles:
        """The ratio to the baseline in a stack of the same size."""
        return self.benchmarks[group, variant, replicas].time.over(
            self.benchmarks[group, BASELINE, replicas].time.median
        )

    def share(self, variant: str, replicas: int) -> Quartiles:
        """The time of a step's matrix products alone as a percentage of the step: the share of this machine's rate of
        multiplying matrices of these shapes that the step attains."""
        products = self.benchmarks["products", self.network(variant), replicas]
        return self.benchmarks["step", variant, replicas].time.under(100 * products.time.median)

    def network(self, variant: str) -> str:
        name: str = self.benchmarks["step", variant, 1].extra["parameters"]["training"]["network"]
        return name

    def to_same_work(self, benchmark: Benchmark) -> Quartiles:
        """The ratio to the notebook's epoch as one replica does it here."""
        return benchmark.time.over(self.benchmarks["same work", NETWORK, 1].time.median)

    @property
    def replay(self) -> Benchmark:
        return self.benchmarks[REPLAY, NETWORK, 1]

    @property
    def notebook_to_replay(self) -> float:
        """How many times as long the notebook's way of the whole replay takes."""
        ratio: float = 1000 * self.replay.extra["notebook_seconds"] / self.replay.time.median
        return ratio

    def group(self, *names: str) -> list[Benchmark]:
        return [benchmark for benchmark in self.benchmarks.values() if benchmark.group in names]

    def equal_to_baseline(self) -> list[str]:
        """The variants that do the same work as the baseline with another learning rate: their true ratio is 1."""

        def work(variant: str) -> dict[str, Any]:
            parameters = self.benchmarks["step", variant, 1].extra["parameters"]
            settings = {key: value for key, value in parameters["training"].items() if key not in ("lr", "epochs")}
            return parameters | {"training": settings}

        return [variant for variant in self.variants if variant != BASELINE and work(variant) == work(BASELINE)]


def read(result: Result) -> Timings:
    benchmarks = {}
    for entry in result["benchmarks"]:
        params, stats = entry["params"] or {}, entry["stats"]
        replicas = params.get("replicas", 1)
        subject = params.get("variant") or params.get("network") or NETWORK
        if "workers" in params:
            subject = f"{params['workers'] or 'no'} worker processes"
        time = Quartiles(*(1000 * stats[name] / replicas for name in ("median", "q1", "q3")))
        benchmark = Benchmark(entry["group"], subject, replicas, time, stats["rounds"], entry["extra_info"])
        benchmarks[benchmark.group, subject, replicas] = benchmark
    steps = [benchmark for benchmark in benchmarks.values() if benchmark.group == "step"]
    variants = tuple(dict.fromkeys(benchmark.subject for benchmark in steps))
    return Timings(benchmarks, variants, tuple(sorted({benchmark.replicas for benchmark in steps})))


def build(result: Result, variants: Collection[str]) -> dict[str, str | bytes]:
    """All files of the page, by path in its folder; it links to the pages of those `variants` that were timed."""
    timings = read(result)
    figures = [notebook_figure(timings), variants_figure(timings), shares_figure(timings)]
    tables = [ratio_table(timings, variants), time_table(timings), replay_table(timings)]
    files: dict[str, str | bytes] = {
        "index.html": site.render(
            "timing.html",
            1,
            page="timing",
            title="Timing",
            summary=summary(timings),
            setting=setting(result, timings),
            machine=result["machine_info"],
            stack=timings.stacks[-1],
            replay=timings.replay.extra,
            figures=figures,
            tables=tables,
        )
    }
    for figure in figures:
        files |= figure.files(svg.draw(figure.still_spec))
    return files | {f"tables/{table.name}.csv": table.csv for table in tables}


def summary(timings: Timings) -> list[str]:
    """The findings, in sentences."""
    stack, replay = timings.stacks[-1], timings.replay
    loaders = [
        f"{times(timings.to_same_work(benchmark).median)} as long with {benchmark.subject}"
        for benchmark in timings.group("notebook")
    ]
    in_stack = timings.to_same_work(timings.benchmarks["same work", NETWORK, stack]).median
    alone, together = (number(timings.share(BASELINE, replicas).median, 0) for replicas in (1, stack))
    ratios = {variant: timings.ratio("epoch", variant, 1).median for variant in timings.variants if variant != BASELINE}
    sentences = [
        f"The course notebook’s epoch takes {' and '.join(loaders)} as the same work here.",
        f"The whole replay of its {replay.extra['experiments']} experiments takes "
        f"{number(replay.time.median / 1000, 0)} seconds from the start of the process; with data loaders and "
        f"{replay.extra['workers']} worker processes it would take {times(timings.notebook_to_replay)} as long.",
        f"In a stack of {stack} replicas, each takes {times(in_stack)} as long as one alone.",
        f"The matrix products of a training step of `{BASELINE}`, timed alone, take {alone}\u00a0% of its time, and "
        f"{together}\u00a0% in a stack of {stack}.",
    ]
    if ratios:
        cheapest, dearest = min(ratios, key=ratios.__getitem__), max(ratios, key=ratios.__getitem__)
        sentences.append(
            f"An epoch of the other variants takes from {times(ratios[cheapest])} (`{cheapest}`) to "
            f"{times(ratios[dearest])} (`{dearest}`) as long as one of `{BASELINE}`."
        )
    if equal := timings.equal_to_baseline():
        noise = [
            timings.ratio(group, variant, replicas).median
            for group in ("epoch", "step")
            for variant in equal
            for replicas in timings.stacks
        ]
        least, most = number(min(noise), 2), number(max(noise), 2)
        sentences.append(
            f"How noisy this run was: the ratios measured for {' and '.join(f'`{variant}`' for variant in equal)} lie "
            f"between {least} and {most}, where the work is identical to that of `{BASELINE}`."
        )
    return sentences


def setting(result: Result, timings: Timings) -> dict[str, str]:
    """Where and what was timed, as pairs of a name and a text."""
    machine, network = result["machine_info"], timings.network(BASELINE)
    products = timings.benchmarks["products", network, 1]
    clocks = {entry["group"]: CLOCKS[entry["options"]["timer"]] for entry in result["benchmarks"]}
    shape = "×".join(map(str, machine["image_shape"]))
    rate = products.extra["flops"] / products.time.median / 1e6
    return {
        "Device": machine["device"],
        "Processor": f"{machine['cpu']}, {machine['cores']} cores, {machine['threads']} used",
        "Software": f"PyTorch {machine['torch']}, Python {machine['python']}, {machine['system']}",
        "Images": f"{machine['train']} for training, {machine['val']} for validation, "
        f"{shape}, {machine['classes']} classes, generated",
        "Matrix products": f"{number(rate, 0)} GFLOP/s at the shapes of {network}, one replica",
        "Clock": f"{clocks['step']}; against the notebook {clocks['notebook']}",
        "Measured": result["datetime"][:10],
    }


def notebook_figure(timings: Timings) -> Figure:
    panel = "Epoch"
    data = pd.DataFrame(
        drawn(
            panel,
            f"notebook, {benchmark.subject}"
            if benchmark.group == "notebook"
            else f"here, {stacked(benchmark.replicas)}",
            timings.to_same_work(benchmark),
        )
        for benchmark in timings.group("notebook", "same work")
    )
    chart = dots(tuple(data["row"]), (panel,), "Times as long as one replica here", left=200, mark=1, log=True)
    return Figure(
        "notebook",
        "The course notebook’s loop and this one",
        f"Time per epoch and replica relative to that of one replica here, on a logarithmic axis. {DRAWN}",
        data=data,
        chart=chart,
        still=chart,
    )


def variants_figure(timings: Timings) -> Figure:
    panels = tuple(stacked(replicas).capitalize() for replicas in timings.stacks)
    data = pd.DataFrame(
        drawn(panel, variant, timings.ratio("epoch", variant, replicas))
        for replicas, panel in zip(timings.stacks, panels, strict=True)
        for variant in timings.variants
    )
    chart = dots(timings.variants, panels, f"Times as long as {BASELINE}", mark=1)
    return Figure(
        "variants",
        "The cost of an epoch of each variant",
        f"Time per epoch relative to that of {BASELINE} in a stack of the same size. {DRAWN}",
        data=data,
        chart=chart,
        still=chart,
    )


def shares_figure(timings: Timings) -> Figure:
    panels = tuple(stacked(replicas).capitalize() for replicas in timings.stacks)
    data = pd.DataFrame(
        drawn(panel, variant, timings.share(variant, replicas))
        for replicas, panel in zip(timings.stacks, panels, strict=True)
        for variant in timings.variants
    )
    chart = dots(timings.variants, panels, "Share of the step (%)", mark=100, domain=(0, 100))
    return Figure(
        "products",
        "How close a training step comes to its matrix products alone",
        "Time of the matrix products that a step cannot leave out, timed alone, as a percentage of the time of the "
        "whole "
        f"step. {DRAWN}",
        data=data,
        chart=chart,
        still=chart,
    )


def drawn(panel: str, row: str, value: Quartiles) -> dict[str, Any]:
    """A row of a figure's data."""
    return {"panel": panel, "row": row, "value": value.median, "low": value.low, "high": value.high}


def ratio_table(timings: Timings, linked: Collection[str]) -> Table:
    """Epoch, step and share of the products of every variant, per size of stack."""
    rows, data = [], []
    for variant in timings.variants:
        link = f"../variants/{variant}.html" if variant in linked else ""
        row = [Cell(variant, sort=variant, link=link, code=True)]
        for replicas in timings.stacks:
            epoch, step = (timings.ratio(group, variant, replicas).median for group in ("epoch", "step"))
            share = timings.share(variant, replicas).median
            row += [number_cell(epoch, 2), number_cell(step, 2), number_cell(share, 0)]
            data.append(
                {
                    "variant": variant,
                    "replicas": replicas,
                    "epoch_ratio": epoch,
                    "step_ratio": step,
                    "products_share": share / 100,
                }
            )
        rows.append(row)
    return Table(
        "ratios",
        f"Epoch and step: medians, as multiples of those of {BASELINE} in a stack of the same size. Products: the time "
        "of the step’s matrix products alone as a percentage of the step.",
        ["Variant", *["Epoch", "Step", "Products (%)"] * len(timings.stacks)],
        rows,
        pd.DataFrame(data),
        [("", 1), *((stacked(replicas).capitalize(), 3) for replicas in timings.stacks)],
    )


def time_table(timings: Timings) -> Table:
    """Every benchmark in milliseconds."""
    rows = []
    shown = timings.group(*GROUPS)
    for group, subject in dict.fromkeys((benchmark.group, benchmark.subject) for benchmark in shown):
        row = [Cell(f"{GROUPS[group]}, {subject}")]
        for replicas in timings.stacks:
            found = timings.benchmarks.get((group, subject, replicas))
            row += milliseconds(found) if found else [Cell("–"), Cell("–")]
        rows.append(row)
    data = pd.DataFrame(
        {
            "group": benchmark.group,
            "subject": benchmark.subject,
            "replicas": benchmark.replicas,
            "median_ms": benchmark.time.median,
            "q1_ms": benchmark.time.low,
            "q3_ms": benchmark.time.high,
            "rounds": benchmark.rounds,
        }
        for benchmark in shown
    )
    return Table(
        "timing",
        "Milliseconds per replica: median over the rounds, with quartiles.",
        ["Timed", *["Milliseconds", "Rounds"] * len(timings.stacks)],
        rows,
        data,
        [("", 1), *((stacked(replicas).capitalize(), 2) for replicas in timings.stacks)],
    )


def replay_table(timings: Timings) -> Table:
    """The whole replay of the course notebook, here and there."""
    extra = timings.replay.extra
    timed = {
        "Here, the whole process": timings.replay.time.median / 1000,
        f"Notebook, {extra['workers']} worker processes": extra["notebook_seconds"],
    }
    ratios = 1.0, timings.notebook_to_replay
    rows = [
        [Cell(text), number_cell(seconds, 0), number_cell(ratio, 0)]
        for (text, seconds), ratio in zip(timed.items(), ratios, strict=True)
    ]
    data = pd.DataFrame({"timed": list(timed), "seconds": list(timed.values()), "ratio": ratios})
    return Table(
        REPLAY,
        f"{extra['experiments']} experiments, {number(extra['epochs'], 0)} epochs. The notebook’s time is extrapolated "
        f"from {extra['notebook_epochs_timed']} epochs of each experiment.",
        ["Timed", "Seconds", "Times as long"],
        rows,
        data,
        sortable=False,
    )


def milliseconds(benchmark: Benchmark) -> Iterable[Cell]:
    time = benchmark.time
    yield Cell(number(time.median, 2), span(time.low, time.high, 2), time.median)
    yield number_cell(benchmark.rounds, 0)


def stacked(replicas: int) -> str:
    return "one replica" if replicas == 1 else f"stack of {replicas}"


def times(ratio: float) -> str:
    return f"{number(ratio, 0 if ratio >= 10 else 1 if ratio >= 2 else 2)} times"
