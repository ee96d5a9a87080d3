"""The colors of charts and pages, and their replacements for a dark screen."""

from __future__ import annotations

PALETTE = {
    "paper": ("#ffffff", "#15181c"),
    "ink": ("#1b1f24", "#e8eaed"),
    "muted": ("#57606a", "#a3acb6"),
    "grid": ("#e4e7eb", "#2c3238"),
    "blue": ("#0072b2", "#56b4e9"),
    "vermilion": ("#c24e00", "#f0a050"),
    "grey": ("#6e7781", "#98a2ad"),
    "green": ("#00795b", "#4fc9a4"),
    "purple": ("#94407f", "#dc9bcb"),
}
"""Colors on light and on dark paper: Okabe and Ito's, moved towards more contrast, and grays."""

PAPER, INK, MUTED, GRID, BLUE, VERMILION, GREY, GREEN, PURPLE = (light for light, _ in PALETTE.values())


def dark_rules(scope: str = "") -> str:
    """CSS that swaps every color of the palette in an SVG picture for its dark counterpart, within `scope`."""
    swaps = "".join(
        f'{scope}[{attribute}="{light}"]{{{attribute}:{dark}}}'
        for light, dark in PALETTE.values()
        for attribute in ("fill", "stroke")
    )
    return f"@media screen and (prefers-color-scheme:dark){{{swaps}}}"
