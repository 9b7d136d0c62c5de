"""What policies in files rely on and the files lack: fetched once, before anything is judged, and only where it is needed."""

import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.cli.desk import Desk, policy, results, trust_store
from tests.integration.cli.signers import CI, key, keyed, sign_by_key, sign_keyless, signed_by, sigstore
from tests.integration.gather.gate import OTHER, READER, image
from tests.simulator import World
from tests.simulator.kms_changes import KmsKey
from tests.simulator.tuf_repository import TufRepository
from tests.unit.cli.commands import Ended
from tidegate.trust.tuf import repository as trusted_roots

ALLOWED, REFUSED, UNKNOWN = 0, 1, 2
APP = image()
PASS = [("signatures", "Pass", "Ok")]
UNUSABLE = [("signatures", "Undetermined", "TrustUnusable")]


@pytest.fixture
def repository() -> Iterator[TufRepository]:
    with TufRepository(sigstore().trusted_root_bytes()) as repository:
        yield repository


@pytest.fixture
def kms_key(world: World) -> KmsKey:
    return world.add_kms_key(private=key())


def reach(desk: Desk, repository: TufRepository, **more: Any) -> None:
    """Write a configuration by which the repository may have its private address."""
    desk.configure(trustStores={"privateHosts": [repository.host]} | more)


def by_tuf(repository: TufRepository, name: str = "sigstore") -> dict[str, Any]:
    return trust_store(name, "sigstore", tuf={"url": repository.url, "root": repository.root_json.decode()})


def keyless_policy(desk: Desk, repository: TufRepository) -> Path:
    return desk.write("all.yaml", policy(**signed_by(CI)), by_tuf(repository))


def kms_policy(desk: Desk, *arns: str) -> Path:
    by_arn = [{**keyed(key={"kms": arn}), "name": f"key-{number}"} for number, arn in enumerate(arns)]
    return desk.write("all.yaml", policy(**signed_by(*by_arn)))


def found(ended: Ended) -> str:
    (one,) = json.loads(ended.out)
    (result,) = one["policies"][0]["results"]
    return f"{result['found']}: {result['cause']}"


# What can be had


@pytest.fixture(autouse=True)
def threads_end() -> Iterator[None]:
    """Wait for the reads that a test left in their threads: they log to where the next test prints."""
    yield
    for thread in threading.enumerate():
        if thread.name.startswith("trust-refresh"):
            thread.join(30)


def test_a_trusted_root_is_fetched_and_verified_by(world, desk, repository):
    sign_keyless(world)
    reach(desk, repository)
    file = keyless_policy(desk, repository)
    assert desk.check(APP, "--policy", file).code == ALLOWED
    assert "VERIFIED: signature by" in desk.verify(APP, "--policy", file).last
    assert "authority ci: Verified" in desk.explain(APP, "--policy", file).out


def test_a_strangers_signature_is_refused_by_a_fetched_root(world, desk, repository):
    sign_keyless(world, subject="https://github.com/mallory/x")
    reach(desk, repository)
    ended = desk.check(APP, "--policy", keyless_policy(desk, repository), "-o", "json")
    assert (ended.code, results(ended)) == (REFUSED, [("signatures", "Fail", "SignatureInvalid")])


def test_a_key_is_read_from_kms_and_verified_by(world, sim, desk, kms_key):
    sign_by_key(world)
    file = kms_policy(desk, kms_key.arn)
    assert desk.check(APP, "--policy", file).code == ALLOWED
    assert sim.calls(service="kms") == 1
    assert "VERIFIED: signature by" in desk.verify(APP, "--policy", file).last
    assert "authority key-0: Verified" in desk.explain(APP, "--policy", file).out


def test_a_key_of_another_account_is_read_with_the_role_for_it(world, desk):
    world.add_account(OTHER)
    sign_by_key(world)
    file = kms_policy(desk, world.add_kms_key(account=OTHER, private=key()).arn)
    assert desk.check(APP, "--policy", file).code == UNKNOWN
    accounts = [{"account": OTHER, "roleArn": READER}]
    desk.configure(aws={"region": "eu-west-1", "endpoints": desk.endpoints, "accounts": accounts})
    assert desk.check(APP, "--policy", file).code == ALLOWED


