"""When a run counts as the same results: the rule, its date, and what is left out of it."""

from __future__ import annotations

DATE = "2026-11-26"
"""When the rule was written; no run on another machine had been compared by it then."""
SHARE = 0.1
"""How far a published number may move, as a share of the half-width of its interval."""
LEFT_OUT = ("benchmark", "timing")
"""The stages that measure time, which differs between any two runs."""
RULE = (
    "Nothing that a reader would conclude has changed if every mark, every interval of ranks and every verdict on a "
    "claim and its parts is the same, and no mean, difference or effect of a claim has moved by more than "
    f"{100 * SHARE:g} % of the half-width of its published interval; one without an interval, or with one of no width, "
    "must not have moved in the six digits published. Marks are the verdict on a difference, and whether networks of a "
    "variant diverged, were unfinished, or beat the reference on a meaningful share of seeds."
)
