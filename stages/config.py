"""The only reader of ``params.yaml``: typed, checked, frozen. Importing it does not import torch."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, ValidationError
from ruamel.yaml import YAML

from stages import yaml_files
from stages.datasets.sources import SOURCES, Source
from stages.errors import UserError, stage
from stages.networks import NETWORKS
from stages.regularizers import REGULARIZERS, Regularizer
from stages.regularizers.base import SOLE, Given
from stages.yaml_files import key_of, refused, shown

PARAMS = Path("params.yaml")
PROFILES = Path("profiles")
"""Overlays of it: each file holds the keys that a profile sets."""
MADE = (Path("data/raw"), Path("reports"))
"""Folders that stages write."""
BASELINE = "none"
"""The variant that every other is compared with."""
DEFAULT, TUNED, TUNED_CLEAN = TRACKS = ("default", "tuned", "tuned_clean")
"""How a variant's strengths and learning rate come about: as in ``params.yaml``; chosen in a search by the validation
labels at hand; chosen by clean validation labels, where those at hand are noisy."""
NAME = r"[A-Za-z0-9_-]{1,60}"
"""What a task or a variant may be called: its name becomes part of those of stages, files and links."""
MOST_IMAGES = 10_000_000
"""No source has as many."""

Share = Annotated[float, Field(ge=0, le=1)]
Strength = Annotated[float, Field(gt=0, le=1)]
"""Of an attack or a disturbance, as a share of the range from black to white."""
Percent = Annotated[float, Field(gt=0, le=100)]
Factor = Annotated[float, Field(gt=0, le=1000)]
Seed = Annotated[int, Field(ge=0, le=1_000_000_000)]
Seeds = Annotated[int, Field(ge=2, le=1000)]
"""A number of seeds."""
Epochs = Annotated[int, Field(ge=1, le=100_000)]
Images = Annotated[int, Field(ge=1, le=MOST_IMAGES)]
"""A number of images."""
Text = Annotated[str, Field(min_length=1, max_length=200)]
Address = Annotated[
    str,
    Field(
        pattern="^[^@]+$",
        description="an address without user name and password, as these parameters are published; one with them may "
        "be the mirror that REGBENCH_MIRROR names (any other @ is written as %40)",
    ),
]
Model = TypeVar("Model", bound=BaseModel)
Item = TypeVar("Item")
Listed = Annotated[tuple[Item, ...], Field(strict=False)]
"""A list in YAML."""


def _size(value: Any) -> int | str:
    if value == "all" or (isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MOST_IMAGES):
        return value
    raise ValueError(f"allowed: a whole number from 1 to {MOST_IMAGES:,}, or all")


Size = Annotated[int | str, PlainValidator(_size)]
"""A number of training images; `all`: those that are not for validation."""
Names = Annotated[Listed[str] | None, BeforeValidator(lambda value: None if value == "all" else value)]
"""Variants; None for all, which is written `all`."""


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class LabelNoise(Section):
    seed: Seed


class Data(Section):
    """What all sources share; the section of a source's name, if it has one, holds its own parameters."""

    source: Text
    label_noise: LabelNoise


class TaskNoise(Section):
    kind: Literal["uniform", "class_dependent", "instance_dependent"]
    rate: Share


class Task(Section):
    """What is learned."""

    noise: TaskNoise | None = None
    """None: the true labels."""
    train: Size
    title: Text
    """How pages name it, in the middle of a sentence."""
    about: str = ""
    tune: str
    """The task whose searches choose its settings: its own name, unless its labels leave nothing to choose by."""
    seeds: Seeds
    """Number of final seeds."""
    variants: Names = None
    """Those that are trained on it."""

    def tracks(self, name: str) -> tuple[str, ...]:
        """How variants are trained on the task of this name."""
        by_clean_labels = self.noise is not None and self.tune == name
        return TRACKS if by_clean_labels else (DEFAULT, TUNED)

    def has(self, variant: str) -> bool:
        return self.variants is None or variant in self.variants

    @property
    def given(self) -> Given:
        """What a method may know of it."""
        images = self.train if isinstance(self.train, int) else None
        if self.noise is None or not self.noise.rate:
            return Given(None, 0.0, images)
        return Given(self.noise.kind, self.noise.rate, images)

    @property
    def heading(self) -> str:
        """Its title at the beginning of a line."""
        return self.title[0].upper() + self.title[1:]


