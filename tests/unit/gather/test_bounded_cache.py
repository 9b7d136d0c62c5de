"""What all caches take in memory is bounded together; equal findings are kept once, and no longer than their reports."""

import gc
import sys
from datetime import UTC, datetime

import msgspec
import pytest
from msgspec.structs import replace

from tests.unit.gather.fakes import APP, REGISTRY, SCANNED, detail, finding
from tidegate.evidence.fact import Known
from tidegate.evidence.repository import ScanType
from tidegate.evidence.scan import Finding, Scanner, ScanReport, VulnerablePackage
from tidegate.gather.bounded_cache import Budget
from tidegate.gather.clock import Moment
from tidegate.gather.fact_cache import FactCache
from tidegate.gather.lookups import DetailKey, Lookups
from tidegate.gather.scans import ScanKey
from tidegate.gather.shared_findings import SharedFindings
from tidegate.gather.size import ENTRY_BYTES, size_of
from tidegate.images.image_id import ImageId
from tidegate.images.repository import EcrRepository


class Cache:
    """Facts of so many characters."""

    def __init__(self, clock, budget):
        self.length = 1_000
        self.cache = FactCache(
            source="test",
            limit=1_000_000,
            clock=clock,
            look_up=self.look_up,
            seconds=lambda *_: 60.0,
            budget=budget,
        )

    async def look_up(self, _key):
        return "x" * self.length

    async def fill(self, *keys):
        for key in keys:
            await self.cache.get(key)

    def kept(self, keys):
        return "".join(key for key in keys if self.cache.peek(key)[1] > 0)


ONE = ENTRY_BYTES + size_of("a") + size_of("x" * 1_000)


async def test_the_oldest_of_the_largest_cache_goes_first(clock):
    budget = Budget(5 * ONE)
    large, small = Cache(clock, budget), Cache(clock, budget)
    await large.fill(*"abc")
    await small.fill(*"ab")
    assert budget.used == 5 * ONE
    await large.cache.get("a")
    await small.fill("c")
    assert (large.kept("abc"), small.kept("abc")) == ("ac", "abc")
    assert budget.used == 5 * ONE


async def test_a_fact_larger_than_the_budget_is_not_kept_and_answers_all_the_same(clock):
    budget = Budget(5 * ONE)
    cache = Cache(clock, budget)
    cache.length = 100_000
    fact, _ = await cache.cache.get("a")
    assert isinstance(fact, Known)
    assert len(fact.value) == 100_000
    assert (len(cache.cache), budget.used) == (0, 0)


async def test_a_cache_that_weighs_something_and_has_nothing_to_forget_ends_the_search(clock):
    """Texts may weigh less when they are forgotten than when they were kept."""
    budget = Budget(1)
    cache = Cache(clock, budget)
    cache.cache._entries.size = 1_000
    budget.keep_to_it()
    assert budget.used == 1_000


async def test_all_facts_of_the_engine_are_in_one_budget(aws, limiters, clock):
    budget = Budget(200_000)
    facts = Lookups(sources=aws.sources(), limiters=limiters, clock=clock, limit=100_000, budget=budget)
    for number in range(500):
        tag = ImageId.of_tag(f"{number:0128}")
        aws.images[tag] = detail()
        await facts.details.get(DetailKey(EcrRepository(REGISTRY, f"team/{number}"), tag))
        await facts.settings.get(EcrRepository(REGISTRY, f"team/{number}"))
    assert budget.used <= 200_000
    assert len(facts.details) + len(facts.settings) < 500
    assert facts.details.peek(DetailKey(APP, ImageId.of_tag("v1")))[1] == 0


