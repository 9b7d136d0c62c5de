"""The page on refusals shows what the real kubectl and API server print, line by line. ``UPDATE_PAGE=1`` writes it anew."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from kubernetes import client, config

from tests.cluster import ControlPlane, wait_for
from tests.e2e.conftest import Installation
from tests.objects import CRITICAL, ECR, POLICY, trust_store
from tests.simulator.artifacts import BUNDLE
from tests.simulator.pki.sigstore import ISSUER, LocalSigstore, statement

PAGE = Path(__file__).parents[2] / "docs/operations/refusals.md"
README = Path(__file__).parents[2] / "README.md"
NAMESPACE = "shop"
COLUMNS = 80
COSIGN_SIGN = "https://sigstore.dev/cosign/sign/v1"
FORK = "https://github.com/mallory/app/.github/workflows/build.yaml@refs/heads/main"


@pytest.fixture(scope="module")
def printed(session_installation: Installation) -> Iterator[dict[str, str]]:
    """Give what each section of the page shows, by its heading."""
    cluster, gate = session_installation.cluster, session_installation.gate
    session_installation.aws.clear()
    cluster.kubectl("create", "namespace", NAMESPACE)
    create = ("create", "deployment", "web", f"--image={CRITICAL}")
    cluster.kubectl(*create, "--namespace", NAMESPACE, "--replicas=0")
    gate.apply_policy("production", POLICY, match={"namespaces": [NAMESPACE]})
    refused = cluster.kubectl(*create, "--namespace", NAMESPACE, "--dry-run=server", check=False).stderr
    cluster.kubectl("scale", "--namespace", NAMESPACE, "deployment/web", "--replicas=1")
    wait_for(lambda: "FailedCreate" in _described(cluster), what="the ReplicaSet's event")
    described = _described(cluster)
    answer = _answer(cluster)
    gate.delete_policy("production")
    by_another = _signed_by_another(session_installation)
    yield {
        "kubectl create and kubectl apply": f"$ kubectl {' '.join(create)}\n{refused}",
        f"On a terminal of {COLUMNS} columns": _wrapped(refused),
        "kubectl describe replicaset": f"$ kubectl describe replicaset\n{_last_event(described)}",
        "JSON": answer,
        "An image that somebody else signed": by_another,
    }
    cluster.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def test_the_page_shows_what_is_printed(printed: dict[str, str]) -> None:
    page = PAGE.read_text()
    if os.environ.get("UPDATE_PAGE"):
        for heading, text in printed.items():
            page = _with_block(page, heading, text)
        PAGE.write_text(page)
    for heading, text in printed.items():
        assert _block(page, heading) == text.rstrip("\n"), heading


def test_the_readme_shows_the_same(printed: dict[str, str]) -> None:
    assert printed["kubectl create and kubectl apply"].rstrip("\n") in README.read_text()


def _signed_by_another(installation: Installation) -> str:
    """Return what kubectl prints of an image whose valid signature is not by the workflow that the policy accepts."""
    world, cluster, sigstore = installation.aws.world, installation.cluster, LocalSigstore()
    world.add_image("team/fork", "v1", content="fork")
    payload = statement(world.image("team/fork", "v1").digest, predicate_type=COSIGN_SIGN)
    bundle = sigstore.sign_statement(payload, sigstore.signer(subject=FORK))
    world.add_signature("team/fork", "v1", json.dumps(bundle).encode(), kind=BUNDLE)
    root = sigstore.trusted_root_bytes().decode()
    cluster.apply(trust_store("sigstore", {"type": "sigstore", "trustedRoot": root}))
    identities = [{"issuer": ISSUER, "subjectRegExp": "https://github[.]com/acme/app/.+"}]
    ci = {"name": "ci", "sigstore": {"trustedRoot": "sigstore", "identities": identities}}
    installation.gate.apply_policy("payments", {"signatures": {"anyOf": [ci]}}, match={"namespaces": [NAMESPACE]})
    command = ("create", "deployment", "fork", f"--image={ECR}/team/fork:v1")

    def refused() -> str:
        said = cluster.kubectl(*command, "--namespace", NAMESPACE, "--dry-run=server", check=False).stderr
        return said if "SignatureInvalid" in said else ""

    try:
        return f"$ kubectl {' '.join(command)}\n{wait_for(refused, what='the trust store to be read')}"
    finally:
        installation.gate.delete_policy("payments")
        cluster.kubectl("delete", "truststore", "sigstore")


def _described(cluster: ControlPlane) -> str:
    return cluster.kubectl("describe", "replicaset", "--namespace", NAMESPACE).stdout


def _deployment() -> dict[str, object]:
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "app", "image": CRITICAL}]}}
    spec = {"selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web2"}, "spec": spec}


def _last_event(described: str) -> str:
    """Return the head of the table of events and its first event; ages and random names are made the same each time."""
    lines = described[described.index("Events:") :].splitlines()
    until = next((index for index in range(4, len(lines)) if lines[index].startswith("  Warning")), len(lines))
    text = "\n".join(line.rstrip() for line in lines[:until])
    text = re.sub(r"\b\d+s( \(x\d+ over \d+s\))?", "5s", text)
    head, table = text.splitlines()[:4], text.splitlines()[4:]
    return "\n".join([re.sub(r"(?<=\S) {2,}", "  ", line) for line in head] + table)


def _answer(cluster: ControlPlane) -> str:
    """Return the Status object of the API server's answer, which every client gets."""
    apps = client.AppsV1Api(config.new_client_from_config(str(cluster.admin_kubeconfig)))
    with pytest.raises(client.ApiException) as refused:
        apps.create_namespaced_deployment(NAMESPACE, cast("Any", _deployment()), dry_run="All")
    return json.dumps(json.loads(refused.value.body or ""), indent=2)


def _wrapped(text: str) -> str:
    """Return the text as a terminal breaks it: at the edge, anywhere in a word."""
    cut = (line[start : start + COLUMNS] for line in text.splitlines() for start in range(0, len(line) or 1, COLUMNS))
    return "\n".join(cut)


def _block(page: str, heading: str) -> str:
    part = page[page.index(f"## {heading}\n") :]
    found = re.search(r"```\w*\n(.*?)\n```", part, re.DOTALL)
    assert found, heading
    return found[1]


def _with_block(page: str, heading: str, text: str) -> str:
    start = page.index(f"## {heading}\n") + len(f"## {heading}\n")
    rest = page[start:]
    end = rest.index("\n## ") if "\n## " in rest else len(rest)
    section = re.sub(r"\n*```.*?```\n*", "\n", rest[:end], flags=re.DOTALL).strip("\n")
    language = "json" if heading == "JSON" else "console"
    block = f"\n{section}\n\n" if section else "\n"
    return page[:start] + f"{block}```{language}\n{text.rstrip()}\n```\n" + rest[end:]
