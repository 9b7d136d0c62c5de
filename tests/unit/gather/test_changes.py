"""A change is passed on at once, and its repeats as one change after a pause, however many there are."""

import asyncio

import pytest

from tests.unit.gather.fakes import APP, OTHER, REGISTRY
from tidegate.evidence.change import ImageChange, RegistryChange, RepositoryChange, TagChange
from tidegate.gather import changes as module
from tidegate.gather.changes import LOOK_SECONDS, REPEAT_SECONDS, Changes
from tidegate.images.digest import digest_of
from tidegate.images.repository import EcrRepository

CHILD, INDEX = digest_of(b"child"), digest_of(b"index")
IMAGE = ImageChange(APP, digest_of(b"image"))


@pytest.fixture
def passed():
    return []


@pytest.fixture
async def changes(clock, passed):
    made = Changes(
        clock=clock,
        indexes=lambda repository, digest: [INDEX] if (repository, digest) == (APP, CHILD) else [],
        changed=passed.append,
    )
    task = asyncio.create_task(made.run())
    yield made
    task.cancel()


async def test_a_change_is_passed_on_at_once(changes, passed):
    changes.add([IMAGE, TagChange(APP, "v1")])
    assert passed == [{IMAGE, TagChange(APP, "v1")}]


async def test_nothing_is_passed_on_where_nothing_changed(changes, passed):
    changes.add([])
    assert passed == []


async def test_the_indexes_that_hold_an_image_change_with_it(changes, passed):
    changes.add([ImageChange(APP, CHILD)])
    assert passed == [{ImageChange(APP, CHILD), ImageChange(APP, INDEX)}]


async def test_an_image_of_another_repository_changes_no_index_of_this_one(changes, passed):
    other = ImageChange(EcrRepository(REGISTRY, "team/other"), CHILD)
    changes.add([other])
    assert passed == [{other}]


@pytest.mark.parametrize(
    "change",
    [IMAGE, TagChange(APP, "v1"), RepositoryChange(APP), RegistryChange(REGISTRY)],
    ids=lambda each: type(each).__name__,
)
async def test_a_hundred_thousand_repeats_are_one_change_after_a_pause(changes, passed, change):
    pause = REPEAT_SECONDS[type(change)]
    for _ in range(100_000):
        changes.add([change])
    assert len(passed) == len(changes) == 1
    await asyncio.sleep(pause - 0.5)
    assert len(passed) == 1
    await asyncio.sleep(0.5 + LOOK_SECONDS)
    assert passed == [{change}] * 2
    await asyncio.sleep(10 * pause)
    assert len(passed) == 2


async def test_a_change_that_comes_back_later_is_passed_on_at_once(changes, passed):
    changes.add([IMAGE])
    await asyncio.sleep(REPEAT_SECONDS[ImageChange])
    changes.add([IMAGE])
    assert len(passed) == 2


def repeated(changes, wanted):
    changes.add(wanted)
    changes.add(wanted)


async def test_too_many_waiting_changes_become_one_for_each_repository(changes, passed, monkeypatch):
    monkeypatch.setattr(module, "MAX_WAITING", 10)
    names = ["team/a", "team/b"]
    repositories = [EcrRepository(REGISTRY, name) for name in names]
    repeated(changes, [ImageChange(each, digest_of(b"%d" % number)) for each in repositories for number in range(6)])
    await asyncio.sleep(REPEAT_SECONDS[ImageChange] + LOOK_SECONDS)
    assert set(passed[-1]) >= {RepositoryChange(each) for each in repositories}
    assert len(passed[-1]) <= 3


async def test_too_many_repositories_become_one_change_of_each_registry(changes, passed, monkeypatch):
    monkeypatch.setattr(module, "MAX_WAITING", 10)
    registries = [REGISTRY, OTHER]
    repeated(changes, [TagChange(EcrRepository(each, f"team/{n}"), "v1") for n in range(6) for each in registries])
    await asyncio.sleep(REPEAT_SECONDS[TagChange] + LOOK_SECONDS)
    assert set(passed[-1]) >= {RegistryChange(each) for each in registries}
    assert len(changes) == 0


async def test_what_is_remembered_is_bounded(changes, monkeypatch):
    for number in range(module.MAX_REMEMBERED + 10):
        changes.add([TagChange(APP, f"v{number}")])
    assert len(changes._passed) == module.MAX_REMEMBERED


async def test_an_unforeseen_error_does_not_end_it(changes, passed):
    repeated(changes, [IMAGE])
    changes._changed = lambda _: 1 / 0
    await asyncio.sleep(REPEAT_SECONDS[ImageChange] + LOOK_SECONDS)
    changes._changed = passed.append
    repeated(changes, [TagChange(APP, "v1")])
    await asyncio.sleep(REPEAT_SECONDS[TagChange] + LOOK_SECONDS)
    assert passed[-1] == {TagChange(APP, "v1")}
