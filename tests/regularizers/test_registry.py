"""Methods are found by their files, and what they say of themselves holds."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import stages.regularizers
from stages.config import Variant
from stages.plan import plan
from stages.regularizers import REGULARIZERS, Regularizer, find
from stages.regularizers.base import ORDER, Search, Work
from stages.regularizers.l2 import L2
from stages.regularizers.penalty import Penalty
from tests import small
from tests.training.conftest import IN_PARAMS, METHODS, PARAMS

every_key = pytest.mark.parametrize("key", REGULARIZERS)
SPARSE_L2 = """
from typing import ClassVar

from stages.regularizers.l2 import L2, L2Work
from stages.regularizers.base import Step, Work


class SparseL2Work(L2Work):
    def of(self, parameter):
        return super().of(parameter).clamp(max=1)


class SparseL2(L2):
    \"\"\"An L2 penalty that large weights do not pay.\"\"\"

    key: ClassVar[str] = "{key}"
    title: ClassVar[str] = "Sparse L2 penalty"
    work: ClassVar[type[Work]] = SparseL2Work
"""
LENT = """
from typing import ClassVar

from stages.regularizers.base import Work
from stages.regularizers.l1 import L1Work
from stages.regularizers.penalty import Penalty


class Lent(Penalty):
    \"\"\"The work of another method.\"\"\"

    key: ClassVar[str] = "lent"
    work: ClassVar[type[Work]] = L1Work
"""


@every_key
def test_every_method_says_what_it_is(key: str) -> None:
    method = REGULARIZERS[key]
    assert method.key == key
    for text in (method.title, method.paper, method.__doc__):
        assert isinstance(text, str)
        assert text.strip()
    assert "https://" in method.paper
    assert method.acts_on in ORDER
    assert issubclass(method.work, Work)
    assert method.work is not Work


@every_key
def test_ranges_and_what_may_differ_are_of_real_fields(key: str) -> None:
    method = REGULARIZERS[key]
    assert set(method.search) <= set(method.model_fields)
    assert method.differ <= set(method.model_fields)
    for field, search in method.search.items():
        assert isinstance(search, Search)
        assert search.low < search.high
        assert search.scale == "linear" or search.low > 0
        for end in (search.low, search.high):  # both ends are allowed values
            whole = method.model_fields[field].annotation is int
            values = IN_PARAMS[key] | {field: int(end) if whole else float(end)}
            assert getattr(method(**values), field) == end
    for field in method.differ:  # `each` makes them numbers
        assert isinstance(IN_PARAMS[key][field], bool | int | float)


@every_key
def test_a_variant_of_the_committed_parameters_uses_every_method(key: str) -> None:
    assert key in IN_PARAMS
    assert REGULARIZERS[key](**IN_PARAMS[key]).model_dump() == IN_PARAMS[key]


@every_key
def test_every_method_is_tried_in_training(key: str) -> None:
    assert any(key in methods for methods in METHODS)


@every_key
def test_methods_are_frozen_and_refuse_what_they_do_not_know(key: str) -> None:
    method = REGULARIZERS[key](**IN_PARAMS[key])
    with pytest.raises(ValueError, match="unknown"):
        REGULARIZERS[key](**IN_PARAMS[key], unknown=1)
    for field in type(method).model_fields:
        with pytest.raises(ValueError, match="frozen"):
            setattr(method, field, getattr(method, field))
    assert hash(method) == hash(REGULARIZERS[key](**IN_PARAMS[key]))


def test_those_of_the_benchmark_are_there() -> None:
    assert set(REGULARIZERS) >= {
        "l1", "l2", "weight_decay", "dropout", "batch_norm", "augmentation", "label_smoothing", "early_stopping"
    }  # fmt: skip
    assert set(REGULARIZERS) == set(find())


def test_a_shared_base_class_is_no_method() -> None:
    assert issubclass(L2, Penalty)
    assert not {Penalty, Regularizer} & set(REGULARIZERS.values())


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder whose modules are found beside the others."""
    monkeypatch.setattr(stages.regularizers, "__path__", [*stages.regularizers.__path__, str(tmp_path)])
    for name in ("of_a_test", "of_another_test"):
        monkeypatch.setattr(stages.regularizers, name, None, raising=False)  # goes when the test ends
        monkeypatch.delitem(sys.modules, f"stages.regularizers.{name}", raising=False)
    yield tmp_path
    for name in ("of_a_test", "of_another_test"):
        sys.modules.pop(f"stages.regularizers.{name}", None)


def test_a_new_file_is_a_new_method_and_what_it_imports_is_none(folder: Path) -> None:
    (folder / "of_a_test.py").write_text(SPARSE_L2.format(key="sparse_l2"))
    found = find()
    assert set(found) == {*REGULARIZERS, "sparse_l2"}
    assert issubclass(found["sparse_l2"], found["l2"])
    assert found["l2"] is REGULARIZERS["l2"]


