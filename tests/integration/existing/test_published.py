# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The roles' objects for OpenShift conform to OpenShift's published schemas, on a real API server."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply import connection
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.client import Client
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.errors import ApiError
from ansible_collections.dataplatform.fleet.tests.unit.roles.rendering import render_role

from localcloud.kubernetes.control_plane import ControlPlane
from localcloud.testing import eventually

pytestmark = pytest.mark.integration
# The newest version that the public proxy of Go modules was found to have.
MODULE = "github.com/openshift/api@v0.0.0-20240524162738-d899f8877d22"
PUBLISHED = (
    "payload-manifests/crds/0000_03_config-operator_01_securitycontextconstraints.crd.yaml",
    "route/v1/zz_generated.crd-manifests/routes-Default.crd.yaml",
)
PLACES = {
    "SecurityContextConstraints": "/apis/security.openshift.io/v1/securitycontextconstraints",
    "Route": "/apis/route.openshift.io/v1/namespaces/default/routes",
}
ROUTE = {"prometheus_route_host": "prometheus.example.com", "prometheus_route_allowed_cidrs": ["192.0.2.0/24"]}
OPTIONS: dict[str, dict[str, Any]] = {"node_exporter": {}, "fluent_bit": {}, "prometheus": ROUTE}


def published() -> list[dict[str, Any]]:
    """The CustomResourceDefinitions, by way of Go's cache of modules, which verifies them."""
    if not shutil.which("go"):
        pytest.skip("the schemas that OpenShift publishes need Go")
    command = ["go", "mod", "download", "-json", MODULE]
    run = subprocess.run(command, capture_output=True, text=True, cwd="/", check=False)
    if run.returncode:
        pytest.skip(f"{MODULE} is not available: {run.stdout} {run.stderr}")
    folder = Path(json.loads(run.stdout)["Dir"])
    return [yaml.safe_load((folder / name).read_text()) for name in PUBLISHED]


def test_objects_keep_to_the_published_schemas(own_api_server: ControlPlane) -> None:
    with Client(connection.server_for({"kubeconfig": str(own_api_server.kubeconfig)})) as client:
        for crd in published():
            client.request("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", body=crd)
        for path in PLACES.values():
            eventually(lambda path=path: client.get(path), retry_on=ApiError)
        found = [
            each
            for role, options in OPTIONS.items()
            for each in render_role(role, **{f"{role}_openshift": True, **options})
            if each["kind"] in PLACES
        ]
        assert len(found) == len(OPTIONS)
        strict = {"dryRun": "All", "fieldValidation": "Strict"}
        for each in found:
            metadata = {key: value for key, value in each["metadata"].items() if key != "namespace"}
            body, path = {**each, "metadata": metadata}, PLACES[each["kind"]]
            assert client.request("POST", path, strict, body=body).status == 201
            # So that it is the schema that was asked.
            with pytest.raises(ApiError, match="unknown field"):
                client.request("POST", path, strict, body={**body, "unknown": True})
