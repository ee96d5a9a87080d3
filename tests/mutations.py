"""Files of parameters as no one should write them: small changes to good ones, at random, and hostile YAML.

``python -m tests.mutations COUNT [SEED]`` tries so many, in this process, and says how they ended.
"""

from __future__ import annotations

import json
import random
import re
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path
from typing import Any

from dvc.exceptions import DvcException
from dvc.utils.hydra import apply_overrides
from dvc.utils.serialize import dumps_yaml

from stages import config, documents, search
from stages.errors import UserError
from stages.regularizers import REGULARIZERS
from tests import small

PLAIN = small.params()
"""Few variants, so that a file is read in milliseconds; methods and documents come in by mutation."""
del PLAIN["variants"]["everything"]
GOOD = dumps_yaml(PLAIN)
EXAMPLES = {
    method.key: method.model_dump()
    for variant in config.load(small.ROOT / "params.yaml").variants.values()
    for method in variant.regularizers
}
"""Good parameters of every method."""
NUMBERS = [
    *(0, 1, -1, 2, 7, 10**3, 10**6, 10**9, 10**10, 10**18, 2**63, 2**64, 10**30, 10**400, -(10**30)),
    *(0.0, -0.0, 0.5, 1.0, 1 - 2**-53, 1e-9, 1e-31, 5e-324, 1e30, 1.8e308, -1e30),
    *(float("inf"), float("-inf"), float("nan")),
]
TEXTS = [
    *re.split(
        "  |\n *",
        """None  L1  all  none  auto  1  1e3  yes  cuda  cuda:0  cuda:99999999999999999999  cuda:\u0661  https://user:pw@host/
        2021-02-30  1:30  ${data.source}  ../..  /  ~  .  //host  a@b  a.b  -  --help  {{x}}  <b>  *a  &a  🎈""",
    ),
    *("a" * 61, "a" * 240, "a" * 5000, "é" * 300, "", " ", "\0", "a\0b", "\x1b[31m", "\r\n", "\x85"),
    *("\ud800", "\udfff\ud800", "\ufffe"),
]
OTHERS: list[Any] = [True, False, None, [], {}, [[]], [None], {"": None}, [1e30], [10**30]]
TOKENS = [
    *re.split(
        "  |\n *",
        """010  0o17  0b_  0x  0xffffffffffffffffffffffff  1:30  1:99:99  ._  1_0  .inf  -.INF  .nan  1e999999  null
        yes  2021-02-30  2021-99-99  2021-02-03  2021-02-03T99:99:99Z  2021-02-03 25:00:00  0000-00-00  <<  *a  &a 3
        # x
        !!int x  !!int ""  !!float ""  !!bool maybe  !!timestamp x  !!binary é  !!set {a, b}  !!omap [a: 1]  !!str  ! 3
        !!python/name:os.system  !!python/object/apply:os.system [true]  !x y  !<tag:x> 3  &a [*a]  &a {a: *a}  |9
        &b {<<: *b}  {<<: 3}  {<<: [1]}  {<<: {epochs: 3}}  {? [a] : b}  {a: 1, a: 2}  {1: 2}  {~: 1}  {1.5: 1}
        {[a]: 1}  {{a: 1}: 1}  {2021-02-03: 1}  {a, b}  {true: 1}  "\\ud800"  "\\0"  "\\UFFFFFFFF"  "\\U00110000"
        "\\x1b"  "\\q"  '  -  ?  :  %  @  `  |  >  =  ~  \t3""",
    ),
    *("0x" + "f" * 5000, "9" * 5000, "[" * 30, "[" * 30 + "]" * 30, "[" * 2000 + "]" * 2000, "- " * 50 + "1"),
    "{a: " * 25 + "1" + "}" * 25,
]
LINES = [
    *re.split(
        "  |\n *",
        """%YAML 1.1  %YAML 9.9  %TAG ! x  ---  ...  --- |  \ufeff  \tx: 1  ? x  - 1  x  : 1  <<: *a  <<: {splits: {}}
        x: &x 1  x: *x  x: *y  splits: {}  variants: {}  x: !!omap []  \x01: 1  \0""",
    ),
    "? [x]\n: 1",
    "\n".join(["a0: &a0 [x, x]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12))]),
    "\n".join(["a0: &a0 {x: 1}", *(f"a{n}: &a{n} {{x: *a{n - 1}}}" for n in range(1, 60))]),
    "\n".join(["a0: &a0 {x: 1}", *(f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}" for n in range(1, 40))]),
]
BYTES = [b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf", *(bytes([byte]) for byte in b"\0\r\t\n :{}[],&*!|\"'#-09")]
WHOLE = [
    *b"|\n|\xff\xfe|\0|3|x|[]|{}|--- {}\n--- {}|a: b: c|'|%|&a|*a".split(b"|"),
    *(b"[" * 100_000, b"- " * 100_000, b"x: " + b"a" * 900_000, b"x" * 1_000_001, b"x: 1\n" * 1000),
    b"".join(b"x%d: 1\n" % n for n in range(30_000)),
    b"".join(b"%sx:\n" % (b" " * n) for n in range(300)),
]


def mutated(random: random.Random) -> bytes:
    """A file of parameters with one to three changes, or none that is meant as such."""
    if random.random() < 0.01:
        return random.choice(WHOLE)
    content = json.loads(json.dumps(PLAIN))
    for _ in range(random.choice([0, 1, 1, 1, 2, 3])):
        _change(content, random)
    text = json.dumps(content) if random.random() < 0.8 else dumps_yaml(content)
    for _ in range(random.choice([0, 0, 0, 1, 1, 2])):
        text = _rewritten(text, random)
    found = text.encode(errors="surrogatepass")
    for _ in range(random.choice([0, 0, 0, 0, 1, 1, 5])):
        place = random.randrange(len(found) + 1)
        found = found[:place] + random.choice(BYTES) + found[place + random.choice([0, 1, 1, 9]) :]
    return found if random.random() < 0.98 else found[: random.randrange(len(found) + 1)]


def _change(content: dict[str, Any], random: random.Random) -> None:
    """Another value, key or order at a place anywhere within; or a method more, with one of its parameters changed."""
    variants = content.get("variants")
    if random.random() < 0.2 and isinstance(variants, dict):
        method = random.choice(list(REGULARIZERS))
        parameters = dict(EXAMPLES[method])
        if parameters and random.random() < 0.8:
            parameters[random.choice(list(parameters))] = _value(random)
        variants[random.choice(["mine", "l1"])] = {method: parameters}
        return
    place: Any = content
    while True:
        keys = list(place) if isinstance(place, dict) else range(len(place))
        if not keys:
            return
        key = random.choice(keys)
        if not isinstance(place[key], dict | list) or not place[key] or random.random() < 0.15:
            break
        place = place[key]
    match random.randrange(6):
        case 0 | 1 | 2:
            place[key] = _value(random)
        case 3:
            del place[key]
        case 4 if isinstance(place, dict):
            place[random.choice([*TEXTS, str(key).upper(), f"{key} ", *place])] = place.pop(key)
        case 4:
            place.append(place[key])
        case 5:
            own, other = json.dumps(place[key]), json.dumps(content.get("splits"))
            place[key] = json.loads(random.choice([f"[{own}]", f'{{"x": {own}}}', f"[{', '.join([own] * 30)}]", other]))


def _value(random: random.Random) -> Any:
    return random.choice(random.choice([NUMBERS, NUMBERS, TEXTS, OTHERS]))


def _rewritten(text: str, random: random.Random) -> str:
    """The text with a value, a line or the indentation of a line changed."""
    match random.randrange(4):
        case 0 | 1:
            values = list(re.finditer(r"(?<=: )[^\s,{}\[\]]+", text))
            if not values:
                return text
            value = random.choice(values)
            return text[: value.start()] + random.choice(TOKENS) + text[value.end() :]
        case 2:
            lines = text.split("\n")
            lines.insert(random.randrange(len(lines) + 1), random.choice([*LINES, random.choice(lines)]))
            return "\n".join(lines)
        case _:
            lines = text.split("\n")
            line = random.randrange(len(lines))
            lines[line] = random.choice([" ", "  ", "\t", "- ", "? "]) + lines[line]
            return "\n".join(lines)


def by_file(random: random.Random) -> None:
    """Load a mutated file."""
    Path("params.yaml").write_bytes(mutated(random))
    check(config.load())


def by_profile(random: random.Random) -> None:
    """Choose a mutated file as a profile, as ``python -m stages.config profile=bad`` does."""
    Path("params.yaml").write_text(GOOD)
    Path("profiles/bad.yaml").write_bytes(mutated(random))
    sys.argv = ["config", *random.choice([[], ["source=mnist"], ["source=\ud800"], ["source"]]), "profile=bad"]
    try:
        config.main.__wrapped__()  # type: ignore[attr-defined]
    except UserError:
        assert Path("params.yaml").read_text() == GOOD
        raise
    check(config.load())


def by_override(random: random.Random) -> None:
    """Override a key, as ``dvc exp run -S`` does."""
    Path("params.yaml").write_text(GOOD)
    keys = [
        "training.epochs",
        "training.device",
        "evaluation.confidence",
        "variants.l1.l1.strength",
        "tasks.random",
        "x",
    ]
    value = random.choice([str(_value(random)), random.choice(TOKENS)])
    try:
        apply_overrides(
            Path("params.yaml"), [f"{random.choice(['', '', '+', '++', '~'])}{random.choice(keys)}={value}"]
        )
    except DvcException:
        return
    except Exception as error:  # DVC's own, before a file is written
        if "stages" in traceback.format_exc():
            raise
        raise UserError(f"params.yaml: DVC: {type(error).__name__}") from None
    check(config.load())


DOORS: dict[Callable[[random.Random], None], int] = {by_file: 94, by_profile: 3, by_override: 3}
"""How parameters come in, and how many of a hundred tries each has."""


def check(params: config.Params) -> None:
    """What has been accepted is sane: it can be written, its names make files, and a search can draw from it."""
    documents.settings(params)
    names = [name.lower() for name in params.variants], [name.lower() for name in params.all_tasks]
    assert all(len(own) == len(set(own)) and max(map(len, own)) < 120 for own in names)
    for variant in params.variants.values():
        json.dumps(variant.parameters(), allow_nan=False).encode()
        variant.about.encode()
        for point in search.points(variant, params.tune.model_copy(update={"trials": 3}), 0):
            variant.with_parameters(point)
    for task in params.all_tasks.values():
        f"{task.heading}{task.about}{task.given}".encode()
    json.dumps([params.evaluation.model_dump(), params.claims.model_dump()], allow_nan=False)
    assert len(params.final_seeds) <= 1000


def outcome(random: random.Random) -> str:
    """Try one, in the current folder: ``accepted``, or ``refused`` by a ``UserError`` that names the file.

    Any other exception is for the caller.
    """
    (door,) = random.choices(list(DOORS), list(DOORS.values()))
    try:
        door(random)
    except UserError as error:
        text = str(error)
        assert len(text) < 30_000
        assert "params.yaml" in text or "profiles/" in text or "source=" in text, text
        assert re.search(r"\n  \S|line \d+|\w: |must hold|bytes", text), text
        text.encode()
        return "refused"
    return "accepted"


def prepare(folder: Path) -> None:
    """What a folder needs for `outcome`."""
    (folder / "data/images").mkdir(parents=True)
    (folder / "profiles").mkdir()


def main() -> None:
    count, first = int(sys.argv[1]), int((*sys.argv, "0")[2])
    found = Counter[str]()
    slowest = 0.0
    signal.signal(signal.SIGALRM, lambda *_: (_ for _ in ()).throw(TimeoutError()))
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        prepare(Path())
        for seed in range(first, first + count):
            signal.alarm(60)
            start = time.process_time()
            try:
                found[outcome(random.Random(seed))] += 1
            except Exception as error:
                found[type(error).__name__] += 1
                print(f"seed {seed}:\n{''.join(traceback.format_exception(error)[-3:])[-1500:]}", flush=True)
            slowest = max(slowest, time.process_time() - start)
            if seed % 1000 == 999:
                peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
                print(f"{seed + 1 - first:,}: {dict(found)}, slowest {slowest:.1f} s, peak {peak:.0f} MB", flush=True)
    print(f"{count:,} files: {dict(found)}, slowest {slowest:.1f} s of CPU")


if __name__ == "__main__":
    main()