class Splits(Section):
    """What is drawn for each final seed: ``first``, ``first`` + 1, ..."""

    first: Seed
    seeds: Seeds
    train: Images
    val: Images

    def drawn(self, seeds: int) -> range:
        """The first final seeds, so many."""
        return range(self.first, self.first + seeds)


class Tune(Section):
    """The budget of every variant: in each of several independent searches so many trials."""

    trials: Annotated[int, Field(ge=1, le=1000)]
    searches: Annotated[int, Field(ge=1, le=100)]
    first: Seed
    """Search k draws split and initial weights from the seed ``first`` + k."""
    lr: Annotated[tuple[Factor, Factor], Field(strict=False)]
    """The range of the learning rate, as factors on the variant's own."""

    @property
    def seeds(self) -> range:
        """The seed of each search."""
        return range(self.first, self.first + self.searches)


class Grid(Section):
    """Tasks that differ in the number of training images and in their noise, for a few variants."""

    train: Annotated[Listed[Size], Field(max_length=20)]
    rate: Annotated[Listed[Share], Field(max_length=20)]
    kind: Annotated[Listed[Literal["uniform", "class_dependent", "instance_dependent"]], Field(max_length=3)]
    variants: Names
    seeds: Seeds
    tune: bool
    """Whether every cell has searches of its own; otherwise it takes what was chosen on a main task: the first one, or
    with noise the first noisy one that is tuned."""


class Crossed(Section):
    """Every split trained with every set of draws, for a few variants as written: where variance comes from."""

    task: str
    variants: Annotated[Listed[str], Field(min_length=1)]
    splits: Seeds
    """Number of splits: of the seeds from ``splits.first`` on."""
    draws: Seeds
    """Number of sets of initial weights and all else that is drawn while training: of these seeds, too."""


def _network(name: str) -> str:
    if name not in NETWORKS:
        raise ValueError(f"unknown network; available: {', '.join(NETWORKS)}")
    return name


class Learning(Section):
    """The keys of ``training`` that a variant may override."""

    network: Annotated[str, AfterValidator(_network)]
    width: Annotated[float, Field(gt=0, le=32)]
    """A factor on the network's hidden units or channels."""
    epochs: Epochs
    batch_size: Images
    optimizer: Literal["sgd", "adam", "adamw"]
    lr: Factor
    momentum: Annotated[float, Field(ge=0, lt=1)]
    images: Literal["train", "train_and_val", "part_of_train"]
    """Which images it is trained on: those for training; those for validation, too, so that nothing is left to choose
    by; or four fifths of those for training, the rest being its validation images."""


class Training(Learning):
    device: Annotated[
        str,
        Field(
            pattern="^(auto|cpu|cuda(:(0|[1-9][0-9]?))?)$", description="auto, cpu, cuda or cuda:N with N from 0 to 99"
        ),
    ]


class Evaluation(Section):
    calibration_bins: Annotated[int, Field(ge=1, le=1000)]
    near_zero: Annotated[float, Field(gt=0, le=1)]
    fgsm_epsilon: Strength
    pgd_epsilon: Strength
    pgd_steps: Annotated[int, Field(ge=1, le=1000)]
    noise_sigma: Strength
    blur_sigma: Annotated[float, Field(gt=0, le=100)]
    contrast_factor: Annotated[float, Field(gt=0, lt=1)]
    confidence: Annotated[float, Field(ge=0.5, le=0.9999)]
    unfinished_percent: Percent


class Claims(Section):
    """The smallest effects that matter, by unit, and what counts as rounding."""

    points: Percent
    percent: Factor
    tolerance: Annotated[float, Field(gt=0, le=0.1)]


class Mlflow(Section):
    replicas: bool


class Own(Section):
    """The keys of a variant that name no method, but for its ``training``."""

    about: str = ""
    repeats: Annotated[int, Field(ge=1, le=100)] = 1
    against: str = BASELINE
    leave_one_out: bool = False


OWN_KEYS = (*Own.model_fields, "training")


