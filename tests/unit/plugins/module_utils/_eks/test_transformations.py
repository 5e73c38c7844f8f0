# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from datetime import UTC, datetime

import pytest
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.errors import AwsError
from ansible_collections.dataplatform.fleet.plugins.module_utils._eks import transformations as t
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("snake", "camel"),
    [
        ("version", "version"),
        ("kube_api_server_config", "kubeApiServerConfig"),
        ("terminated_pod_gc_threshold", "terminatedPodGcThreshold"),
        ("max_unhealthy_node_threshold_count", "maxUnhealthyNodeThresholdCount"),
        ("ec2_ssh_key", "ec2SshKey"),
        ("min_repair_wait_time_mins", "minRepairWaitTimeMins"),
    ],
)
def test_names_survive_a_round_trip(snake: str, camel: str) -> None:
    assert t.camel(snake) == camel
    assert t.snake(camel) == snake


def test_nested_options_survive_a_round_trip() -> None:
    options = {"a_b": {"c_d": 1, "left_out": None}, "e_f": [{"g_h": 2, "left_out": None}], "i": False}
    state = t.flatten("x", options)
    assert state == {"x.a_b.c_d": 1, "x.e_f": [{"g_h": 2}], "x.i": False}
    document = t.unflatten(state, "x")
    assert document == {"aB": {"cD": 1}, "eF": [{"gH": 2}], "i": False}
    assert t.flatten("x", document) == state


@pytest.mark.parametrize(
    ("effect", "expected"),
    [
        ("NoSchedule", "NO_SCHEDULE"),
        ("NO_SCHEDULE", "NO_SCHEDULE"),
        ("PreferNoSchedule", "PREFER_NO_SCHEDULE"),
        ("noexecute", "NO_EXECUTE"),
    ],
)
def test_effects(effect: str, expected: str) -> None:
    assert t.taints([{"key": "a", "effect": effect}]) == [{"key": "a", "value": "", "effect": expected}]


@given(st.permutations(["NoSchedule", "NO_EXECUTE", "PreferNoSchedule"]))
def test_the_order_of_taints_does_not_matter(effects: list[str]) -> None:
    given_so = t.taints([{"key": "a", "effect": effect} for effect in effects])
    assert [taint["effect"] for taint in given_so] == ["NO_EXECUTE", "NO_SCHEDULE", "PREFER_NO_SCHEDULE"]


@pytest.mark.parametrize(
    ("text", "data"),
    [
        (None, {}),
        ("", {}),
        ("  \n", {}),
        ("{}", {}),
        ('{"a": 1}', {"a": 1}),
        ("a: 1", {"a": 1}),
        ("# nothing", {}),
        ("{unreadable", "{unreadable"),
    ],
)
def test_configuration(text: str | None, data: object) -> None:
    assert t.configuration(text) == data


def test_versions_are_sorted_by_their_numbers() -> None:
    versions = ["v1.20.0-eksbuild.9", "v1.9.0-eksbuild.11", "v1.20.0-eksbuild.10", "v1.20.1-eksbuild.1"]
    assert sorted(versions, key=t.version_key) == [versions[1], versions[0], versions[2], versions[3]]


def test_networks() -> None:
    assert t.networks(["10.0.0.1", "10.0.0.1/32", "2001:db8::/32"], "x") == ["10.0.0.1/32", "2001:db8::/32"]
    with pytest.raises(AwsError, match="x: 'here' is not a CIDR block"):
        t.networks(["here"], "x")


def test_results_keep_what_is_the_users_own() -> None:
    document = {
        "createdAt": datetime(2026, 1, 2, tzinfo=UTC),
        "resourcesVpcConfig": {"subnetIds": ["a"]},
        "tags": {"CamelCase": "x"},
        "labels": {"camelCase": "y"},
    }
    assert t.result(document) == {
        "created_at": "2026-01-02T00:00:00+00:00",
        "resources_vpc_config": {"subnet_ids": ["a"]},
        "tags": {"CamelCase": "x"},
        "labels": {"camelCase": "y"},
    }
    assert t.result(None) == {}
