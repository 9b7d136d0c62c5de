"""The rules of pull-through caches: all pages read, kept for a while, and no more registries than are bounded."""

from typing import Any

import pytest

from tidegate.aws import pull_through
from tidegate.aws.clients import AnsweredError
from tidegate.aws.pull_through import PullThroughRules
from tidegate.evidence.fact import Cause
from tidegate.evidence.source_unavailable import SourceUnavailableError
from tidegate.images.repository import EcrRegistry, EcrRepository

HUB = EcrRepository(EcrRegistry("aws", "111122223333", "eu-west-1"), "docker-hub/library/nginx")


class Asked:
    """Answers with pages in turn, the last of them for ever."""

    def __init__(self, *pages):
        self.pages = list(pages)
        self.tokens = []

    def call(self, api, registry, parameters, *, answers):
        self.tokens.append(parameters.get("nextToken"))
        page = self.pages.pop(0) if len(self.pages) > 1 else self.pages[0]
        if isinstance(page, Exception):
            raise page
        return page


def page(*prefixes, token=None):
    rules = [{"ecrRepositoryPrefix": each, "registryId": "111122223333"} for each in prefixes]
    return {"pullThroughCacheRules": rules, "nextToken": token}


def rules(asked: Any):
    return PullThroughRules(asked)


def test_rules_of_later_pages_count():
    asked = Asked(page("quay", token="2"), page("docker-hub"))
    assert rules(asked).cover(HUB)
    assert asked.tokens == [None, "2"]


def test_pages_without_end_are_not_read_for_ever():
    asked = Asked(*(page("docker-hub", token=str(number)) for number in range(10)))
    assert not rules(asked).cover(HUB), "rules of which the end was not seen are not the rules"
    assert len(asked.tokens) == pull_through.MAX_PAGES


def test_pages_in_a_circle_are_left():
    asked = Asked(page("docker-hub", token="again"))
    assert not rules(asked).cover(HUB)
    assert len(asked.tokens) == 2


@pytest.mark.parametrize(
    "strange",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"pullThroughCacheRules": [{"registryId": "111122223333"}]}, id="a rule without a prefix"),
        pytest.param({"pullThroughCacheRules": [{"ecrRepositoryPrefix": "x"}]}, id="a rule of no registry"),
        pytest.param(
            {"pullThroughCacheRules": [{"ecrRepositoryPrefix": "x", "registryId": "9" * 12}]}, id="of another registry"
        ),
        pytest.param(SourceUnavailableError(Cause.UNREACHABLE, "x"), id="no answer"),
    ],
)
def test_an_answer_that_is_none_leaves_the_rules_as_they_were(monkeypatch, strange):
    now = [100.0]
    monkeypatch.setattr(pull_through, "monotonic", lambda: now[0])
    one = rules(Asked(page("docker-hub"), strange))
    assert one.cover(HUB)
    now[0] += pull_through.RULES_SECONDS
    assert one.cover(HUB)
    assert not rules(Asked(strange)).cover(HUB)


def test_a_registry_without_rules_has_no_caches():
    assert not rules(Asked(AnsweredError("PullThroughCacheRuleNotFoundException", ""))).cover(HUB)


@pytest.mark.parametrize(
    ("first", "seconds"),
    [
        pytest.param(page("docker-hub"), pull_through.RULES_SECONDS, id="rules"),
        pytest.param(
            SourceUnavailableError(Cause.ACCESS_DENIED, "x"),
            pull_through.UNREADABLE_SECONDS,
            id="rules that are denied",
        ),
    ],
)
def test_what_is_known_is_asked_for_again_when_its_time_is_over(monkeypatch, first, seconds):
    now = [100.0]
    monkeypatch.setattr(pull_through, "monotonic", lambda: now[0])
    asked = Asked(first)
    one = rules(asked)
    for moment in (100.0, 100.0 + seconds - 0.01, 100.0 + seconds):
        now[0] = moment
        one.cover(HUB)
    assert len(asked.tokens) == 2


def test_no_more_registries_are_remembered_than_are_bounded(monkeypatch):
    monkeypatch.setattr(pull_through, "MAX_REGISTRIES", 2)
    asked = Asked(page("docker-hub"))
    one = rules(asked)
    regions = ("eu-west-1", "eu-west-2", "eu-west-3")
    for region in (*regions, regions[2], regions[0]):
        one.cover(EcrRepository(EcrRegistry("aws", "111122223333", region), HUB.name))
    assert len(asked.tokens) == 4