class File(Section):
    """``params.yaml`` as written."""

    arithmetic: Literal["portable", "native"]
    """Obeyed in `stages/__init__.py`, before NumPy and torch are loaded."""
    data: dict[str, Any]
    splits: Splits
    tasks: dict[str, dict[str, Any]]
    grid: Grid
    crossed: Crossed
    tune: Tune
    training: Training
    evaluation: Evaluation
    documents: dict[str, dict[str, Any] | None]
    claims: Claims
    mlflow: Mlflow
    variants: dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Variant:
    """One way of training that the benchmark compares."""

    name: str
    about: str
    training: Training
    """The shared settings with this variant's overrides."""
    regularizers: tuple[Regularizer, ...]
    repeats: int = 1
    """How many networks are trained for each split, with initial weights and draws of their own."""
    against: str = BASELINE
    """The variant that it is compared with: one with the same network, so that the methods alone differ."""
    without: str = ""
    """The method that was left out of the variant that it is compared with, if it is that variant otherwise."""

    @property
    def tuned_as(self) -> str:
        """The variant whose searches choose its settings: the one that it is compared with, if it trains on all images
        and has none left to choose by, or if nothing but the method left out may differ."""
        return self.against if self.without or self.training.images == "train_and_val" else self.name

    def own(self, changes: Mapping[str, Any]) -> dict[str, Any]:
        """The changes to parameters that it has: those of the method left out are not among them."""
        sections = self.parameters()
        return {key: value for key, value in changes.items() if key.partition(".")[0] in sections}

    def needless(self, task: Task) -> str:
        """Why none of its methods has anything to do on a task; empty if one has, or if it has no methods."""
        reasons = {type(method).title: method.needless(task.given) for method in self.regularizers}
        return "; ".join(f"{title} {why}" for title, why in reasons.items()) if all(reasons.values()) else ""

    def leave_one_out(self) -> Iterator[Variant]:
        """For each of its methods the variant without it, compared with this one."""
        for method in self.regularizers:
            yield replace(
                self,
                name=f"{self.name}_without_{method.key}",
                about=f"`{self.name}` without `{method.key}`, with the settings that were chosen for all of it.",
                regularizers=tuple(other for other in self.regularizers if other is not method),
                against=self.name,
                without=method.key,
            )

    def with_parameters(self, changes: Mapping[str, Any]) -> Variant:
        """The variant with other values of some parameters, named as in ``training.lr`` and ``dropout.p``."""
        own: dict[str, dict[str, Any]] = {}
        for key, value in changes.items():
            section, _, field = key.partition(".")
            own.setdefault(section, {})[field] = value
        return replace(
            self,
            training=self.training.model_copy(update=own.get("training", {})),
            regularizers=tuple(method.model_copy(update=own.get(method.key, {})) for method in self.regularizers),
        )

    def parameters(self) -> dict[str, dict[str, Any]]:
        """Everything that determines the outcome, by section, resolved: the training settings and each regularizer's
        own."""
        own = {method.key: method.model_dump() for method in self.regularizers}
        return {"training": self.training.model_dump(), **own}


@dataclass(frozen=True)
class Params:
    arithmetic: str
    data: Data
    sources: Mapping[str, Source]
    """All sources, with their parameters."""
    splits: Splits
    tasks: Mapping[str, Task]
    """By name; the first has the true labels."""
    grid: Mapping[str, Task]
    """More of them, which differ in size and noise, for a few variants."""
    crossed: Crossed
    tune: Tune
    training: Training
    evaluation: Evaluation
    documents: Mapping[str, Mapping[str, Any] | None]
    """The sections of the documents' experiments as written: each document's folder checks its own."""
    claims: Claims
    mlflow: Mlflow
    variants: Mapping[str, Variant]

    @property
    def source(self) -> Source:
        """The one in use."""
        return self.sources[self.data.source]

    @property
    def all_tasks(self) -> Mapping[str, Task]:
        return {**self.tasks, **self.grid}

    @property
    def final_seeds(self) -> range:
        """Those whose splits some task, or the crossed design, uses."""
        return self.splits.drawn(max([self.crossed.splits, *(task.seeds for task in self.all_tasks.values())]))

    @property
    def needless(self) -> set[tuple[str, str]]:
        """Each variant with a task on which none of its methods has anything to do."""
        return {
            (name, task)
            for name, variant in self.variants.items()
            for task, settings in self.all_tasks.items()
            if variant.needless(settings)
        }

    def search(self, seed: int) -> int:
        """Which search chose the settings that a final seed is trained with."""
        return (seed - self.splits.first) % self.tune.searches

    def variant(self, name: str) -> Variant:
        if name not in self.variants:
            raise UserError(f"{PARAMS}: there is no variant {name!r}; there are {', '.join(self.variants)}")
        return self.variants[name]


