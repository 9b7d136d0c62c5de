"""Entry point of ``tidegate`` and ``python -m tidegate``."""

import sys
import warnings

from tidegate.cli import root


def main() -> None:
    """Run the command. Python warnings of libraries are shown only with ``-W``."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    root.main()


if __name__ == "__main__":
    main()
