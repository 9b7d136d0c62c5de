"""Entry point of ``tidegate`` and ``python -m tidegate``."""

import io
import os
import sys
import threading
import traceback
import warnings
from typing import TYPE_CHECKING

from tidegate.cli import root

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class _Output(io.FileIO):
    """Standard output that ends the command without a word when its reader has gone, as SIGPIPE ends other programs.

    SIGPIPE itself would end it as well when a server closes a connection. Threads that write logs see the error.
    """

    def write(self, data: "ReadableBuffer", /) -> int:
        """Write, or exit with EXIT_NO_READER."""
        try:
            return super().write(data)
        except BrokenPipeError:
            if threading.current_thread() is not threading.main_thread():
                raise
            # What is still buffered goes nowhere.
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.fileno())
            sys.exit(root.EXIT_NO_READER)


def main() -> None:
    """Run the command. Python warnings of libraries are shown only with ``-W``.

    An unexpected exception exits with EXIT_UNKNOWN: Python's own exit code for it, 1, means that an image is refused.
    """
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    out = sys.stdout
    if isinstance(out, io.TextIOWrapper) and out is sys.__stdout__:
        buffer = io.BufferedWriter(_Output(out.fileno(), "wb", closefd=False))
        sys.stdout = io.TextIOWrapper(buffer, out.encoding, out.errors, line_buffering=out.line_buffering)
    try:
        try:
            root.main()
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:  # noqa: BLE001 - it is printed whole; Rust libraries' panics are no Exception
        traceback.print_exc()
        print("tidegate: this is a bug; report it with the traceback above", file=sys.stderr)  # noqa: T201
        sys.exit(root.EXIT_UNKNOWN)


if __name__ == "__main__":
    main()