def load(path: Path = PARAMS) -> Params:
    """Read and check the whole of ``params.yaml``, with the library and the version of YAML that DVC reads it with.

    Raises ``UserError`` that lists every mistake with its key, the value found and what is allowed.
    """
    content = _read(path, YAML(typ="safe"))
    problems: list[str] = []
    file = check(File, content, (), problems)
    if file is None:
        raise refused(path, problems)
    shared = {key: value for key, value in file.data.items() if key not in SOURCES}
    data = check(Data, shared, ("data",), problems)
    if data and data.source not in SOURCES:
        problems.append(f"data.source: found {data.source!r}; allowed: {', '.join(SOURCES)}")
    sources = {name: check(kind, file.data.get(name, {}), ("data", name), problems) for name, kind in SOURCES.items()}
    augmentation = SOURCES[data.source].augmentation if data and data.source in SOURCES else {}
    tasks = {name: _task(name, body, file, problems) for name, body in file.tasks.items()}
    if not file.tasks or next(iter(file.tasks.values())).get("noise"):
        problems.append("tasks: the first must have no noise, because its labels are taken to be the true ones")
    variants = _variants(file, augmentation, problems)
    main = {name: task for name, task in tasks.items() if task}
    grid = _cells(file, main, problems)
    _distinct("tasks", [*main, *grid], problems)
    _distinct("variants", variants, problems)
    for name, task in main.items():
        if task.tune not in main or main[task.tune].tune != task.tune:
            own = [other for other, each in main.items() if each.tune == other]
            problems.append(f"tasks.{name}.tune: found {task.tune!r}; allowed: a task with searches: {', '.join(own)}")
    for where, names in (
        {f"tasks.{name}": task.variants for name, task in main.items()}
        | {"grid": file.grid.variants, "crossed": file.crossed.variants}
    ).items():
        if names is not None and (missing := [each for each in (BASELINE, *names) if each not in variants]):
            problems.append(f"{where}.variants: there is no variant {missing[0]!r}; there are {', '.join(variants)}")
        if names and BASELINE not in names:
            problems.append(f"{where}.variants: {BASELINE!r} is missing; every other variant is compared with it")
        listed = names or ()
        for variant in map(variants.get, listed):
            if variant and variant.without and variant.against not in listed:
                problems.append(f"{where}.variants: {variant.against!r} is missing; {variant.name!r} has its settings")
    if file.crossed.task not in tasks:
        problems.append(f"crossed.task: found {file.crossed.task!r}; allowed: {', '.join(tasks)}")
    if file.tune.lr[0] > file.tune.lr[1]:
        problems.append(f"tune.lr: found {list(file.tune.lr)}; allowed: the lower factor first")
    if set(file.tune.seeds) & set(file.splits.drawn(_most_seeds(file, main))):
        problems.append("tune.first: the searches would share seeds with the final trainings; choose another, as 1000")
    made = [path.resolve() for path in MADE]
    for name, source in sources.items():
        if source is None or source.reads is None:
            continue
        try:
            images = source.reads.resolve()
        except (OSError, RuntimeError) as error:  # RuntimeError: a link to itself
            problems.append(f"data.{name}.path: found {shown(str(source.reads))}, which cannot be read: {error}")
            continue
        if any(images.is_relative_to(path) or path.is_relative_to(images) for path in made):
            problems.append(
                f"data.{name}.path: found {shown(str(source.reads))}; allowed: a folder of images that neither holds "
                f"nor lies in {' or '.join(map(str, MADE))}, which the stages write"
            )
    if BASELINE not in variants:
        problems.append(f"variants: {BASELINE!r} is missing; every other variant is compared with it")
    if problems or data is None:
        raise refused(path, problems)
    return Params(
        file.arithmetic,
        data,
        {name: source for name, source in sources.items() if source},
        file.splits,
        main,
        grid,
        file.crossed,
        file.tune,
        file.training,
        file.evaluation,
        file.documents,
        file.claims,
        file.mlflow,
        {name: variant for name, variant in variants.items() if variant},
    )


def _read(path: Path, reader: YAML) -> dict[str, Any]:
    """The mapping that a file of parameters holds. Raises ``UserError`` if it holds none."""
    content = yaml_files.read(path, reader)
    if not isinstance(content, dict):
        raise UserError(f"{path} must hold a mapping with the keys {', '.join(File.model_fields)}")
    return content


def _task(name: str, body: dict[str, Any], file: File, problems: list[str]) -> Task | None:
    _named("tasks", name, problems)
    defaults = {
        "train": file.splits.train,
        "title": f"{name.replace('_', ' ')} labels",
        "tune": name,
        "seeds": file.splits.seeds,
    }
    return check(Task, defaults | body, ("tasks", name), problems)


