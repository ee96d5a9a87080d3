"""User errors, and how a stage ends when it meets one."""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Callable

INTERRUPTED = "\ninterrupted: what was finished is kept; run the same command again to continue"


class UserError(Exception):
    """A mistake outside the program: a bad parameter, a damaged file, a server that is down.

    Its text says what was wrong, where, what is allowed and what to do next; it is shown without a traceback, and
    without the credentials that an address in it may hold.
    """

    def __init__(self, text: str) -> None:
        super().__init__(public(text))


def public(text: str) -> str:
    """The text without the user names and passwords in its addresses.

    A password may hold an ``@``, or a slash that should have been written as %2F; a port before a path with an ``@`` is
    no password.
    """
    return re.sub(r"//(?:[^/\s]*|[^/\s:]*:(?!\d*/)\S*)@", "//", text)


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
