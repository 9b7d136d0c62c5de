"""Entry point of ``tidegate`` and ``python -m tidegate``."""

import sys
import traceback
import warnings

from tidegate.cli import root


def main() -> None:
    """Run the command. Python warnings of libraries are shown only with ``-W``.

    An unexpected exception exits with EXIT_UNKNOWN: Python's own exit code for it, 1, means that an image is refused.
    """
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    try:
        root.main()
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:  # noqa: BLE001 - it is printed whole; Rust libraries' panics are no Exception
        traceback.print_exc()
        print("tidegate: this is a bug; report it with the traceback above", file=sys.stderr)  # noqa: T201
        sys.exit(root.EXIT_UNKNOWN)


if __name__ == "__main__":
    main()