def _cells(file: File, tasks: Mapping[str, Task], problems: list[str]) -> dict[str, Task]:
    """The tasks of the grid by name. Without noise there is only one kind of it."""
    found: dict[str, Task] = {}
    noisy = [name for name, task in tasks.items() if task.noise and task.tune == name]
    for train, kind, rate in product(file.grid.train, file.grid.kind, file.grid.rate):
        noise = TaskNoise(kind=kind, rate=rate) if rate else None
        name = f"grid-{train}-{kind}-{rate:g}".replace(".", "_") if noise else f"grid-{train}"
        images = "all images" if train == "all" else f"{train} images"
        title = f"{images}, {100 * rate:g} % {kind.replace('_', ' ')} noise" if noise else f"{images}, true labels"
        chosen_on = name if file.grid.tune else next(iter([*(noisy if noise else ()), *tasks]), name)
        task = Task(
            noise=noise, train=train, title=title, tune=chosen_on, seeds=file.grid.seeds, variants=file.grid.variants
        )
        if found.setdefault(name, task) != task:
            problems.append(f"grid.rate: found {rate!r}, which is the same to six digits as another; leave one")
        if name in tasks:
            problems.append(f"tasks.{name}: the grid has a task of that name; rename this one")
    return found


def _most_seeds(file: File, tasks: Mapping[str, Task]) -> int:
    crossed = max(file.crossed.splits, file.crossed.draws)
    return max([file.splits.seeds, file.grid.seeds, crossed, *(task.seeds for task in tasks.values())])


def _variants(file: File, augmentation: Mapping[str, float], problems: list[str]) -> dict[str, Variant | None]:
    """The variants by name, each followed by those that leave one of its methods out, if it wants them."""
    found: dict[str, Variant | None] = {}
    for name, body in file.variants.items():
        own = check(Own, {key: body[key] for key in Own.model_fields if key in body}, ("variants", name), problems)
        variant = found[name] = _variant(name, own or Own(), body, file, augmentation, problems)
        if own is None or variant is None or not own.leave_one_out:
            continue
        where = key_of(("variants", name, "leave_one_out"))
        if len(variant.regularizers) < 2 or variant.tuned_as != name:
            problems.append(f"{where}: found True; allowed: only for two methods or more, with searches of their own")
        for other in variant.leave_one_out():
            if other.name in file.variants:
                problems.append(
                    f"{where}: it makes the variant {other.name!r}, which is there already; rename that one"
                )
            found[other.name] = other
    return found


def _variant(
    name: str, own: Own, body: dict[str, Any], file: File, augmentation: Mapping[str, float], problems: list[str]
) -> Variant | None:
    where = ("variants", name)
    _named("variants", name, problems)
    if own.against not in file.variants:
        problems.append(
            f"{key_of((*where, 'against'))}: found {shown(own.against)}; allowed: the name of another variant"
        )
    shared, overrides = file.training.model_dump(), body.get("training", {})
    device = shared.pop("device")
    # Keys and values are reported where the user wrote them, under the variant.
    resolved = {**shared, **overrides} if isinstance(overrides, dict) else overrides
    learning = check(Learning, resolved, (*where, "training"), problems)
    regularizers = []
    for key, values in body.items():
        if key in OWN_KEYS:
            continue
        if key not in REGULARIZERS:
            known = ", ".join([*OWN_KEYS, *REGULARIZERS])
            problems.append(f"{key_of((*where, key))}: unknown regularizer; allowed: {known}")
            continue
        if key == "augmentation" and isinstance(values, dict):
            values = {**augmentation, **values}
        regularizers.append(check(REGULARIZERS[key], values, (*where, key), problems))
    for place, what in SOLE.items():
        keys = [method.key for method in regularizers if method is not None and method.acts_on == place]
        if len(keys) > 1:
            problems.append(f"{key_of(where)}: {' and '.join(keys)} each put something in place of {what}; leave one")
    if learning is None or None in regularizers:
        return None
    for method in regularizers:
        if method and (obstacle := method.obstacle(NETWORKS[learning.network].scaled(learning.width))):
            fitting = ", ".join(other for other in NETWORKS if not method.obstacle(NETWORKS[other])) or "none"
            problems.append(
                f"{key_of((*where, method.key))}: network {learning.network} {obstacle}; it fits: {fitting}"
            )
    training = Training(**learning.model_dump(), device=device)
    methods = tuple(method for method in regularizers if method is not None)
    return Variant(name, own.about, training, methods, own.repeats, own.against)


