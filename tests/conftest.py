"""What holds for every test: logging is left as it was found, and no example of Hypothesis fails for being slow."""

import logging
import sys

import pytest
import structlog
from hypothesis import settings

from tests import botocore_data
from tests.distribution import Groups, gives_way, longest_first, lower_priority, number_of, restore_priority

# Machines are shared: how long one example takes says nothing. Speed lives in tests/bench.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
botocore_data.share()


def pytest_configure(config):
    """Run at a low priority where this is a process that has to."""
    worker = getattr(config, "workerinput", None)
    if worker is not None and gives_way(number_of(worker["workerid"]), worker["workercount"]):
        lower_priority()


def pytest_xdist_make_scheduler(config, log):
    """Share the tests among processes as tests/distribution.py says."""
    config.option.loadscopereorder = False
    return Groups(config, log)


def pytest_runtest_setup(item):
    """Run a test with time limits at full priority."""
    restore_priority(item.nodeid)


def pytest_collection_modifyitems(config, items):
    """Start with what takes longest, where there are several processes."""
    if hasattr(config, "workerinput"):
        longest_first(items)


@pytest.fixture(autouse=True)
def logging_of_its_own():
    """Undo what a test does to the logging of the whole process, as commands do that run in it."""
    root, configuration = logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    if structlog.get_config() != configuration:
        structlog.reset_defaults()
        structlog.configure(**configuration)
        forget_cached_loggers()


def forget_cached_loggers():
    """Have the modules' loggers ask for the configuration again: otherwise they keep the first that they met."""
    for name, module in list(sys.modules.items()):
        if name.startswith("tidegate.") and hasattr(module, "_log"):
            vars(module._log).pop("bind", None)
