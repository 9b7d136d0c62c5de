"""ConfigMaps with the content of trust stores, read one by one: there is no right to list or watch them.

That a ConfigMap is not there is an answer. That the API server did not say is none.
"""

from typing import Final

from tidegate.cluster.api import NOT_FOUND, ApiError, KubernetesApi
from tidegate.errors import PolicyError
from tidegate.policy.trust_store_object import ConfigMapSource
from tidegate.trust.config_map import config_map_content
from tidegate.trust.store_content import Content

FORBIDDEN: Final = 403


class ConfigMaps:
    """Reads ConfigMaps by name. ``namespace`` is the controller's own, None outside of a cluster."""

    def __init__(self, api: KubernetesApi, namespace: str | None) -> None:
        self._api = api
        self._namespace = namespace

    async def read(self, source: ConfigMapSource) -> Content:
        """Return the content; raise PolicyError where there is none, and ApiError where the API server does not say."""
        namespace = source.namespace or self._namespace
        if namespace is None:
            raise PolicyError(
                ("spec.configMap.namespace: got nothing, and tidegate runs outside of a cluster; set the namespace",)
            )
        try:
            found = await self._api.get(f"/api/v1/namespaces/{namespace}/configmaps/{source.name}")
        except ApiError as error:
            if error.status == NOT_FOUND:
                raise PolicyError((f"ConfigMap {namespace}/{source.name} does not exist",)) from error
            if error.status == FORBIDDEN:
                do = f"add {namespace} to the chart's value trustStores.configMapNamespaces"
                raise PolicyError((f"tidegate may not read ConfigMap {namespace}/{source.name}: {do}",)) from error
            raise
        return config_map_content(found, source, f"ConfigMap {namespace}/{source.name}")
