"""One bad id does not fail the others, and does not cost many calls."""

import pytest

from tests import frames
from tidegate.aws.split import MAX_CALLS, RefusedError, ask_for_each
from tidegate.evidence.fact import Cause
from tidegate.evidence.source_unavailable import NotAskedError, SourceUnavailableError

SOURCE = "ecr:DescribeImages"
GONE = "gone"


class Registry:
    """Answers each id with itself; a missing one fails its whole batch, named in the message or not."""

    def __init__(self, missing=(), *, names=True, fail_call=None):
        self.missing = set(missing)
        self.names = names
        self.fail_call = fail_call
        self.calls = []

    def ask(self, ids):
        self.calls.append(tuple(ids))
        if len(self.calls) == self.fail_call:
            raise SourceUnavailableError(Cause.THROTTLED, SOURCE)
        absent = [each for each in ids if each in self.missing]
        if absent:
            raise RefusedError(GONE, f"no image '{absent[0]}' here" if self.names else "no such image")
        return {each: each.upper() for each in ids}

    def answers(self, ids):
        return ask_for_each(ids, self.ask, name=str, source=SOURCE)


IDS = [f"v{number}" for number in range(100)]


def test_ids_that_are_all_there_take_one_call():
    registry = Registry()
    assert registry.answers(IDS) == {each: each.upper() for each in IDS}
    assert registry.calls == [tuple(IDS)]


def test_no_ids_take_no_call():
    registry = Registry()
    assert registry.answers([]) == {}
    assert registry.calls == []


def test_an_id_asked_for_twice_is_sent_once():
    registry = Registry()
    assert registry.answers(["a", "a"]) == {"a": "A"}
    assert registry.calls == [("a",)]


def test_a_missing_id_that_the_message_names_takes_two_calls_more():
    registry = Registry(missing=["v50"])
    answers = registry.answers(IDS)
    assert answers.pop("v50") == GONE
    assert answers == {each: each.upper() for each in IDS if each != "v50"}
    assert len(registry.calls) == 3
    assert ("v50",) in registry.calls


def test_a_message_alone_is_no_answer():
    """The message names an id that is there: it is asked for, and answered."""

    class Lying(Registry):
        def ask(self, ids):
            if "bad" in ids and len(ids) > 1:
                self.calls.append(tuple(ids))
                raise RefusedError(GONE, "no image 'good' here")
            return super().ask(ids)

    registry = Lying(missing=["bad"])
    assert registry.answers(["bad", "good", "other"]) == {"bad": GONE, "good": "GOOD", "other": "OTHER"}


def test_without_a_name_the_batch_is_halved():
    registry = Registry(missing=["v7"], names=False)
    answers = registry.answers(IDS[:8])
    assert answers == {each: each.upper() for each in IDS[:8]} | {"v7": GONE}
    assert len(registry.calls) <= 2 * 3 + 1


def test_ids_beyond_the_bound_of_calls_are_not_answered():
    registry = Registry(missing=IDS)
    answers = registry.answers(IDS)
    assert set(answers) == set(IDS)
    assert len(registry.calls) == MAX_CALLS
    left = [each for each in answers.values() if each != GONE]
    assert left
    assert {(type(each), each.cause, each.source) for each in left} == {(NotAskedError, Cause.OVERLOADED, SOURCE)}


def test_three_missing_of_a_hundred_are_all_answered():
    registry = Registry(missing=IDS[:3])
    answers = registry.answers(IDS)
    assert answers == {each: each.upper() for each in IDS} | dict.fromkeys(IDS[:3], GONE)
    assert len(registry.calls) <= MAX_CALLS


class TooLong(Registry):
    """An answer about more than ten ids is no answer, nor is any about one of the missing."""

    def ask(self, ids):
        self.calls.append(tuple(ids))
        if len(ids) > 10 or self.missing.intersection(ids):
            raise SourceUnavailableError(Cause.UNEXPECTED_ANSWER, SOURCE)
        return {each: each.upper() for each in ids}


def test_a_batch_whose_answer_cannot_be_relied_on_is_halved():
    assert TooLong().answers(IDS[:40]) == {each: each.upper() for each in IDS[:40]}


def test_an_id_of_which_no_answer_can_be_relied_on_costs_the_others_none():
    answers = TooLong(missing=["v1"]).answers(IDS[:8])
    assert answers.pop("v1").cause is Cause.UNEXPECTED_ANSWER
    assert answers == {each: each.upper() for each in IDS[:8] if each != "v1"}


def test_a_failing_first_call_is_raised():
    with pytest.raises(SourceUnavailableError):
        Registry(fail_call=1).answers(IDS)


def test_a_failing_later_call_leaves_the_other_answers_and_is_not_followed_by_more():
    registry = Registry(missing=["v50"], fail_call=2)
    answers = registry.answers(IDS)
    assert len(registry.calls) == 2
    assert set(answers) == set(IDS)
    assert all(isinstance(each, SourceUnavailableError) for each in answers.values())

    registry = Registry(missing=["v50"], fail_call=3)
    answers = registry.answers(IDS)
    assert isinstance(answers.pop("v50"), SourceUnavailableError)
    assert answers == {each: each.upper() for each in IDS if each != "v50"}


def test_ids_beside_one_whose_long_answer_found_no_memory_may_be_asked_for_again():
    def ask(ids):
        if len(ids) > 2:
            raise SourceUnavailableError(Cause.UNEXPECTED_ANSWER, SOURCE)
        if "v2" in ids:
            raise SourceUnavailableError(Cause.OVERLOADED, SOURCE)
        return dict.fromkeys(ids, "found")

    answers = ask_for_each(IDS[:4], ask, name=str, source=SOURCE)
    assert [answers[each] for each in IDS[:2]] == ["found", "found"]
    assert {type(answers[each]) for each in IDS[2:4]} == {NotAskedError}


@pytest.mark.parametrize("cause", [Cause.THROTTLED, Cause.UNEXPECTED_ANSWER])
def test_a_failure_that_is_an_answer_keeps_nothing_of_the_other_answers(cause):
    def ask(ids):
        if "v1" in ids:
            raise SourceUnavailableError(cause if len(ids) == 1 else Cause.UNEXPECTED_ANSWER, SOURCE)
        return dict.fromkeys(ids, "found")

    kept = []
    assert not frames.are_kept(lambda: kept.append(ask_for_each(IDS[:2], ask, name=str, source=SOURCE)))
    assert kept[0]["v1"].cause is cause
