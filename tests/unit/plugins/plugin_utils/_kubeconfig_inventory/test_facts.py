# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._kubeconfig_inventory import facts

OPENSHIFT = ("apps", "route.openshift.io", "security.openshift.io")


def infrastructure(*tags: tuple[str, str]) -> dict[str, Any]:
    aws = {"region": "eu-central-1", "resourceTags": [{"key": key, "value": value} for key, value in tags]}
    return {"status": {"infrastructureName": "x-7", "platformStatus": {"type": "AWS", "aws": aws}}}


@pytest.mark.parametrize(
    ("version", "groups", "found", "server", "platform"),
    [
        (
            "v1.33.5",
            OPENSHIFT,
            infrastructure(("red-hat-clustertype", "rosa"), ("red-hat-managed", "true")),
            "",
            "rosa",
        ),
        ("v1.33.5", OPENSHIFT, infrastructure(("red-hat-clustertype", "osd")), "", "openshift"),
        ("v1.33.5", OPENSHIFT, infrastructure(), "", "openshift"),
        # MicroShift has no ClusterVersion and no Infrastructure; the user may not read it elsewhere.
        ("v1.33.5", OPENSHIFT, {}, "", "openshift"),
        ("v1.33.5", ("route.openshift.io",), {}, "", "other"),
        ("v1.33.5-eks-ba24e9c", ("apps",), {}, "https://kubernetes.internal", "eks"),
        ("v1.33.5", ("apps",), {}, "https://AB12.gr7.eu-central-1.eks.amazonaws.com", "eks"),
        ("v1.33.5", ("apps",), {}, "https://AB12.sk1.cn-north-1.eks.amazonaws.com.cn", "eks"),
        ("v1.33.5", ("apps",), {}, "https://eks.amazonaws.com.example.org", "other"),
        ("v1.33.5+k3s1", ("apps",), {}, "https://127.0.0.1:6443", "other"),
        ("v1.33.5-gke.1", ("apps",), {}, "https://10.0.0.1", "other"),
    ],
)
def test_the_platform(version: str, groups: tuple[str, ...], found: dict[str, Any], server: str, platform: str) -> None:
    assert facts.platform({"gitVersion": version}, groups, found, server) == platform


@pytest.mark.parametrize(("major", "minor", "version"), [("1", "33", "1.33"), ("1", "33+", "1.33"), (None, None, "")])
def test_the_version(major: str | None, minor: str | None, version: str) -> None:
    assert facts.minor({"major": major, "minor": minor}) == version


def test_missing_facts_of_openshift_are_empty() -> None:
    assert set(facts.openshift({}, {}, {}).values()) == {""}
    # A cluster that is being installed has completed nothing.
    installing = {"status": {"history": [{"state": "Partial", "version": "4.20.1"}]}, "spec": {}}
    found = facts.openshift(installing, infrastructure(), {"spec": {"domain": "apps.x"}})
    assert found["openshift_version"] == ""
    assert (found["region"], found["ingress_domain"], found["infrastructure_name"]) == ("eu-central-1", "apps.x", "x-7")
