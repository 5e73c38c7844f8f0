# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Adds the OpenShift APIs that the collection uses to an API server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.client import Client
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.errors import ApiError

from localcloud.testing import eventually

CRDS = Path(__file__).with_name("crds.yaml")
CONFIG = "/apis/config.openshift.io/v1"
OBJECTS: dict[str, dict[str, Any]] = {
    "clusterversions": {
        "kind": "ClusterVersion",
        "metadata": {"name": "version"},
        "spec": {"channel": "stable-4.20", "clusterID": "0f1e2d3c"},
        # It is being updated: the version that it has is the last completed one.
        "status": {
            "desired": {"version": "4.20.3"},
            "history": [
                {"state": "Partial", "version": "4.20.3"},
                {"state": "Completed", "version": "4.20.1"},
                {"state": "Completed", "version": "4.19.9"},
            ],
        },
    },
    "infrastructures": {
        "kind": "Infrastructure",
        "metadata": {"name": "cluster"},
        "status": {"infrastructureName": "onprem-x7k2p", "platformStatus": {"type": "BareMetal"}},
    },
    "ingresses": {"kind": "Ingress", "metadata": {"name": "cluster"}, "spec": {"domain": "apps.onprem.example.com"}},
}


def install(client: Client) -> None:
    """Add the APIs of OpenShift and its version objects."""
    for crd in yaml.safe_load(CRDS.read_text()):
        client.request("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", body=crd)
    for plural, body in OBJECTS.items():
        eventually(
            lambda plural=plural, body=body: client.request(
                "POST", f"{CONFIG}/{plural}", body={"apiVersion": "config.openshift.io/v1", **body}
            ),
            retry_on=ApiError,
        )
    for path in ("/apis/security.openshift.io/v1/securitycontextconstraints", "/apis/route.openshift.io/v1/routes"):
        eventually(lambda path=path: client.get(path), retry_on=ApiError)
