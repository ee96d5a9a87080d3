"""What the README tells people to do works."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path

from dvc.utils.serialize import dumps_yaml, loads_yaml

from stages import config
from stages.datasets.noise import KINDS
from stages.regularizers.base import Work
from tests import small

README = (small.ROOT / "README.md").read_text(encoding="utf-8")


def test_the_example_of_a_regularizer_is_a_whole_one(tmp_path: Path) -> None:
    folder = small.make(tmp_path)
    file = re.search(r"`(stages/regularizers/\w+\.py)`:", README)
    code = re.search(r"```python\n(.+?)```", README, re.DOTALL)
    entry = re.search(r"```yaml\n(.+?)```", README.partition("## Your own regularizer")[2], re.DOTALL)
    assert file
    assert code
    assert entry
    (folder / file[1]).write_text(code[1])
    content = loads_yaml((folder / "params.yaml").read_text())
    added = loads_yaml(entry[1])["variants"]
    content["variants"] |= added
    (folder / "params.yaml").write_text(dumps_yaml(content))
    (name,) = added
    for stage, *arguments in (["download"], ["prepare"], ["plan"], ["tune"], ["train"]):
        small.stage(folder, stage, *arguments)
    runs = folder / "data/runs"
    assert (runs / name / "history.parquet").read_bytes() != (runs / "none/history.parquet").read_bytes()
    assert "it is bit-identical" in small.stage(folder, "train", name, "random", "tuned", "101").stdout
    plans = {path.stem: json.loads(path.read_text())["methods"] for path in (folder / "data/plan").iterdir()}
    assert [variant for variant, methods in plans.items() if file[1] in methods] == [name]


def test_the_example_of_a_regularizer_is_written_as_the_others(tmp_path: Path) -> None:
    code = re.search(r"```python\n(.+?)```", README, re.DOTALL)
    assert code
    (tmp_path / "uniform_noise.py").write_text(code[1])
    for command in (("check",), ("format", "--check")):
        small.run(small.ROOT, "ruff", *command, "--config", "pyproject.toml", str(tmp_path / "uniform_noise.py"))


def test_it_names_the_hooks_of_a_method() -> None:
    hooks = {name for name, value in vars(Work).items() if inspect.isfunction(value) and not name.startswith("_")}
    text = README.partition("## Your own regularizer")[2].partition("\n## ")[0]
    assert hooks - {"each", "shared"} <= set(re.findall(r"`(\w+)`", text))


def test_the_example_of_tasks_is_taken(tmp_path: Path) -> None:
    example = re.search(r"```yaml\n(tasks:\n.+?)```", README, re.DOTALL)
    assert example
    content = small.params(crossed__task="clean") | loads_yaml(example[1])
    (tmp_path / "params.yaml").write_text(dumps_yaml(content))
    tasks = config.load(tmp_path / "params.yaml").tasks
    assert {task.noise.kind for task in tasks.values() if task.noise} == set(KINDS)
    assert tasks["few"].train == 30


def test_every_local_link_leads_somewhere() -> None:
    for document in ("README.md", "stages/README.md", "data/README.md"):
        file = small.ROOT / document
        for link in re.findall(r"\]\(([^)#]+)\)", file.read_text(encoding="utf-8")):
            assert link.startswith("https://") or (file.parent / link).exists(), f"{document}: {link}"


def test_the_targets_it_names_exist() -> None:
    makefile = (small.ROOT / "Makefile").read_text()
    for target in set(re.findall(r"(?:^|`)make ([a-z]+)", README, re.MULTILINE)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_variables_and_keys_it_names_exist() -> None:
    params = loads_yaml((small.ROOT / "params.yaml").read_text())
    for path in re.findall(r"`((?:data|splits|training|variants|evaluation|documents|claims)\.[a-z_.]+)`", README):
        place = params
        for key in path.split("."):
            assert key in place, path
            place = place[key]
