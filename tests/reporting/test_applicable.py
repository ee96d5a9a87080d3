"""Methods that make no sense on a network or a task are shown so, and are in no finding."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

from stages import claims, config, report
from stages.networks import NETWORKS
from stages.regularizers import REGULARIZERS
from stages.reporting.tables import obstacles
from tests.reporting.sample import VARIANTS, write_results

BLOCKS = {"training": {"network": "SmallResNet"}, "stochastic_depth": {"p": 0.2}}
CORRECTED = {"forward_correction": {"rate": 0.1}}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("applicable")
    write_results(folder, {"none": VARIANTS["none"], "corrected": CORRECTED, "deep": BLOCKS})
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        claims.main()
        report.main()
    return folder


def test_the_table_says_where_and_why_not(root: Path) -> None:
    found = pd.read_csv(root / "reports/tables/applicable.csv", keep_default_na=False).set_index("method")
    assert dict(found.loc["stochastic_depth"]) == {
        "mlp": "the network has no residual branches",
        "cnn": "the network has no residual branches",
        "resnet": "",
        **dict.fromkeys(("clean", "partly_random", "random"), ""),
    }
    assert found.loc["forward_correction", "clean"] == "it corrects for wrong labels, and all are true"
    assert found.loc["forward_correction", "partly_random"] == ""
    html = (root / "reports/methods.html").read_text()
    assert html.count("not applicable: the network has no residual branches") == 2


def test_reasons_that_only_some_networks_of_a_kind_give_name_them() -> None:
    method = REGULARIZERS["group_norm"](groups=4)
    assert obstacles(method, "cnn") == ""
    refused = [name for name, network in NETWORKS.items() if network.kind == "mlp" and method.obstacle(network)]
    assert re.findall(r"(\w+) has a layer", obstacles(method, "mlp")) == refused == ["AnimalNetDropout"]


def test_it_is_in_no_finding_and_its_page_says_why(root: Path) -> None:
    params = config.load(root / "params.yaml")
    found = pd.read_csv(root / "reports/tables/headline.csv").query(
        "variant == 'corrected' and metric == 'test_accuracy'"
    )
    compared = found[found["pairs"] > 0]
    assert set(compared["task"]) == {"partly_random"}
    assert set(found["task"]) == set(params.tasks)
    page = (root / "reports/variants/corrected.html").read_text()
    for task in params.tasks.values():
        assert (f"Not applicable on {task.title}." in page) == (task.given.noise is None or task.given.rate == 1)
    assert "Not applicable" not in (root / "reports/variants/deep.html").read_text()
    headline = (root / "reports/index.html").read_text()
    assert headline.count(">not applicable<") == 2