def test_a_class_without_a_key_of_its_own_is_no_method(folder: Path) -> None:
    """Not even if it inherits one."""
    content = SPARSE_L2.format(key="sparse_l2").replace("key: ClassVar", "other: ClassVar")
    (folder / "of_a_test.py").write_text(content)
    assert find() == REGULARIZERS


@pytest.mark.parametrize("key", ["l2", "dropout", "early_stopping"])
def test_two_classes_of_one_key_are_refused(folder: Path, key: str) -> None:
    (folder / "of_a_test.py").write_text(SPARSE_L2.format(key=key))
    with pytest.raises(TypeError, match=f"have the key '{key}'"):
        find()


def test_two_new_classes_of_one_key_are_refused(folder: Path) -> None:
    for name in ("of_a_test", "of_another_test"):
        (folder / f"{name}.py").write_text(SPARSE_L2.format(key="sparse_l2"))
    with pytest.raises(TypeError, match="have the key 'sparse_l2'"):
        find()


def test_a_method_that_inherits_another_is_recorded_beside_it(tmp_path: Path) -> None:
    """In a variant that has both nothing vanishes: of the parameters, of the plan, of what names a kept replica."""
    both = {"sparse_l2": {"strength": 0.25}, "l2": {"strength": 0.5}}
    project = small.make(tmp_path, variants__both=both)
    (project / "stages/regularizers/sparse_l2.py").write_text(SPARSE_L2.format(key="sparse_l2"))
    script = """
import json
from stages import config
from stages.plan import plan
from stages.training.jobs import Unit
variant = config.load().variant("both")
unit = Unit("both", variant.training, variant.regularizers, "clean", 0, 0)
print(json.dumps([variant.parameters(), plan(variant), unit.parameters]))
"""
    parameters, planned, unit = json.loads(small.run(project, sys.executable, "-c", script).stdout)
    for record in (parameters, planned["parameters"], unit):
        assert {key: record[key] for key in both} == both
        assert set(record) == {"training", *both}
    files = {f"stages/regularizers/{name}.py" for name in ("l2", "sparse_l2", "penalty")}
    assert set(planned["methods"]) == files


def test_a_plan_knows_the_file_of_a_work_that_another_method_lends(tmp_path: Path) -> None:
    project = small.make(tmp_path, variants__lent={"lent": {"strength": 0.25}})
    (project / "stages/regularizers/lent.py").write_text(LENT)
    script = "import json; from stages import config, plan; "
    script += "print(json.dumps(plan.plan(config.load().variant('lent'))['methods']))"
    planned = json.loads(small.run(project, sys.executable, "-c", script).stdout)
    assert {Path(path).name for path in planned} == {"lent.py", "l1.py", "penalty.py"}


def test_a_plan_knows_the_files_of_its_own_methods_alone() -> None:
    def own(name: str) -> set[str]:
        return {Path(path).name for path in plan(PARAMS.variant(name))["methods"]}

    assert own("none") == set()
    assert own("l1") == {"l1.py", "penalty.py"}
    assert own("elastic_net") == {"l1.py", "l2.py", "penalty.py"}
    assert own("wide_dropout") == {"dropout.py"}
    assert own("everything") == {
        "augmentation.py", "weight_decay.py", "dropout.py", "batch_norm.py", "label_smoothing.py", "early_stopping.py"
    }  # fmt: skip


def test_a_plan_changes_with_a_methods_file(tmp_path: Path) -> None:
    project = small.make(tmp_path)
    script = "import json; from stages import config, plan; "
    script += "print(json.dumps({n: plan.plan(v) for n, v in config.load().variants.items()}))"

    def plans() -> dict[str, object]:
        found: dict[str, object] = json.loads(small.run(project, sys.executable, "-c", script).stdout)
        return found

    before = plans()
    for name, changed in (("l1", {"l1"}), ("penalty", {"l1"}), ("dropout", {"everything"}), ("l2", set())):
        file = project / f"stages/regularizers/{name}.py"
        content = file.read_text()
        file.write_text(content + "\n# edited\n")
        after = plans()
        assert {variant for variant in before if before[variant] != after[variant]} == changed, name
        file.write_text(content)


def test_parameters_of_all_methods_of_a_variant_are_recorded() -> None:
    values = tuple(REGULARIZERS[key](**IN_PARAMS[key]) for key in REGULARIZERS)
    variant = Variant("all", "", PARAMS.training, values)
    assert variant.parameters() == {"training": PARAMS.training.model_dump(), **IN_PARAMS}


@pytest.mark.parametrize("module", ["config", "plan", "prepare", "download", "report", "regularizers", "networks"])
def test_what_does_not_train_does_not_import_torch(module: str) -> None:
    script = f"import sys, stages.{module}; sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