def test_it_is_fetched_once_for_any_number_of_images_and_stores(world, sim, desk, repository, kms_key):
    sign_keyless(world)
    reach(desk, repository)
    by_kms = {**keyed(key={"kms": kms_key.arn}), "name": "kms"}
    two = {"name": "two", "sigstore": CI["sigstore"] | {"trustedRoot": "second"}}
    file = desk.write(
        "all.yaml", policy(**signed_by(CI, two, by_kms)), by_tuf(repository), by_tuf(repository, "second")
    )
    assert desk.check(*[APP] * 10, "--policy", file).code == ALLOWED
    assert repository.requests.count("timestamp.json") == 1
    assert sim.calls(service="kms") == 1


def test_a_terminal_shows_what_is_fetched_and_clears_that_away(world, desk, repository, kms_key, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    sign_by_key(world)
    for command in (desk.check, desk.explain, desk.verify):
        ended = command(APP, "--policy", kms_policy(desk, kms_key.arn))
        # Its last picture, without colours.
        assert "fetching trusted roots and keys 1/1" in re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", ended.err)
        assert "fetching" not in ended.out
        assert "judging images" not in ended.err


# What is not needed is not fetched


def test_what_no_policy_relies_on_is_not_fetched(world, sim, desk, repository):
    sign_by_key(world)
    reach(desk, repository)
    world.add_kms_key()
    file = desk.write("all.yaml", policy(**signed_by(keyed())), by_tuf(repository))
    assert desk.check(APP, "--policy", file).code == ALLOWED
    assert repository.requests == []
    assert sim.calls(service="kms") == 0


def test_what_is_wrong_in_the_files_is_said_before_anything_is_fetched(sim, desk, repository, kms_key):
    reach(desk, repository)
    by_kms = {**keyed(key={"kms": kms_key.arn}), "name": "kms"}
    documents = (policy(**signed_by(CI, by_kms)), by_tuf(repository), by_tuf(repository))
    ended = desk.check(APP, "--policy", desk.write("all.yaml", *documents))
    assert (ended.code, ended.out) == (UNKNOWN, "")
    assert "the files contain TrustStore sigstore twice; keep one" in ended.err
    assert repository.requests == []
    assert sim.calls() == 0


# What could not be had


def test_without_an_answer_the_authority_is_undecided_and_says_what_to_do(world, desk, repository):
    sign_keyless(world)
    reach(desk, repository)
    repository.inject(about="timestamp.json", status=503)
    file = keyless_policy(desk, repository)
    ended = desk.check(APP, "--policy", file, "-o", "json")
    assert (ended.code, results(ended)) == (UNKNOWN, UNUSABLE)
    assert found(ended) == (
        "authority ci cannot be verified: a trust store or a key is unusable: the TrustStore sigstore cannot be used: it could not be fetched from "
        f"{repository.url}: it answered with HTTP status 503; correct it, or set trustedRoot instead"
    )
    assert (desk.explain(APP, "--policy", file).code, desk.verify(APP, "--policy", file).code) == (UNKNOWN, UNKNOWN)


def test_a_private_address_has_to_be_allowed_by_the_configuration(world, desk, repository):
    sign_keyless(world)
    ended = desk.check(APP, "--policy", keyless_policy(desk, repository), "-o", "json")
    assert (ended.code, results(ended)) == (UNKNOWN, UNUSABLE)
    assert "is not a public address" in found(ended)
    assert found(ended).endswith("correct it, or set trustedRoot instead")
    assert repository.requests == []


def test_what_is_fetched_and_is_no_trusted_root_leaves_its_authority_undecided(world, desk, repository):
    sign_keyless(world)
    reach(desk, repository)
    repository.publish(b"{}")
    ended = desk.check(APP, "--policy", keyless_policy(desk, repository), "-o", "json")
    assert (ended.code, results(ended)) == (UNKNOWN, UNUSABLE)


@pytest.mark.parametrize(
    ("state", "reason"),
    [("Enabled", "it could not be read from AWS KMS (AccessDenied)"), ("Disabled", "AWS KMS has no usable key")],
)
def test_a_key_that_cannot_be_read_leaves_its_authority_undecided(world, sim, desk, kms_key, state, reason):
    sign_by_key(world)
    world.set_kms_key_state(kms_key.arn, state)
    if state == "Enabled":
        sim.inject("access_denied", service="kms")
    file = kms_policy(desk, kms_key.arn)
    ended = desk.check(APP, "--policy", file, "-o", "json")
    assert (ended.code, results(ended)) == (UNKNOWN, UNUSABLE)
    assert (
        f"authority key-0 cannot be verified: a trust store or a key is unusable: the public key of {kms_key.arn} is not available: {reason}"
        in found(ended)
    )
    assert found(ended).endswith("; check it with aws kms get-public-key, or set pem instead")
    assert desk.verify(APP, "--policy", file).code == UNKNOWN


def test_another_authority_is_not_touched_by_one_that_is_undecided(world, sim, desk, repository, kms_key):
    sign_by_key(world)
    sim.inject("access_denied", service="kms")
    by_kms = {**keyed(key={"kms": kms_key.arn}), "name": "kms"}
    file = desk.write("all.yaml", policy(**signed_by(by_kms, CI, keyed())), by_tuf(repository))
    assert desk.check(APP, "--policy", file).code == ALLOWED


def test_some_time_is_left_for_what_needs_nothing_else(world, sim, desk):
    """KMS takes longer to fail than there is time in all."""
    sign_by_key(world)
    sim.inject("hang", service="kms", seconds=10.0)
    arns = [world.add_kms_key(name).arn for name in ("first", "second", "third")]
    hanging = [{**keyed(key={"kms": arn}), "name": f"key-{number}"} for number, arn in enumerate(arns)]
    file = desk.write("all.yaml", policy(**signed_by(*hanging, keyed())))
    assert desk.check(APP, "--policy", file, "--timeout", 6).code == ALLOWED


def test_a_repository_that_never_answers_is_given_up_in_time(world, desk, repository):
    sign_keyless(world)
    reach(desk, repository)
    repository.inject(about="timestamp.json", hang=True)
    ended = desk.check(APP, "--policy", keyless_policy(desk, repository), "--timeout", 2, "-o", "json")
    assert (ended.code, results(ended)) == (UNKNOWN, UNUSABLE)
    assert "did not answer in time; correct it" in found(ended)


def test_what_was_not_there_in_time_is_said_with_the_option_to_change(world, sim, desk, kms_key, monkeypatch):
    monkeypatch.setattr("tidegate.cli.judging.TRUST_SHARE", 0.01)
    sign_by_key(world)
    sim.inject("latency", service="kms", seconds=1.0)
    ended = desk.check(APP, "--policy", kms_policy(desk, kms_key.arn), "--timeout", 20, "-o", "json")
    assert (ended.code, results(ended)) == (UNKNOWN, UNUSABLE)
    assert "is not available: it was not fetched within 0.2 seconds" in found(ended)


# Where it is kept


@pytest.mark.parametrize("fault", [{"status": 503}, {"hang": True}], ids=["refused", "not answered in time"])
def test_what_was_fetched_is_kept_in_the_users_cache_and_used_while_it_holds(
    world, desk, repository, monkeypatch, fault
):
    sign_keyless(world)
    reach(desk, repository)
    file = keyless_policy(desk, repository)
    assert desk.check(APP, "--policy", file).code == ALLOWED
    assert list((desk.folder / "cache" / "tidegate" / "trust-stores").glob("*/targets/trusted_root.json"))
    repository.inject(**fault)
    monkeypatch.setattr("tidegate.cli.trust_fetching.ASKING_SHARE", 0.01)
    assert desk.check(APP, "--policy", file).code == ALLOWED


def test_the_configuration_names_another_folder(world, desk, repository):
    sign_keyless(world)
    reach(desk, repository, cacheFolder=str(desk.folder / "mine"))
    assert desk.check(APP, "--policy", keyless_policy(desk, repository)).code == ALLOWED
    assert list((desk.folder / "mine").glob("*/targets/trusted_root.json"))
    assert not (desk.folder / "cache").exists()


def test_a_folder_that_cannot_be_written_is_said_with_the_setting(world, desk, repository):
    sign_keyless(world)
    blocked = desk.write("blocked")
    reach(desk, repository, cacheFolder=str(blocked))
    ended = desk.check(APP, "--policy", keyless_policy(desk, repository), "-o", "json")
    assert (ended.code, results(ended)) == (UNKNOWN, UNUSABLE)
    assert "it could not be saved in " in found(ended)


def test_the_public_instance_is_named_where_nobody_answers(world, desk, repository, monkeypatch):
    """It is asked by its own address, from the root that is known of it."""
    monkeypatch.setattr(trusted_roots, "PUBLIC_URL", "https://sigstore.invalid")
    monkeypatch.setattr(trusted_roots, "known", lambda _: ("https://sigstore.invalid", repository.root_json))
    sign_keyless(world)
    file = desk.write("all.yaml", policy(**signed_by(CI)), trust_store("sigstore", "sigstore", publicGood=True))
    ended = desk.check(APP, "--policy", file, "-o", "json")
    assert (ended.code, results(ended)) == (UNKNOWN, UNUSABLE)
    assert "it could not be fetched from https://sigstore.invalid: " in found(ended)
