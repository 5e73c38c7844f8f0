# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The scripts that prepare a node and check its readiness, run by bash with fakes of Elasticsearch.

The keystore's tool is a fake that writes down what it is given; Elasticsearch's API is the reconciler's elasticsearch.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from ansible_collections.dataplatform.fleet.tests.integration.elasticsearch.client import Sent
from ansible_collections.dataplatform.fleet.tests.integration.elasticsearch.fake_elasticsearch import (
    FakeElasticsearch,
    running,
)

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl"),
]

FILES = Path(__file__).parents[3] / "roles" / "elasticsearch" / "files"
SETTINGS = "cluster.name: ours\n"
PASSWORD = 'a "quoted" \\ pässword'
KEYSTORE = """#!/bin/bash
echo "$@" >> "$ES_PATH_CONF/calls"
if [[ $1 == add ]]; then cat > "$ES_PATH_CONF/elasticsearch.keystore"; fi
"""
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def prepare(tmp_path: Path) -> Run:
    for name in ("image", "target", "platform", "secrets", "data", "bin"):
        (tmp_path / name).mkdir()
    (tmp_path / "image" / "jvm.options").write_text("-Xlog:gc\n")
    (tmp_path / "image" / "elasticsearch.yml").write_text("cluster.name: docker-cluster\n")
    (tmp_path / "platform" / "elasticsearch.yml").write_text(SETTINGS)
    (tmp_path / "platform" / "platform.options").write_text("-Xms1g\n")
    (tmp_path / "secrets" / "elastic-password").write_text(PASSWORD)
    (tmp_path / "bin" / "elasticsearch-keystore").write_text(KEYSTORE)
    (tmp_path / "bin" / "elasticsearch-keystore").chmod(0o755)

    def run(pod: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", str(FILES / "prepare.sh")],
            env={
                "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
                "SOURCE": str(tmp_path / "image"),
                "TARGET": str(tmp_path / "target"),
                "PLATFORM": str(tmp_path / "platform"),
                "SECRETS": str(tmp_path / "secrets"),
                "DATA": str(tmp_path / "data"),
                "VOTERS": "elasticsearch-0,elasticsearch-1,elasticsearch-2",
                "TOKEN": "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount/eks-pod-identity-token",
                "POD_NAME": pod,
                **more,
            },
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )

    return run


def settings(tmp_path: Path) -> dict[str, object]:
    found: dict[str, object] = yaml.safe_load((tmp_path / "target" / "elasticsearch.yml").read_text())
    return found


def test_prepares_the_settings(prepare: Run, tmp_path: Path) -> None:
    prepare("elasticsearch-0")
    prepare("elasticsearch-0")  # a container of the same pod that starts again
    target = tmp_path / "target"
    assert settings(tmp_path)["cluster.name"] == "ours"
    assert (target / "jvm.options").read_text() == "-Xlog:gc\n"
    assert (target / "jvm.options.d" / "platform.options").read_text() == "-Xms1g\n"
    link = target / "repository-s3" / "aws-web-identity-token-file"
    assert str(link.readlink()).endswith("/eks-pod-identity-token")


@pytest.mark.parametrize(
    ("zone", "kept"),
    [
        ({"ZONE": "eu-central-1a"}, "eu-central-1a"),
        # A label that is not there, as before Kubernetes 1.35, is an empty variable. All nodes need the attribute.
        ({"ZONE": ""}, "unknown"),
        ({}, "unknown"),
    ],
)
def test_every_node_is_in_a_zone(prepare: Run, tmp_path: Path, zone: dict[str, str], kept: str) -> None:
    prepare("elasticsearch-0", **zone)
    assert settings(tmp_path)["node.attr.zone"] == kept


def test_a_zone_of_the_sites_own_settings_stays(prepare: Run, tmp_path: Path) -> None:
    (tmp_path / "platform" / "elasticsearch.yml").write_text("node.attr.zone: ${RACK}\n")
    prepare("elasticsearch-0", ZONE="eu-central-1a")
    assert (tmp_path / "target" / "elasticsearch.yml").read_text().count("node.attr.zone") == 1
    assert settings(tmp_path)["node.attr.zone"] == "${RACK}"


def test_the_password_is_on_no_command_line(prepare: Run, tmp_path: Path) -> None:
    done = prepare("elasticsearch-0")
    assert (tmp_path / "target" / "elasticsearch.keystore").read_text() == PASSWORD
    calls = (tmp_path / "target" / "calls").read_text()
    assert calls.splitlines() == ["create", "add --stdin bootstrap.password"]
    assert PASSWORD not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("pod", "joined", "told"),
    [("elasticsearch-0", False, True), ("elasticsearch-0", True, False), ("elasticsearch-3", False, False)],
)
def test_only_the_first_nodes_without_data_may_form_a_cluster(
    prepare: Run, tmp_path: Path, pod: str, joined: bool, told: bool
) -> None:
    if joined:
        (tmp_path / "data" / "joined").touch()
    prepare(pod)
    voters = settings(tmp_path).get("cluster.initial_master_nodes")
    assert voters == (["elasticsearch-0", "elasticsearch-1", "elasticsearch-2"] if told else None)


@pytest.fixture
def elasticsearch(tmp_path: Path, sent: list[Sent]) -> Iterator[FakeElasticsearch]:
    with running(tmp_path) as (state, ca):
        state.passwords["elastic"] = PASSWORD
        (tmp_path / "target" / "certs").mkdir(parents=True, exist_ok=True)
        shutil.copy(ca, tmp_path / "target" / "certs" / "ca.crt")
        yield state
    sent.extend(map(Sent.of, state.requests))


@pytest.fixture
def ready(tmp_path: Path, prepare: Run, elasticsearch: FakeElasticsearch) -> Iterator[Callable[..., bool]]:
    """Run the probe; with an open ``port``, the node is part of a cluster."""
    prepare("elasticsearch-0")
    (tmp_path / "run").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as door:

        def ask(*, port: bool = True, patience: int = 600) -> bool:
            done = subprocess.run(
                ["bash", str(FILES / "ready.sh")],
                env={
                    "PATH": os.environ["PATH"],
                    "CONFIG": str(tmp_path / "target"),
                    "DATA": str(tmp_path / "data"),
                    "RUN": str(tmp_path / "run"),
                    "NODES": "3",
                    "READINESS_PORT": str(door.getsockname()[1]) if port else "1",
                    "HTTP_PORT": elasticsearch.url.rpartition(":")[2],
                    "PATIENCE": str(patience),
                },
                capture_output=True,
                text=True,
                check=False,
                timeout=30,
            )
            assert (done.stdout, done.stderr) == ("", "")
            return done.returncode == 0

        yield ask


def test_a_node_without_a_cluster_is_not_ready(ready: Callable[..., bool], tmp_path: Path) -> None:
    assert not ready(port=False)
    assert not (tmp_path / "data" / "joined").exists()


def test_it_waits_for_the_copies_once(
    ready: Callable[..., bool], elasticsearch: FakeElasticsearch, tmp_path: Path
) -> None:
    elasticsearch.not_ready = 1
    assert not ready()
    assert (tmp_path / "data" / "joined").exists()
    assert ready()
    elasticsearch.not_ready = 100
    assert ready()
    assert not ready(port=False)


def test_it_does_not_wait_forever(ready: Callable[..., bool], elasticsearch: FakeElasticsearch) -> None:
    elasticsearch.not_ready = 100
    assert not ready()
    assert ready(patience=-1)
