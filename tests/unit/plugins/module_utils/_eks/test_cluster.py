# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
from types import SimpleNamespace

import pytest
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.errors import AwsError, ClusterNotFoundError
from ansible_collections.dataplatform.fleet.plugins.module_utils._eks.cluster import (
    describe_endpoint,
)
from botocore.exceptions import ClientError


class FakeClient:
    meta = SimpleNamespace(region_name="eu-central-1")

    def __init__(self, answer: dict | ClientError) -> None:
        self.answer = answer

    def describe_cluster(self, name: str) -> dict:
        if isinstance(self.answer, ClientError):
            raise self.answer
        return {"cluster": {"name": name, **self.answer}}


def refused(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "because"}}, "DescribeCluster")


def test_an_active_cluster() -> None:
    client = FakeClient(
        {
            "status": "ACTIVE",
            "endpoint": "https://127.0.0.1:6443",
            "version": "1.36",
            "certificateAuthority": {"data": base64.b64encode(b"pem").decode()},
        }
    )
    found = describe_endpoint(client, "one")
    assert (found.name, found.region, found.url, found.ca_pem) == (
        "one",
        "eu-central-1",
        "https://127.0.0.1:6443",
        "pem",
    )
    assert found.ready


def test_a_cluster_being_created_is_not_ready() -> None:
    found = describe_endpoint(FakeClient({"status": "CREATING"}), "one")
    assert (found.url, found.ca_pem, found.ready) == ("", "", False)


def test_a_missing_cluster_is_its_own_error() -> None:
    with pytest.raises(ClusterNotFoundError, match=r"no EKS cluster 'one' in eu-central-1"):
        describe_endpoint(FakeClient(refused("ResourceNotFoundException")), "one")


def test_another_refusal_carries_the_reason() -> None:
    with pytest.raises(AwsError, match="AccessDeniedException: because"):
        describe_endpoint(FakeClient(refused("AccessDeniedException")), "one")
