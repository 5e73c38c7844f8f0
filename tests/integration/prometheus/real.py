# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real programs with a role's rendered configuration, in which only paths, ports and addresses are replaced."""

from __future__ import annotations

import contextlib
import json
import os
import ssl
import subprocess
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.dataplatform.fleet.tests.integration.certificates import Issuer
from ansible_collections.dataplatform.fleet.tests.unit.roles.rendering import Objects

from localcloud.kubernetes.control_plane import ControlPlane

PLURALS = {
    "ClusterRole": "clusterroles",
    "ClusterRoleBinding": "clusterrolebindings",
    "EndpointSlice": "endpointslices",
    "Namespace": "namespaces",
    "Node": "nodes",
    "Pod": "pods",
    "ServiceAccount": "serviceaccounts",
}


@contextlib.contextmanager
def running(
    command: Sequence[str | Path], folder: Path, name: str, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program until the end of the block; its output is in ``<name>.log``."""
    with (folder / f"{name}.log").open("ab") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, cwd=folder, env={**os.environ, **(environment or {})}
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Authority:
    """A fleet's authority with a member's issuer, and certificates like those of the role pki."""

    def __init__(self, folder: Path) -> None:
        self.root = Issuer("fleet")
        self._issuer = Issuer("staging", by=self.root)
        self.file = folder / "ca.crt"
        self.file.write_text(self.root.pem)

    def issue(self, folder: Path, name: str) -> tuple[Path, Path]:
        """Write a certificate with the names that every one of the platform's has, and its key."""
        folder.mkdir(parents=True, exist_ok=True)
        certificate, key = folder / "tls.crt", folder / "tls.key"
        public, private = self._issuer.issue(name, [name, "platform-metrics", "localhost"])
        certificate.write_text(public)
        key.write_text(private)
        return certificate, key

    def read(self, port: int, path: str = "/metrics") -> str:
        """Read a page like Prometheus: verified with the root, by common name."""
        context = ssl.create_default_context(cafile=str(self.file))
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )
        with opener.open(f"https://localhost:{port}{path}", timeout=10) as answer:
            return bytes(answer.read()).decode()


class Cluster:
    """An API server with a role's service account and permissions."""

    def __init__(self, plane: ControlPlane) -> None:
        self.plane = plane

    def apply(self, item: dict[str, Any]) -> None:
        group = item["apiVersion"]
        root = f"/apis/{group}" if "/" in group else f"/api/{group}"
        namespace = item["metadata"].get("namespace")
        path = f"{root}/namespaces/{namespace}" if namespace else root
        path = f"{path}/{PLURALS[item['kind']]}/{item['metadata']['name']}"
        for part in ("", "/status") if "status" in item else ("",):
            status, answer = self.plane.request(
                "PATCH",
                f"{path}{part}?fieldManager=test&force=true",
                json.dumps(item).encode(),
                "application/apply-patch+yaml",
            )
            assert status < 300, answer.decode()

    def account(self, objects: Objects, folder: Path) -> tuple[Path, Path]:
        """Create the role's service account with its permissions; return a file with its token, and a kubeconfig."""
        (account,) = (item for item in objects if item["kind"] == "ServiceAccount")
        metadata = account["metadata"]
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": metadata["namespace"]}})
        for kind in ("ServiceAccount", "ClusterRole", "ClusterRoleBinding"):
            for item in objects:
                if item["kind"] == kind:
                    self.apply(item)
        status, answer = self.plane.request(
            "POST",
            f"/api/v1/namespaces/{metadata['namespace']}/serviceaccounts/{metadata['name']}/token",
            b'{"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}',
        )
        assert status < 300, answer.decode()
        token = folder / "token"
        token.write_text(json.loads(answer)["status"]["token"])
        server = {"server": self.plane.endpoint, "certificate-authority": str(self.plane.ca_file)}
        kubeconfig = folder / "account.kubeconfig"
        kubeconfig.write_text(
            json.dumps(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "clusters": [{"name": "c", "cluster": server}],
                    "users": [{"name": "u", "user": {"tokenFile": str(token)}}],
                    "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
                    "current-context": "x",
                }
            )
        )
        return token, kubeconfig
