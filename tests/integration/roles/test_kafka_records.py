# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records of Kafka's brokers in the fleet's zone: deleted with the brokers; other records are kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.tests.integration.modules.conftest import REGION, quick_account
from ansible_collections.dataplatform.fleet.tests.integration.roles.running import RunRole

pytestmark = pytest.mark.integration

DOMAIN = "brokers.internal"
THEIRS = {"kafka-7": "theirs.example.com", "grafana": "theirs.example.com"}


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with quick_account(tmp_path_factory.mktemp("records")) as account:
        ec2 = account.client("ec2")
        vpc = ec2.create_vpc(CidrBlock="10.96.0.0/16")["Vpc"]["VpcId"]
        ec2.create_tags(Resources=[vpc], Tags=[{"Key": "Name", "Value": "brokers"}])
        yield account


def records(cloud: Any) -> dict[str, str]:
    """Host names by the first label of each record."""
    route53 = cloud.client("route53")
    (zone,) = route53.list_hosted_zones_by_name(DNSName=DOMAIN)["HostedZones"]
    found = route53.list_resource_record_sets(HostedZoneId=zone["Id"])["ResourceRecordSets"]
    return {
        one["Name"].removesuffix(f".{DOMAIN}."): one["ResourceRecords"][0]["Value"]
        for one in found
        if one["Type"] == "CNAME"
    }


def test_records_are_deleted_with_their_brokers_and_with_kafka(cloud: Any, run_role: RunRole) -> None:
    shared = {
        "region": REGION,
        "endpoint_url": cloud.endpoint_url,
        "access_key": cloud.env["AWS_ACCESS_KEY_ID"],
        "secret_key": cloud.env["AWS_SECRET_ACCESS_KEY"],
    }
    options = {
        "kafka_cluster": "brokers",
        "kafka_fleet": "brokers",
        "kafka_domain": DOMAIN,
        "kafka_vpc_name": "brokers",
        "kafka_region": REGION,
        "kafka_shared_connection": shared,
        "kafka_tags": {"dataplatform.fleet/fleet": "brokers"},
    }

    def run(*arguments: str, **more: Any) -> set[Any]:
        return run_role(cloud, "kafka", *arguments, variables={**options, **more}, tasks_from="names").announced

    run(kafka_replicas=5)
    route53 = cloud.client("route53")
    (zone,) = route53.list_hosted_zones_by_name(DNSName=DOMAIN)["HostedZones"]
    changes = [
        {
            "Action": "CREATE",
            "ResourceRecordSet": {
                "Name": f"{name}.{DOMAIN}",
                "Type": "CNAME",
                "TTL": 60,
                "ResourceRecords": [{"Value": value}],
            },
        }
        for name, value in THEIRS.items()
    ]
    route53.change_resource_record_sets(HostedZoneId=zone["Id"], ChangeBatch={"Changes": changes})
    assert set(records(cloud)) == {"kafka-bootstrap", *(f"kafka-{number}" for number in range(5)), *THEIRS}

    planned = run("--check", "--diff", kafka_replicas=3)
    assert "kafka-4" in records(cloud)
    assert run("--diff", kafka_replicas=3) == planned
    assert set(records(cloud)) == {"kafka-bootstrap", "kafka-0", "kafka-1", "kafka-2", *THEIRS}

    external = {"kafka_mode": "external", "kafka_bootstrap_servers": "kafka.example.com:9094"}
    assert run(**external)
    assert records(cloud) == THEIRS
    assert run(**external) == set()
