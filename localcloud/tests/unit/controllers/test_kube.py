# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The client, with a fake server."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from localcloud.controllers.kube import ApiError, Informer, Kube, Unreachable, path_of
from localcloud.kubernetes import pki

Answer = tuple[int, list[dict[str, Any]]]


class Script:
    """The responses of the server: (method, start of the path) → status and JSON documents; and its requests."""

    def __init__(self) -> None:
        self.answers: dict[tuple[str, str], list[Answer]] = {}
        self.asked: list[tuple[str, str, dict[str, Any] | None, str]] = []

    def next(self, method: str, path: str) -> Answer:
        for (wanted, start), answers in self.answers.items():
            if wanted == method and path.startswith(start):
                return answers.pop(0) if len(answers) > 1 else answers[0]
        return 404, [{"reason": "NotFound", "message": "not found"}]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> pki.Authority:
    return pki.Authority(tmp_path_factory.mktemp("pki"))


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
def kube(script: Script, certificates: pki.Authority, tmp_path: Path) -> Iterator[Kube]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            script.asked.append((self.command, self.path, body, self.headers.get("Content-Type", "")))
            status, documents = script.next(self.command, self.path)
            self.send_response(status)
            self.end_headers()
            self.wfile.write("\n".join(json.dumps(document) for document in documents).encode() + b"\n")

        do_GET = do_POST = do_PATCH = do_DELETE = _answer  # noqa: N815

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    client = Kube(_kubeconfig(tmp_path, certificates, server.server_address[1]))
    yield client
    client.close()
    server.shutdown()
    server.server_close()


def _kubeconfig(directory: Path, authority: pki.Authority, port: int) -> Path:
    pair = authority.client("admin", "admin")
    config = {
        "clusters": [
            {
                "name": "c",
                "cluster": {"server": f"http://127.0.0.1:{port}", "certificate-authority": str(authority.cert_file)},
            }
        ],
        "users": [{"name": "u", "user": {"client-certificate": str(pair.cert), "client-key": str(pair.key)}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    path = directory / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    return path


@pytest.mark.parametrize(
    ("kind", "name", "namespace", "path"),
    [
        ("Node", "", "", "api/v1/nodes"),
        ("Node", "n1", "", "api/v1/nodes/n1"),
        ("Deployment", "web", "default", "apis/apps/v1/namespaces/default/deployments/web"),
        ("Pod", "", "", "api/v1/pods"),
    ],
)
def test_paths(kind: str, name: str, namespace: str, path: str) -> None:
    assert path_of(kind, name, namespace) == path


def test_errors_contain_the_servers_message(kube: Kube, script: Script) -> None:
    script.answers["POST", "/api/v1/nodes"] = [(409, [{"reason": "AlreadyExists", "message": "there already"}])]
    with pytest.raises(ApiError, match="there already") as refused:
        kube.create("Node", {"metadata": {"name": "n1"}})
    assert (refused.value.status, refused.value.reason) == (409, "AlreadyExists")


def test_server_that_is_down_is_unreachable(certificates: pki.Authority, tmp_path: Path) -> None:
    with pytest.raises(Unreachable):
        Kube(_kubeconfig(tmp_path, certificates, 1)).list("Node")


def test_what_is_not_there_is_none(kube: Kube) -> None:
    assert kube.get("Node", "n1") is None
    assert kube.delete("Node", "n1") is False


@pytest.mark.parametrize(("status", "allowed"), [(201, True), (429, False), (404, True)])
def test_eviction(kube: Kube, script: Script, status: int, allowed: bool) -> None:
    script.answers["POST", "/api/v1/namespaces/default/pods/p/eviction"] = [(status, [{}])]
    assert kube.evict("p", "default") is allowed


def test_apply_is_server_side_and_forced(kube: Kube, script: Script) -> None:
    script.answers["PATCH", "/apis/apps/v1/namespaces/default/deployments/web"] = [(200, [{}])]
    kube.apply({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "default"}})
    (_, path, body, content_type) = script.asked[0]
    assert "force=true" in path and "fieldManager=eks" in path
    assert content_type == "application/apply-patch+yaml"
    assert body is not None and body["kind"] == "Deployment"


def _node(name: str, version: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "resourceVersion": version, "managedFields": [{}]}}


def test_informer_follows_and_starts_over_when_its_version_is_too_old(kube: Kube, script: Script) -> None:
    first = {"metadata": {"resourceVersion": "5"}, "items": [_node("a", "1"), _node("gone", "2")]}
    again = {"metadata": {"resourceVersion": "9"}, "items": [_node("b", "8")]}
    expired = {"type": "ERROR", "object": {"code": 410, "reason": "Expired", "message": "too old"}}
    events = [
        {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "6"}}},
        {"type": "DELETED", "object": _node("gone", "7")},
        {"type": "ADDED", "object": _node("c", "8")},
    ]
    script.answers["GET", "/api/v1/nodes?watch=1"] = [(200, events), (200, [expired]), (200, [])]
    script.answers["GET", "/api/v1/nodes"] = [(200, [first]), (200, [again])]
    seen: list[set[str]] = []
    done = threading.Event()
    log = logging.getLogger("test")

    def changed() -> None:
        seen.append({node["metadata"]["name"] for node in informer.all()})
        if seen[-1] == {"b"}:
            done.set()

    informer = Informer(kube, "Node", changed, log)
    informer.start()
    assert done.wait(30), seen
    informer.stop()
    assert seen[:3] == [{"a", "gone"}, {"a"}, {"a", "c"}]
    node = informer.get("b")
    assert node is not None
    assert node["kind"] == "Node"
    assert "managedFields" not in node["metadata"]


def test_informer_keeps_a_newer_object_from_the_watch_after_a_write(kube: Kube, script: Script) -> None:
    """The case of a Kubernetes controller whose update arrives before the response to the client's write."""
    told = {**_node("a", "7"), "status": {"ready": True}}
    script.answers["GET", "/api/v1/nodes?watch=1"] = [(200, [{"type": "MODIFIED", "object": told}]), (200, [])]
    script.answers["GET", "/api/v1/nodes"] = [(200, [{"metadata": {"resourceVersion": "5"}, "items": []}])]
    done = threading.Event()
    informer = Informer(kube, "Node", lambda: done.set() if informer.get("a") else None, logging.getLogger("test"))
    informer.start()
    assert done.wait(30)
    informer.stop()
    for version, kept in (("6", "7"), ("7", "7"), ("8", "8")):
        informer.remember(_node("a", version))
        node = informer.get("a")
        assert node is not None
        assert node["metadata"]["resourceVersion"] == kept
