"""The only reader of ``params.yaml``: typed, checked, frozen. Importing it does not import torch."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import YAMLError

from stages.errors import UserError, stage
from stages.networks import NETWORKS
from stages.regularizers import REGULARIZERS, Regularizer

PARAMS = Path("params.yaml")
SOURCES = ("digits", "afhq", "folder")
LABEL_SETS = ("clean", "partly_random", "random")
MADE = (Path("data/raw"), Path("reports"))
"""Folders that stages write."""
BASELINE = "none"
"""The variant that every other is compared with."""

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
Text = Annotated[str, Field(min_length=1)]
Address = Annotated[
    str,
    Field(
        pattern="^[^@]+$",
        description="an address without user name and password, for these parameters are published; one with them may "
        "be the mirror that REGBENCH_MIRROR names (any other @ is written as %40)",
    ),
]
Model = TypeVar("Model", bound=BaseModel)


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Folder(Section):
    path: Text
    image_size: Annotated[int, Field(ge=4, le=512)]
    max_unreadable: Share


class Afhq(Section):
    """Addresses of the three archives."""

    clean: Address
    partly_random: Address
    random: Address


class LabelNoise(Section):
    """Shares of labels drawn anew, uniformly over all classes, so that some keep their value."""

    seed: Annotated[int, Field(ge=0)]
    partly_random: Share
    random: Share


class Data(Section):
    source: Literal["digits", "afhq", "folder"]
    folder: Folder
    afhq: Afhq
    label_noise: LabelNoise
    augmentation: dict[Literal["digits", "afhq", "folder"], dict[str, Any]]


class Splits(Section):
    seeds: Annotated[int, Field(ge=2)]
    train: Count
    val: Count


def _network(name: str) -> str:
    if name not in NETWORKS:
        raise ValueError(f"there is no such network; there are {', '.join(NETWORKS)}")
    return name


class Learning(Section):
    """The keys of ``training`` that a variant may override."""

    network: Annotated[str, AfterValidator(_network)]
    epochs: Count
    batch_size: Count
    optimizer: Literal["sgd", "adam", "adamw"]
    lr: Positive
    momentum: Annotated[float, Field(ge=0, lt=1)]


class Training(Learning):
    device: Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:\d+)?)$", description="auto, cpu, cuda or cuda:N")]


class Evaluation(Section):
    calibration_bins: Count
    near_zero: Positive
    fgsm_epsilon: Positive
    confidence: Annotated[float, Field(gt=0, lt=1)]
    unfinished_percent: Positive


class ToyDropout(Section):
    seeds: Annotated[int, Field(ge=2)]
    steps: Annotated[int, Field(ge=500, multiple_of=500)]


class LogisticDecay(Section):
    data: Literal["generated", "published"]
    url: Address


class DecayScaling(Section):
    epochs: Annotated[int, Field(ge=2)]
    """The first step, from zero, decays nothing."""


class MnistMlp(Section):
    data: Literal["digits", "mnist"]
    url: Address
    seeds: Annotated[int, Field(ge=2)]
    epochs: Count


class LinearDecay(Section):
    seeds: Annotated[int, Field(ge=2)]


class Studies(Section):
    """The seed documents' experiments; one that is left out is not run."""

    toy_dropout: ToyDropout | None = None
    logistic_decay: LogisticDecay | None = None
    decay_scaling: DecayScaling | None = None
    mnist_mlp: MnistMlp | None = None
    linear_decay: LinearDecay | None = None

    @property
    def names(self) -> list[str]:
        """Those that are run."""
        return [name for name in type(self).model_fields if getattr(self, name) is not None]


class Claims(Section):
    """The smallest effects that matter, by unit, and what counts as rounding."""

    points: Positive
    percent: Positive
    tolerance: Positive


class File(Section):
    """``params.yaml`` as written."""

    data: Data
    splits: Splits
    training: Training
    evaluation: Evaluation
    studies: Studies
    claims: Claims
    variants: dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Variant:
    """One way of training that the benchmark compares."""

    name: str
    about: str
    training: Training
    """The shared settings with this variant's overrides."""
    regularizers: tuple[Regularizer, ...]

    def parameters(self) -> dict[str, dict[str, Any]]:
        """All that decides the outcome, by section, resolved: the training settings and each regularizer's own."""
        own = {method.key: method.model_dump() for method in self.regularizers}
        return {"training": self.training.model_dump(), **own}


