"""From templates to files: how any page of the site is rendered and published."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from stages.files import replacing
from stages.reporting import svg
from stages.reporting.colors import dark_rules

ROOM = Path(__file__).parent


def render(template: str, depth: int, **context: Any) -> str:
    """A page that lies `depth` folders below the root of the site, from a template of this package.

    A template in another folder of `stages/` is named with its path from there.

    Pages extend `base.html`, which needs a `title`, shows the banner of the data if given `card`
    (`data/card.json`), and marks the entry of the navigation that `page` names.
    """
    return _environment().get_template(template).render(root="../" * depth, **context)


def assets() -> dict[str, str]:
    """The style and the script of every page, that of pages with choices, and the script that draws the charts."""
    style = (ROOM / "assets/site.css").read_text(encoding="utf-8")
    return {
        "assets/site.css": style + dark_rules(".drawing svg ") + "\n",
        "assets/choices.js": (ROOM / "assets/choices.js").read_text(encoding="utf-8"),
        "assets/site.js": (ROOM / "assets/site.js").read_text(encoding="utf-8"),
        "assets/vega.js": svg.runtime(),
    }


def publish(site: Mapping[str, str | bytes], folder: Path, owned: Iterable[str]) -> None:
    """Write the files of a site, by path, into `folder`.

    Files among the files and folders `owned` that are not part of the site are deleted. The site is complete before
    anything is written, so an error in making it leaves the old one intact.
    """
    for name, content in site.items():
        with replacing(folder / name) as temporary:
            temporary.write_bytes(content if isinstance(content, bytes) else content.encode())
    for name in owned:
        for path in (folder / name).rglob("*"):
            if path.is_file() and path.relative_to(folder).as_posix() not in site:
                path.unlink()


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader([ROOM / "templates", ROOM.parent]),
        autoescape=lambda name: name is not None and name.endswith(".html"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.policies["json.dumps_kwargs"] = {"sort_keys": True, "separators": (",", ":")}
    environment.filters |= {"prose": prose, "citation": citation, "address": address, "markdown": markdown}
    return environment


def prose(text: str) -> Markup:
    """Plain text with `code` and addresses as inline HTML."""
    html = str(escape(text))
    html = re.sub(r"``(.+?)``|`(.+?)`", lambda code: f"<code>{code[1] or code[2]}</code>", html)
    return Markup(re.sub(r"https?://[^\s<]*[^\s<.,;:)]", lambda url: f'<a href="{url[0]}">{url[0]}</a>', html))


def citation(text: str) -> Markup:
    """A citation that ends in an address, as a link; any other as prose."""
    match = re.fullmatch(r"(.+), (https?://\S+)", text)
    return Markup('<a href="{}">{}</a>').format(match[2], match[1]) if match else prose(text)


def address(text: str) -> str:
    """A web address; for anything else, a link that leads nowhere."""
    return text if re.match(r"https?://", text) else "#"


def markdown(text: str) -> str:
    """Text escaped so that Markdown does not read it as markup, but for the `names` of variants and parameters."""
    return re.sub(r"(`[\w.-]+`)|([\\`*_{}\[\]<>#|!&])", lambda found: found[1] or "\\" + found[2], text)
