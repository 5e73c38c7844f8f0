# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sizes of instance types and the kubelet's reservations."""

from __future__ import annotations

import pytest

from localcloud.controllers.instances import (
    INSTANCE_TYPES,
    allocatable,
    capacity,
    reserved_cpu_millis,
    reserved_memory_mib,
)


# Source: the EC2 instance type pages and the VPC CNI's eni-max-pods.txt, capped as managed node groups do.
@pytest.mark.parametrize(
    ("name", "vcpus", "memory", "pods", "architecture"),
    [
        ("t3.medium", 2, 4, 17, "amd64"),
        ("t3a.large", 2, 8, 35, "amd64"),
        ("t4g.medium", 2, 4, 17, "arm64"),
        ("m5.large", 2, 8, 29, "amd64"),
        ("m7g.medium", 1, 4, 8, "arm64"),
        ("m6i.xlarge", 4, 16, 58, "amd64"),
        ("c7i.2xlarge", 8, 16, 58, "amd64"),
        ("r6i.4xlarge", 16, 128, 110, "amd64"),
        ("i4i.8xlarge", 32, 256, 234, "amd64"),
        ("m8g.8xlarge", 32, 128, 234, "arm64"),
    ],
)
def test_sizes(name: str, vcpus: int, memory: int, pods: int, architecture: str) -> None:
    instance = INSTANCE_TYPES[name]
    assert (instance.vcpus, instance.memory_gib, instance.max_pods) == (vcpus, memory, pods)
    assert instance.architecture == architecture


@pytest.mark.parametrize("name", ["m5.medium", "t3.4xlarge", "c5.8xlarge", "m5.huge", "x9.large"])
def test_types_that_do_not_exist(name: str) -> None:
    assert name not in INSTANCE_TYPES


@pytest.mark.parametrize(("vcpus", "reserved"), [(1, 60), (2, 70), (4, 80), (8, 90), (16, 110), (32, 150)])
def test_reserved_cpu(vcpus: int, reserved: int) -> None:
    assert reserved_cpu_millis(vcpus) == reserved


def test_reserved_memory_grows_with_pods() -> None:
    assert reserved_memory_mib(29) == 574


def test_allocatable_of_m5_large_is_what_eks_shows() -> None:
    instance = INSTANCE_TYPES["m5.large"]
    free = allocatable(instance, 20)
    whole = capacity(instance, 20)
    assert (free["cpu"], free["pods"]) == ("1930m", "29")
    assert whole["ephemeral-storage"] == "20959212Ki"
    assert free["ephemeral-storage"].startswith("182422679")
    kept = int(whole["memory"].removesuffix("Ki")) - int(free["memory"].removesuffix("Ki"))
    assert kept == (574 + 100) * 1024