SIZES = [
    pytest.param(None, 0, 0, id="nothing"),
    pytest.param(True, 0, 0, id="a truth"),
    pytest.param(SCANNED.state, 0, 0, id="a word of an enum"),
    pytest.param("x" * 1_000, 1_000, 1_100, id="a text"),
    pytest.param(b"x" * 1_000, 1_000, 1_100, id="bytes"),
    pytest.param(("x" * 1_000,) * 3, 3_000, 3_400, id="a tuple"),
    pytest.param(frozenset({"x" * 1_000}), 1_000, 1_400, id="a set"),
    pytest.param({"x" * 1_000: "y" * 1_000}, 2_000, 2_500, id="a mapping"),
    pytest.param(Finding(id="x" * 1_000, severity=finding("a").severity), 1_000, 1_400, id="a value"),
    pytest.param(datetime(2026, 1, 1, tzinfo=UTC), 40, 100, id="a time"),
    pytest.param(EcrRepository(REGISTRY, "x" * 200), 200, 400, id="a repository, which is mostly shared"),
]


@pytest.mark.parametrize(("value", "least", "most"), SIZES)
def test_the_size_counts_all_that_a_value_is_made_of(value, least, most):
    assert least <= size_of(value) <= most


def test_equal_values_have_one_size_whatever_was_done_with_them():
    """What is freed when a fact is dropped is measured then, and has to be what was counted when it was kept."""
    text, same = "\u00fc" * 100, "\u00fc" * 100
    msgspec.json.encode(text)  # Python keeps its UTF-8 from now on.
    assert size_of(text) == size_of(same) >= sys.getsizeof(text)
    grown = set(range(1_000))
    grown -= set(range(3, 1_000))
    assert size_of(grown) == size_of({0, 1, 2})
    assert size_of(frozenset(range(20))) >= sys.getsizeof(frozenset(range(20)))


async def test_a_dropped_fact_frees_what_it_was_counted_for(clock):
    budget = Budget()
    facts, key = Cache(clock, budget), "\u00e9" * 100
    await facts.fill(key)
    assert budget.used > 0
    msgspec.json.encode(key)
    facts.cache._entries.drop(key)
    assert budget.used == 0


def report(*names):
    packages = (VulnerablePackage(name="x" * 200, installed="1", fixed_in="2"),)
    findings = tuple(replace(finding(name), packages=packages) for name in names)
    return ScanReport(scanner=Scanner.INSPECTOR, coverage=SCANNED, findings=findings)


def test_equal_findings_are_one_object_and_count_once():
    shared = SharedFindings()
    first, added = shared.take(report("a", "b"))
    second, more = shared.take(report("b", "c"))
    assert first.findings[1] is second.findings[0]
    assert first == report("a", "b")
    assert more < added
    assert len(shared) == 3


def test_equal_lists_of_findings_are_kept_once():
    """Images with the same base have the same list, which is 8 bytes a finding in each of a hundred thousand reports."""
    shared = SharedFindings()
    first, added = shared.take(report("a", "b"))
    second, more = shared.take(report("a", "b"))
    assert first.findings is second.findings
    assert more == size_of(report())
    assert shared.drop(first) == more
    assert shared.drop(second) == added
    assert len(shared) == 0


def test_what_is_dropped_frees_as_much_as_it_added():
    shared = SharedFindings()
    taken = [shared.take(report(*names)) for names in ("ab", "bc", "abc", "", "aa", "bc", "aa")]
    added = sum(size for _, size in taken)
    assert sum(shared.drop(kept) for kept, _ in taken) == added
    assert len(shared) == 0


CACHED = [
    pytest.param(DetailKey(APP, ImageId.of_tag("v1")), id="the key of an image"),
    pytest.param(ScanKey(APP, detail().digest, ScanType.ENHANCED), id="the key of a scan"),
    pytest.param(detail(), id="an image"),
    pytest.param(report("a"), id="a scan"),
    pytest.param(SCANNED, id="its coverage"),
    pytest.param(Moment(datetime(2026, 1, 1, tzinfo=UTC), 0.0), id="a moment"),
]


@pytest.mark.parametrize("value", CACHED)
def test_a_part_of_a_cached_fact_takes_no_more_than_its_fields(value):
    """A hundred thousand images have to fit into 200 MiB: no dictionary, and no header for the garbage collector."""
    assert sys.getsizeof(value) == object.__basicsize__ + 8 * len(value.__struct_fields__)
    assert not gc.is_tracked(value)
