"""User errors, and how a stage ends when it meets one."""

from __future__ import annotations

import errno
import functools
import os
import re
import sys
from collections.abc import Callable

INTERRUPTED = "\ninterrupted: what was finished is kept; run the same command again to continue"
REMEDIES = {
    errno.ENOSPC: "make room on the disk",
    errno.EDQUOT: "make room in your quota",
    errno.EFBIG: "allow larger files (`ulimit -f`)",
    errno.EMFILE: "allow more open files (`ulimit -n`)",
    errno.EROFS: "make the project's folder writable, or work in a copy of it",
    errno.EACCES: "make the project's folder writable, or work in a copy of it",
    errno.EPERM: "make the project's folder writable, or work in a copy of it",
    errno.EIO: "check the disk",
    errno.EISDIR: "a file belongs there: delete the folder",
    errno.ENOTDIR: "a folder belongs there: delete the file",
    errno.EEXIST: "a folder belongs there: delete the file",
}
"""What to do where the system refuses to read or write a file. Its other errors are the program's."""


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
    """Wrap a stage's ``main``: a ``UserError``, or a disk that refuses, is printed and exits with 1; Ctrl-C exits with
    130."""

    @functools.wraps(main)
    def run() -> None:
        try:
            main()
        except UserError as error:
            print(f"\nerror: {error}", file=sys.stderr)
            sys.exit(1)
        except OSError as error:
            if error.errno not in REMEDIES:
                raise
            what = public(f"{error.filename or 'a file'}: {os.strerror(error.errno)}")
            print(
                f"\nerror: {what}; {REMEDIES[error.errno]} and run the same command again. What was finished is kept.",
                file=sys.stderr,
            )
            sys.exit(1)
        except KeyboardInterrupt:
            print(INTERRUPTED, file=sys.stderr)
            sys.exit(130)

    return run
