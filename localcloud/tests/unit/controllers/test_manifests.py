# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The objects of add-ons."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcloud.controllers import manifests
from localcloud.controllers.manifests import Place
from localcloud.controllers.quantities import bytes_of, millis_of, parse

PLACE = Place("eu-central-1", "10.100.0.10")


def _objects(name: str, values: str = "", version: str = "v1.2.3-eksbuild.4") -> dict[tuple[str, str], dict]:
    objects = manifests.addon_objects(name, version, values, PLACE)
    return {(obj["kind"], obj["metadata"]["name"]): obj for obj in objects}


def test_coredns_is_what_eks_installs() -> None:
    objects = _objects("coredns")
    deployment = objects["Deployment", "coredns"]
    assert deployment["spec"]["replicas"] == 2
    image = deployment["spec"]["template"]["spec"]["containers"][0]["image"]
    assert image == "602401143452.dkr.ecr.eu-central-1.amazonaws.com/eks/coredns:v1.2.3-eksbuild.4"
    assert objects["Service", "kube-dns"]["spec"]["clusterIP"] == "10.100.0.10"
    assert objects["PodDisruptionBudget", "coredns"]["spec"]["maxUnavailable"] == 1


@pytest.mark.parametrize(
    ("name", "workloads"),
    [
        ("vpc-cni", [("DaemonSet", "aws-node")]),
        ("kube-proxy", [("DaemonSet", "kube-proxy")]),
        ("eks-pod-identity-agent", [("DaemonSet", "eks-pod-identity-agent")]),
        ("aws-ebs-csi-driver", [("Deployment", "ebs-csi-controller"), ("DaemonSet", "ebs-csi-node")]),
        ("metrics-server", [("Deployment", "metrics-server")]),
    ],
)
def test_workloads(name: str, workloads: list[tuple[str, str]]) -> None:
    assert set(workloads) <= _objects(name).keys()


@pytest.mark.parametrize("name", manifests.known_addons())
def test_every_object_is_marked_and_selectors_match_their_pods(name: str) -> None:
    objects = _objects(name)
    assert objects
    for (kind, _), obj in objects.items():
        assert obj["metadata"]["labels"][manifests.ADDON_LABEL] == name
        if kind in ("Deployment", "DaemonSet"):
            selector = obj["spec"]["selector"]["matchLabels"]
            assert selector.items() <= obj["spec"]["template"]["metadata"]["labels"].items()
            account = obj["spec"]["template"]["spec"]["serviceAccountName"]
            assert ("ServiceAccount", account) in objects
            for container in obj["spec"]["template"]["spec"]["containers"]:
                assert all(container["resources"].get("requests", {}).values())


def test_configuration_values_reach_the_objects() -> None:
    replicas = _objects("coredns", json.dumps({"replicaCount": 3}))["Deployment", "coredns"]["spec"]["replicas"]
    assert replicas == 3
    policy = _objects("vpc-cni", 'enableNetworkPolicy: "true"')["DaemonSet", "aws-node"]
    assert policy["spec"]["template"]["spec"]["containers"][1]["args"] == ["--enable-network-policy=true"]
    env = _objects("vpc-cni", json.dumps({"env": {"ENABLE_PREFIX_DELEGATION": "true"}}))["DaemonSet", "aws-node"]
    container = env["spec"]["template"]["spec"]["containers"][0]
    assert container["env"] == [{"name": "ENABLE_PREFIX_DELEGATION", "value": "true"}]
    assert ("StorageClass", "ebs-csi-default-sc") in _objects(
        "aws-ebs-csi-driver", json.dumps({"defaultStorageClass": {"enabled": True}})
    )


def test_metrics_server_has_no_api_service() -> None:
    assert not [kind for kind, _ in _objects("metrics-server") if kind == "APIService"]


def test_addons_that_are_not_emulated_have_no_objects() -> None:
    assert manifests.addon_objects("something-else", "v1", "", PLACE) == []


@pytest.mark.parametrize(("cidr", "expected"), [("10.100.0.0/16", "10.100.0.10"), ("172.20.0.0/16", "172.20.0.10")])
def test_dns_address(cidr: str, expected: str) -> None:
    assert manifests.dns_ip(cidr) == expected


@pytest.mark.parametrize(
    ("quantity", "number"),
    [("1", 1), ("1Ki", 1024), ("1.5Gi", 1610612736), ("2e3", 2000), ("2E", 2 * 10**18), ("0.5", 1), ("1k", 1000)],
)
def test_bytes(quantity: str, number: int) -> None:
    assert bytes_of(quantity) == number


@pytest.mark.parametrize(("quantity", "number"), [("100m", 100), ("1", 1000), ("0.25", 250), ("1.5", 1500)])
def test_millis(quantity: str, number: int) -> None:
    assert millis_of(quantity) == number


@pytest.mark.parametrize("quantity", ["", "Gi", "1GiB", "-1"])
def test_what_is_no_quantity(quantity: str) -> None:
    with pytest.raises(ValueError, match="is not a quantity"):
        parse(quantity)


@given(st.integers(min_value=0, max_value=1 << 50), st.sampled_from(["", "Ki", "Mi", "Gi", "k", "M"]))
def test_quantities_grow_with_their_number(number: int, unit: str) -> None:
    assert parse(f"{number + 1}{unit}") > parse(f"{number}{unit}")
