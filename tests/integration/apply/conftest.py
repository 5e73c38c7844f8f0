# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real API server, and the applier."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply import connection, render
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.applier import Applier, Result, Settings
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.client import Client
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.errors import ApiError

from localcloud.host.files import home
from localcloud.kubernetes.control_plane import ControlPlane


@pytest.fixture(autouse=True, scope="module")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Discovery and schemas have a separate cache; programs remain in the shared cache."""
    programs, folder = home(), tmp_path_factory.mktemp("cache")
    programs.mkdir(parents=True, exist_ok=True)
    (folder / programs.name).symlink_to(programs)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield


class Cluster:
    """One API server, with helpers."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def applier(self, name: str, namespace: str, **settings: Any) -> Applier:
        return Applier(self.client, Settings(name, namespace, **{"wait": False, **settings}))

    def apply(self, name: str, namespace: str, objects: list[dict[str, Any]] | str, **settings: Any) -> Result:
        before = self.client.requests
        result = self.applier(name, namespace, **settings).present(render.from_definition(objects))
        result.requests -= before
        return result

    def absent(self, name: str, namespace: str, **settings: Any) -> Result:
        return self.applier(name, namespace, **settings).absent()

    def get(self, path: str) -> dict[str, Any] | None:
        try:
            return self.client.get(path)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def send(
        self, method: str, path: str, body: Any = None, manager: str = "kubectl-edit", **query: str
    ) -> dict[str, Any]:
        """Send a request of another client."""
        content = {"PATCH": "application/merge-patch+json"}.get(method, "application/json")
        query = {"fieldManager": manager, **query}
        return self.client.request(method, path, query, body=body, content_type=content).json()


@pytest.fixture(scope="session")
def cluster(api_server: ControlPlane) -> Iterator[Cluster]:
    with Client(connection.server_for({"kubeconfig": str(api_server.kubeconfig)})) as client:
        yield Cluster(client)


@pytest.fixture
def namespace(cluster: Cluster) -> str:
    name = f"t-{uuid.uuid4().hex[:8]}"
    cluster.send("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    return name


Actions = Callable[[Result], dict[str, str]]


@pytest.fixture
def actions() -> Actions:
    """The actions of a result by kind/name, without the set's parent."""

    def read(result: Result) -> dict[str, str]:
        return {f"{a.key.kind}/{a.key.name}": a.action for a in result.actions if not a.key.name.endswith("-applyset")}

    return read
