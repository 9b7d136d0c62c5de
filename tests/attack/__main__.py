"""``make attack``: run every scenario and print a table of attack, measured and bound. Exits 1 when a bound is broken."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.table import Table

from tests.attack.product import end_control_plane
from tests.attack.scenario import all_scenarios


def main(names: list[str]) -> int:
    """Run the scenarios with these names, or all; return the exit code."""
    chosen = [scenario for scenario in all_scenarios() if not names or scenario.name in names]
    unknown = set(names) - {scenario.name for scenario in chosen}
    if unknown:
        known = ", ".join(scenario.name for scenario in all_scenarios())
        print(f"unknown scenario: {', '.join(sorted(unknown))}; expected one of {known}", file=sys.stderr)
        return 2
    table = Table("attack", "measured", "bound", "held")
    held = True
    for scenario in chosen:
        print(f"running {scenario.name}", file=sys.stderr)
        outcome = scenario.run()
        is_held = outcome.held and outcome.in_time
        held = held and is_held
        table.add_row(scenario.attack, outcome.measured, outcome.bound, "yes" if is_held else "NO")
    end_control_plane()
    Console().print(table)
    return 0 if held else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
