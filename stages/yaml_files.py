"""Files that people write, in YAML: read within limits, so that none crashes a stage, hangs it or fills its memory."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedSeq
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    DocumentStartEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
)

from stages.errors import UserError

BYTES = 1_000_000
"""How large a file may be."""
DEPTH = 20
"""How many mappings and lists may lie within one another."""
VALUES = 20_000
"""How many keys and values a file may have, what its aliases repeat counted each time."""
DIGITS = 100
"""How many characters a number may have."""
KEY = 200
"""How long a key may be, in characters."""
TEXT = 4000
"""How long a text may be, in characters."""
LARGEST, SMALLEST = 1e9, 1e-30
"""What magnitude a number other than 0 may have, unless its key has narrower bounds: torch computes in float32."""
SHOWN, LISTED = 200, 50
"""How many characters of a wrong value an error shows, and how many mistakes."""

DATE = re.compile(r"\d{4}-\d\d?-\d\d?([Tt\s][\d:.\sZ+-]*)?")
NUMBER = re.compile(r"[-+]?[.\d][\w.:+-]*")
NO_NUMBER = re.compile("[-+]?0[box]_*")
"""What YAML takes for a number, though it has no digit."""
UNWANTED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
"""Control characters but for tab and new line, halves of surrogate pairs, and what Unicode has set aside."""


def read(path: Path, reader: YAML) -> Any:
    """What a file holds, in text, numbers, true, false, null, lists and mappings by text.

    Raises ``UserError`` that names the file, the key or the line, and what is allowed.
    """
    text = _text(path)
    try:
        _check_form(path, text)
        content = reader.load(text)
    except DuplicateKeyError as error:
        key, line = str(error.problem).split('"')[1], error.problem_mark.line + 1
        raise UserError(
            f"{path}: the key {shown(key)} occurs twice, again in line {line}; delete one of them"
        ) from None
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise UserError(f"{path} is not valid YAML: line {line}: {error.problem or error.context}") from None
    except (YAMLError, ValueError, OverflowError) as error:  # a control character; \UFFFFFFFF
        raise UserError(f"{path} is not valid YAML: {error}") from None
    problems: list[str] = []
    _check_values(content, (), problems)
    if problems:
        raise refused(path, problems)
    return content


def _text(path: Path) -> str:
    try:
        if path.exists() and not path.is_file():
            raise UserError(f"{path} is no file; it must be one that holds YAML")
        if path.stat().st_size > BYTES:
            raise UserError(f"{path} is larger than {BYTES:,} bytes")
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{path} is missing; run this from the root of the project") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not valid YAML in UTF-8: {error}") from None


@dataclass
class _Open:
    """A mapping or list around the place in a file."""

    anchor: str | None
    mapping: bool
    before: int
    """Values of the file up to its own beginning."""
    nodes: int = 0
    """Keys and values of its own so far."""


def _check_form(path: Path, text: str) -> None:
    """Refuse, before anything is built from the text, what could not be built in bounded time and memory, and what no
    parameter needs."""
    sizes: dict[str, int] = {}
    """How many values each anchor stands for."""
    around: list[_Open] = []
    values = 0
    for event in YAML(typ="safe").parse(text):
        where = f"{path}, line {event.start_mark.line + 1}"
        if isinstance(event, DocumentStartEvent) and (event.version or event.tags):
            raise UserError(f"{where}: directives such as %YAML are not allowed")
        if isinstance(event, ScalarEvent | CollectionStartEvent) and event.tag:
            raise UserError(f"{where}: found the tag {shown(str(event.tag))}; no tags are allowed")
        if isinstance(event, ScalarEvent) and event.implicit[0]:  # without quotes
            if DATE.fullmatch(event.value):
                raise UserError(f"{where}: found the date {shown(event.value)}; put it in quotes if it is text")
            long = len(event.value) > DIGITS and NUMBER.fullmatch(event.value)
            if long or NO_NUMBER.fullmatch(event.value):
                raise UserError(f"{where}: found {shown(event.value)}; allowed: numbers of 1 to {DIGITS} digits")
        if isinstance(event, NodeEvent):
            alias = isinstance(event, AliasEvent)
            if alias and any(event.anchor == each.anchor for each in around):
                raise UserError(f"{where}: *{event.anchor} lies within what it stands for; write the values out")
            if around:
                around[-1].nodes += 1
                if around[-1].mapping and around[-1].nodes % 2 and not isinstance(event, ScalarEvent):
                    raise UserError(f"{where}: found a mapping, a list or an alias as a key; allowed: text")
            values += sizes.get(event.anchor, 1) if alias else 1
            if event.anchor and not alias:
                sizes[event.anchor] = 1
        if isinstance(event, CollectionStartEvent):
            around.append(_Open(event.anchor, isinstance(event, MappingStartEvent), values))
        if isinstance(event, CollectionEndEvent) and (closed := around.pop()).anchor:
            sizes[closed.anchor] = 1 + values - closed.before
        if len(around) > DEPTH:
            raise UserError(f"{where}: more than {DEPTH} mappings or lists lie within one another")
        if values > VALUES:
            raise UserError(f"{where}: more than {VALUES:,} keys and values, with what its aliases (*name) repeat")


def _check_values(value: Any, where: tuple[str | int, ...], problems: list[str]) -> None:
    """Add what is out of bounds for any key."""

    def wrong(found: str, allowed: str) -> None:
        problems.append(f"{key_of(where) or 'the file'}: found {found}; allowed: {allowed}")

    if len(where) > DEPTH:  # by way of aliases
        wrong(shown(value), f"up to {DEPTH} mappings or lists within one another")
    elif isinstance(value, dict):
        for key, one in value.items():
            if not isinstance(key, str) or len(key) > KEY or UNWANTED.search(key):
                wrong(f"the key {shown(key)}", f"text of up to {KEY} characters without control characters")
            else:
                _check_values(one, (*where, key), problems)
    elif isinstance(value, list):
        for place, one in enumerate(value):
            _check_values(one, (*where, place), problems)
    elif isinstance(value, str):
        if len(value) > TEXT or UNWANTED.search(value):
            wrong(
                shown(value),
                f"text of up to {TEXT:,} characters without control characters and halves of surrogate pairs",
            )
    elif isinstance(value, int | float):
        if value and not math.isnan(value) and not SMALLEST <= abs(value) <= LARGEST:
            wrong(shown(value), f"0, and numbers of a magnitude from {SMALLEST:g} to {LARGEST:,.0f}")
    elif value is not None:
        wrong(shown(value), "text, numbers, true, false, null, lists and mappings")


def overlay(
    place: dict[str, Any], changes: Mapping[str, Any], where: tuple[str | int, ...], problems: list[str]
) -> None:
    """Put each value of an overlay in the place of that at the same keys; a list takes the place of the whole list.

    Adds to the problems every key that is not there, and every mapping in place of a value or the reverse.
    """
    for key, value in changes.items():
        path, found = (*where, key), place.get(key)
        if key not in place:
            problems.append(f"{key_of(path)}: unknown key; allowed: {', '.join(map(str, place)) or 'none'}")
        elif isinstance(value, dict) and isinstance(found, dict):
            overlay(found, value, path, problems)
        elif isinstance(value, dict) or isinstance(found, dict):
            allowed = f"a mapping of {', '.join(map(str, found))}" if isinstance(found, dict) else "a value, no mapping"
            problems.append(f"{key_of(path)}: found {shown(value)}; allowed: {allowed}")
        elif isinstance(value, list):
            place[key] = CommentedSeq(value)
            place[key].fa.set_flow_style()
        else:
            place[key] = value


def key_of(where: Iterable[str | int]) -> str:
    """A path of keys as errors name it."""
    return ".".join(map(str, where))


def shown(value: Any) -> str:
    """A value as errors show it: its beginning, if it is long."""
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def refused(path: Path, problems: list[str]) -> UserError:
    """The error that lists the mistakes in a file."""
    more = f"\n  and {len(problems) - LISTED:,} more" if len(problems) > LISTED else ""
    return UserError(f"{path} is invalid:\n" + "\n".join(f"  {problem}" for problem in problems[:LISTED]) + more)