@dataclass(frozen=True)
class Params:
    data: Data
    splits: Splits
    training: Training
    evaluation: Evaluation
    studies: Studies
    claims: Claims
    variants: Mapping[str, Variant]

    def variant(self, name: str) -> Variant:
        if name not in self.variants:
            raise UserError(f"{PARAMS}: there is no variant {name!r}; there are {', '.join(self.variants)}")
        return self.variants[name]


def load(path: Path = PARAMS) -> Params:
    """Read and check the whole of ``params.yaml``, with the library and the version of YAML that DVC reads it with.

    Raises ``UserError`` that lists every mistake with its key, the value found and what is allowed.
    """
    try:
        content = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path} is missing; run this from the root of the project") from None
    except DuplicateKeyError as error:
        key, line = str(error.problem).split('"')[1], error.problem_mark.line + 1
        raise UserError(f"{path}: the key {key!r} stands twice, again in line {line}; delete one of them") from None
    except (YAMLError, ValueError) as error:  # ValueError: bytes that are not UTF-8, a date such as 2021-02-30
        raise UserError(f"{path} is not valid YAML in UTF-8: {error}") from None
    if not isinstance(content, dict):
        raise UserError(f"{path} must hold a mapping with the keys {', '.join(File.model_fields)}")
    problems = [
        f"studies.{name}: found nothing; allowed: its parameters, or delete the key, and the study is not run"
        for name, body in _mapping(content.get("studies")).items()
        if body is None and name in Studies.model_fields
    ]
    file = _check(File, content, (), problems)
    if file is None:
        raise _refused(path, problems)
    augmentation = {
        source: _check(REGULARIZERS["augmentation"], values, ("data", "augmentation", source), problems)
        for source, values in file.data.augmentation.items()
    }
    if missing := sorted(set(SOURCES) - set(augmentation)):
        problems.append(f"data.augmentation: missing {', '.join(missing)}")
    variants = {name: _variant(name, body, file, problems) for name, body in file.variants.items()}
    images = Path(file.data.folder.path).resolve()
    if any(images.is_relative_to(made) or made.is_relative_to(images) for made in map(Path.resolve, MADE)):
        problems.append(
            f"data.folder.path: found {file.data.folder.path!r}; allowed: a folder of images that neither holds nor "
            f"lies in {' or '.join(map(str, MADE))}, which the stages write"
        )
    if not file.studies.names:
        problems.append(f"studies: names none; name one or more of {', '.join(Studies.model_fields)}")
    if BASELINE not in variants:
        problems.append(f"variants: {BASELINE!r} is missing; every other variant is compared with it")
    if problems:
        raise _refused(path, problems)
    return Params(
        file.data,
        file.splits,
        file.training,
        file.evaluation,
        file.studies,
        file.claims,
        {name: variant for name, variant in variants.items() if variant},
    )


def _variant(name: str, body: dict[str, Any], file: File, problems: list[str]) -> Variant | None:
    where = ("variants", name)
    if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
        problems.append(f"variants.{name}: a variant's name may hold letters, digits, _ and - (no dots or spaces)")
    about = body.get("about", "")
    if not isinstance(about, str):
        problems.append(f"{_key((*where, 'about'))}: found {about!r}; allowed: a sentence")
    shared, overrides = file.training.model_dump(), body.get("training", {})
    device = shared.pop("device")
    # Keys and values are reported where the user wrote them, under the variant.
    resolved = {**shared, **overrides} if isinstance(overrides, dict) else overrides
    learning = _check(Learning, resolved, (*where, "training"), problems)
    regularizers = []
    for key, values in body.items():
        if key in ("about", "training"):
            continue
        if key not in REGULARIZERS:
            known = ", ".join(["about", "training", *REGULARIZERS])
            problems.append(f"{_key((*where, key))}: unknown regularizer; allowed: {known}")
            continue
        if key == "augmentation" and isinstance(values, dict):
            values = {**file.data.augmentation.get(file.data.source, {}), **values}
        regularizers.append(_check(REGULARIZERS[key], values, (*where, key), problems))
    if learning is None or None in regularizers:
        return None
    for method in regularizers:
        if method and (obstacle := method.obstacle(NETWORKS[learning.network])):
            fitting = ", ".join(other for other in NETWORKS if not method.obstacle(NETWORKS[other])) or "none"
            problems.append(f"{_key((*where, method.key))}: network {learning.network} {obstacle}; it fits: {fitting}")
    training = Training(**learning.model_dump(), device=device)
    return Variant(name, about, training, tuple(r for r in regularizers if r is not None))


