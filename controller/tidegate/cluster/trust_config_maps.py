"""Reads the ConfigMaps that trust stores name, one by one: tidegate has no permission to list or watch ConfigMaps."""

from typing import Final

from tidegate.cluster.api import NOT_FOUND, ApiError, KubernetesApi
from tidegate.errors import PolicyError
from tidegate.policy.trust_store_object import ConfigMapSource
from tidegate.trust.store_content import Content, config_map_content

FORBIDDEN: Final = 403


async def read_config_map(api: KubernetesApi, source: ConfigMapSource, own_namespace: str | None) -> Content:
    """Return the content of a ConfigMap in the source's namespace, else in the controller's own.

    Raise PolicyError if it does not exist, may not be read or is invalid, and ApiError if the API server gives no answer.
    """
    namespace = source.namespace or own_namespace
    if namespace is None:
        raise PolicyError(
            ("spec.configMap.namespace: got nothing, and tidegate runs outside of a cluster; set the namespace",)
        )
    name = f"ConfigMap {namespace}/{source.name}"
    try:
        found = await api.get(f"/api/v1/namespaces/{namespace}/configmaps/{source.name}")
    except ApiError as error:
        if error.status == NOT_FOUND:
            raise PolicyError((f"{name} does not exist",)) from error
        if error.status == FORBIDDEN:
            fix = f"add {namespace} to the chart's value trustStores.configMapNamespaces"
            raise PolicyError((f"tidegate may not read {name}: {fix}",)) from error
        raise
    return config_map_content(found, source, name)