def _named(section: str, name: str, problems: list[str]) -> None:
    if not re.fullmatch(NAME, name):
        problems.append(
            f"{section}.{name}: a name may contain letters, digits, _ and - (no dots or spaces), at most 60 of them"
        )


def _distinct(section: str, names: Iterable[str], problems: list[str]) -> None:
    """Names become those of files, which some file systems tell apart without regard to case."""
    seen: dict[str, str] = {}
    for name in names:
        if (other := seen.setdefault(name.lower(), name)) != name:
            problems.append(
                f"{section}.{name}: differs from {other!r} by upper and lower case only; rename one of them"
            )


def check(model: type[Model], values: Any, where: tuple[str | int, ...], problems: list[str]) -> Model | None:
    """The section at a path of keys as its model has it, or None if there are problems, which are added to the list.

    Each names the key, the value found and what is allowed.
    """
    if not isinstance(values, dict):
        problems.append(
            f"{key_of(where)}: found {shown(values)}; allowed: a mapping of {', '.join(model.model_fields)}"
        )
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
        return f"{key_of(location)}: unknown key; allowed: {', '.join(keys) or 'none'}"
    if kind == "missing":
        return f"{key_of(location)}: missing"
    if kind == "model_type":
        keys = _inner(model, details["loc"]).model_fields
        return f"{key_of(location)}: found {shown(found)}; allowed: a mapping of {', '.join(keys)}"
    if kind == "string_pattern_mismatch":
        field = _inner(model, details["loc"][:-1]).model_fields[str(details["loc"][-1])]
        if field.description:  # else the pattern itself says what is allowed
            return f"{key_of(location)}: found {shown(found)}; allowed: {field.description}"
    message = details["msg"].removeprefix("Value error, ").replace("valid tuple", "list")
    allowed = re.sub("^(Input|String) should", "must", message).replace("be a valid dictionary", "be a mapping")
    return f"{key_of(location)}: found {shown(found)}; {allowed}"


def _inner(model: type[BaseModel], path: Sequence[str | int]) -> type[BaseModel]:
    """The model of the section at a path of keys within one of `model`."""
    for part in path:
        annotation = model.model_fields[str(part)].annotation
        inner = [kind for kind in (annotation, *get_args(annotation)) if isinstance(kind, type)]
        model = next((kind for kind in inner if issubclass(kind, BaseModel)), model)
    return model


@stage
def main() -> None:
    """``python -m stages.config [source=NAME] [profile=NAME]``: check ``params.yaml``; first choose the source in it,
    and merge ``profiles/NAME.yaml`` into it, if they are given. It is replaced as a whole or not at all."""
    from stages.files import replacing

    before = load()
    for name, one in before.sources.items():
        if one.reads and not one.reads.resolve().is_dir():
            raise UserError(
                f"{PARAMS}: data.{name}.path: there is no folder {one.reads}; make it, or set the key back to "
                "data/images, which may be empty (DVC looks into it whatever the source is)"
            )
        one.check()
    editor = YAML()  # which keeps comments and layout
    editor.preserve_quotes, editor.width = True, 4096
    content, wanted, choices = _read(PARAMS, editor), _read(PARAMS, editor), []
    profiles = {path.stem: path for path in sorted(PROFILES.glob("*.yaml"))}
    for argument in sys.argv[1:]:
        key, _, name = argument.partition("=")
        if key == "source" and name in SOURCES:
            wanted["data"]["source"] = name
            choices.append(argument)
        elif key == "profile" and name in profiles:
            problems: list[str] = []
            yaml_files.overlay(wanted, _read(profiles[name], editor), (), problems)
            if problems:
                _, _, lines = str(refused(PARAMS, problems)).partition("\n")
                raise UserError(f"{profiles[name]} does not fit {PARAMS}:\n{lines}")
            choices.append(str(profiles[name]))
        else:
            raise UserError(
                f"found {shown(argument)}; allowed: source={' | '.join(SOURCES)}, profile={' | '.join(profiles)}"
            )
    if wanted == content:
        return
    with replacing(PARAMS) as temporary:
        editor.dump(wanted, temporary)
        try:
            load(temporary)
        except UserError as error:  # params.yaml is valid, so the cause is a choice
            _, _, lines = str(error).partition("\n")
            raise UserError(f"{PARAMS} would be invalid with {' and '.join(choices)}:\n{lines or error}") from None


if __name__ == "__main__":
    main()
