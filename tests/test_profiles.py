"""A profile is merged into params.yaml as a whole or not at all, and ``default`` is the way back."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dvc.utils.serialize import loads_yaml

from stages import config, yaml_files
from stages.errors import UserError

ROOT = Path(__file__).parent.parent
COMMITTED = (ROOT / "params.yaml").read_text(encoding="utf-8")
PROFILES = sorted(path.stem for path in (ROOT / "profiles").glob("*.yaml"))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the committed parameters and profiles."""
    (tmp_path / "params.yaml").write_text(COMMITTED, encoding="utf-8")
    (tmp_path / "data/images").mkdir(parents=True)
    (tmp_path / "profiles").mkdir()
    for name in PROFILES:
        (tmp_path / f"profiles/{name}.yaml").write_bytes((ROOT / f"profiles/{name}.yaml").read_bytes())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def choose(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["config", *arguments])
    config.main.__wrapped__()


def leaves(content: dict[str, Any], *where: str, seen: list[int]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The values of a nested mapping with their paths of keys; lists are values.

    A mapping that is used in several places (an anchor of YAML) is entered at the first of them.
    """
    seen.append(id(content))
    for key, value in content.items():
        if not isinstance(value, dict):
            yield (*where, key), value
        elif id(value) not in seen:
            yield from leaves(value, *where, key, seen=seen)


def written() -> dict[tuple[str, ...], Any]:
    return dict(leaves(loads_yaml(Path("params.yaml").read_text(encoding="utf-8")), seen=[]))


def profile(name: str) -> dict[tuple[str, ...], Any]:
    return dict(leaves(loads_yaml(Path(f"profiles/{name}.yaml").read_text(encoding="utf-8")), seen=[]))


def comments(text: str) -> list[str]:
    return re.findall(r"#.*", text)


def test_the_parameters_are_those_of_a_profile_which_may_be_chosen_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of ``default`` as committed."""
    (name,) = [name for name in PROFILES if profile(name).items() <= written().items()]
    before = Path("params.yaml").stat()
    choose(monkeypatch, f"profile={name}")
    assert Path("params.yaml").stat() == before


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_sets_its_keys_and_nothing_else_and_default_is_the_way_back(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose(monkeypatch, "profile=default")
    original, before = Path("params.yaml").read_text(encoding="utf-8"), written()
    choose(monkeypatch, f"profile={name}")
    assert written() == before | profile(name)
    assert comments(Path("params.yaml").read_text(encoding="utf-8")) == comments(COMMITTED)
    config.load()
    choose(monkeypatch, "profile=default")
    assert Path("params.yaml").read_text(encoding="utf-8") == original


def test_the_profiles_set_the_same_keys() -> None:
    """Otherwise one would leave a mixture of itself and of another behind."""
    assert len({frozenset(profile(name)) for name in PROFILES}) == 1


def test_a_source_and_a_profile_are_chosen_together(monkeypatch: pytest.MonkeyPatch) -> None:
    choose(monkeypatch, "source=afhq", "profile=full")
    assert config.load().data.source == "afhq"
    assert profile("full").items() <= written().items()


@pytest.mark.parametrize(
    ("overlay", "messages"),
    [
        ("splits: {seed: 3}", ["profiles/bad.yaml does not fit params.yaml", "splits.seed: unknown key; allowed: "]),
        ("speed: 3", ["profiles/bad.yaml", "speed: unknown key; allowed: arithmetic, data, splits"]),
        ("training: 3", ["profiles/bad.yaml", "training: found 3; allowed: a mapping of network, "]),
        ("training: {epochs: {most: 3}}", ["profiles/bad.yaml", "training.epochs: found", "a value, no mapping"]),
        ("training: {epochs: many}", ["profiles/bad.yaml:", "training.epochs: found 'many'"]),
        ("splits: {seeds: 1}\ntraining: {lr: -1.0}", ["profiles/bad.yaml:", "splits.seeds", "training.lr"]),
        ("variants: {none: {about: [a, b]}}", ["profiles/bad.yaml:", "variants.none.about", "a valid string"]),
        ("splits: {seeds: 3", ["profiles/bad.yaml is not valid YAML"]),
        ("splits: {seeds: 3, seeds: 4}", ["profiles/bad.yaml: the key 'seeds' occurs twice"]),
        ("training: {epochs: 0b_}", ["profiles/bad.yaml, line 1: found '0b_'; allowed: numbers of 1 to 100"]),
        ("- splits", ["profiles/bad.yaml must hold a mapping with the keys arithmetic, data, splits"]),
    ],
)
def test_a_bad_profile_changes_nothing_and_the_error_names_its_key(
    overlay: str, messages: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("profiles/bad.yaml").write_text(f"{overlay}\n")
    with pytest.raises(UserError) as caught:
        choose(monkeypatch, "source=mnist", "profile=bad")
    assert all(message in str(caught.value) for message in messages), caught.value
    assert Path("params.yaml").read_text(encoding="utf-8") == COMMITTED
    assert sorted(path.name for path in Path().iterdir()) == ["data", "params.yaml", "profiles"]


def test_a_list_takes_the_place_of_the_whole_list() -> None:
    place, problems = {"sizes": [1, 2, 3], "names": "all", "rates": [0.5]}, list[str]()
    yaml_files.overlay(place, {"sizes": [4], "names": ["a", "b"], "rates": "all"}, (), problems)
    assert place == {"sizes": [4], "names": ["a", "b"], "rates": "all"}
    assert not problems


def test_other_profiles_are_refused_with_the_names_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"profile=default \| full"):
        choose(monkeypatch, "profile=fast")


def test_make_passes_the_profile_on_and_help_names_it() -> None:
    def make(*arguments: str) -> str:
        command = ["make", "--no-print-directory", "-C", str(ROOT), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert "stages.config source=mnist profile=full\n" in make("--dry-run", "repro", "SOURCE=mnist", "PROFILE=full")
    assert "stages.config profile=full\n" in re.sub(" +", " ", make("--dry-run", "repro", "PROFILE=full"))
    assert "make repro PROFILE=full" in make("help")
