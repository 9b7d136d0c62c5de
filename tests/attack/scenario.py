"""What a scenario is: an attack that runs, what was measured, and the bound that must hold."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass

from tests.attack import scenarios


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one run of an attack showed: the figures with their units, the bound, and whether it held.

    ``in_time`` tells whether the bounds of the wall clock held too, which other programs on a busy machine can break.
    """

    measured: str
    bound: str
    held: bool
    in_time: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One attack: a name for ``make attack ARGS=NAME``, a sentence for the table, and the function that runs it.

    ``bound`` of the outcome is generous enough for a busy machine of two cores: the test suite runs each scenario too.
    """

    name: str
    attack: str
    run: Callable[[], Outcome]


def all_scenarios() -> tuple[Scenario, ...]:
    """Return the scenarios of every module in ``scenarios``, in the order of the modules' names."""
    modules = sorted(module.name for module in pkgutil.iter_modules(scenarios.__path__))
    loaded = [importlib.import_module(f"{scenarios.__name__}.{name}") for name in modules]
    return tuple(scenario for module in loaded for scenario in module.SCENARIOS)
