"""Errors that are the user's to mend, and how a stage ends when it meets one."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable

INTERRUPTED = "\ninterrupted: what was finished is kept; run the same command again to go on"


class UserError(Exception):
    """A mistake outside the program: a bad parameter, a damaged file, a server that is down.

    Its text says what was wrong, where, what is allowed and what to do next; it is shown without a traceback.
    """


def stage(main: Callable[[], None]) -> Callable[[], None]:
    """Wrap a stage's ``main``: a ``UserError`` is printed and exits with 1, Ctrl-C exits with 130."""

    @functools.wraps(main)
    def run() -> None:
        try:
            main()
        except UserError as error:
            print(f"\nerror: {error}", file=sys.stderr)
            sys.exit(1)
        except KeyboardInterrupt:
            print(INTERRUPTED, file=sys.stderr)
            sys.exit(130)

    return run