def _check(model: type[Model], values: Any, where: tuple[str | int, ...], problems: list[str]) -> Model | None:
    if not isinstance(values, dict):
        problems.append(f"{_key(where)}: found {values!r}; allowed: a mapping of {', '.join(model.model_fields)}")
        return None
    try:
        return model.model_validate(values)
    except ValidationError as error:
        problems += [_problem(model, where, details) for details in error.errors()]
        return None


def _problem(model: type[BaseModel], where: tuple[str | int, ...], details: Any) -> str:
    location, kind, found = (*where, *details["loc"]), details["type"], details["input"]
    if kind == "extra_forbidden":
        keys = _inner(model, details["loc"][:-1]).model_fields
        return f"{_key(location)}: unknown key; allowed: {', '.join(keys) or 'none'}"
    if kind == "missing":
        return f"{_key(location)}: missing"
    if kind == "model_type":
        keys = _inner(model, details["loc"]).model_fields
        return f"{_key(location)}: found {found!r}; allowed: a mapping of {', '.join(keys)}"
    if kind == "string_pattern_mismatch":
        field = _inner(model, details["loc"][:-1]).model_fields[str(details["loc"][-1])]
        if field.description:  # else the pattern itself says what is allowed
            return f"{_key(location)}: found {found!r}; allowed: {field.description}"
    message = details["msg"].removeprefix("Value error, ")
    allowed = re.sub("^(Input|String) should", "must", message).replace("be a valid dictionary", "be a mapping")
    return f"{_key(location)}: found {found!r}; {allowed}"


def _inner(model: type[BaseModel], path: Sequence[str | int]) -> type[BaseModel]:
    """The model of the section at a path of keys within one of `model`."""
    for part in path:
        annotation = model.model_fields[str(part)].annotation
        inner = [kind for kind in (annotation, *get_args(annotation)) if isinstance(kind, type)]
        model = next((kind for kind in inner if issubclass(kind, BaseModel)), model)
    return model


def _mapping(value: Any) -> dict[Any, Any]:
    return value if isinstance(value, dict) else {}


def _key(where: tuple[str | int, ...]) -> str:
    return ".".join(str(part) for part in where if part != "[key]")


def _refused(path: Path, problems: list[str]) -> UserError:
    return UserError(f"{path} was refused:\n" + "\n".join(f"  {problem}" for problem in problems))


@stage
def main() -> None:
    """``python -m stages.config [source=NAME]``: check ``params.yaml``; with a source, choose it first."""
    from stages.files import replacing

    before = load()
    images = before.data.folder.path
    if not Path(images).is_dir():
        raise UserError(
            f"{PARAMS}: data.folder.path: there is no folder {images}; make it, or set the key back to data/images, "
            "which may be empty (DVC looks into it whatever the source is)"
        )
    for argument in sys.argv[1:]:
        key, _, source = argument.partition("=")
        if key != "source" or source not in SOURCES:
            raise UserError(f"found {argument!r}; allowed: source={' | '.join(SOURCES)}")
        if before.data.source != source:
            editor = YAML()  # which keeps comments and layout
            editor.preserve_quotes, editor.width = True, 4096
            content = editor.load(PARAMS)
            content["data"]["source"] = source
            with replacing(PARAMS) as temporary:
                editor.dump(content, temporary)
    load()


if __name__ == "__main__":
    main()
