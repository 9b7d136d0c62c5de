"""Custom objects as the API server reads them: created as a dry run, so that no controller of another test ever sees them."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client
from kubernetes.client.exceptions import ApiException
from kubernetes.config import new_client_from_config

from tests.cluster import ControlPlane, wait_for
from tidegate.policy.objects import GROUP, VERSION

Create = Callable[[Any], dict[str, Any]]


@contextlib.contextmanager
def dry_run(cluster: ControlPlane, definition: Path, plural: str) -> Iterator[Create]:
    """Install a CRD as the chart ships it; give a function that asks for an object, stored nowhere, and returns it."""
    cluster.apply_definitions(definition)
    with new_client_from_config(str(cluster.admin_kubeconfig)) as connection:
        api = client.CustomObjectsApi(connection)

        def ask(whole: dict[str, Any]) -> dict[str, Any]:
            body = whole | {"metadata": {"name": whole["metadata"]["name"]}}
            created = api.create_cluster_custom_object(
                GROUP, VERSION, plural, body, dry_run="All", field_validation="Strict"
            )
            assert isinstance(created, dict)
            return created

        def is_served() -> bool:
            with contextlib.suppress(ApiException):
                return bool(api.list_cluster_custom_object(GROUP, VERSION, plural))
            return False

        # What serves custom objects learns of an established CRD by a watch of its own.
        wait_for(is_served, what=f"{plural} to be served")
        yield ask


def refusal(create: Create, whole: dict[str, Any]) -> str:
    """Return the API server's message about an object that it refuses, which is a sentence and not a program's."""
    with pytest.raises(ApiException) as caught:
        create(whole)
    assert caught.value.status in (400, 422), caught.value
    message: str = json.loads(caught.value.body or "")["message"]
    for words in ("no such key", "evaluation", "cost"):
        assert words not in message
    return message
