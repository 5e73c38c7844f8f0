# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records of one owner in a zone, with Route 53 of the local cloud."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

pytestmark = pytest.mark.integration

MODULE = "route53_records"


@pytest.fixture(scope="module")
def route53(account: Any) -> Any:
    return account.client("route53")


@pytest.fixture(scope="module")
def zone(route53: Any, network: Any) -> str:
    vpc = {"VPCId": network.vpc_id, "VPCRegion": "eu-central-1"}
    made = route53.create_hosted_zone(Name="records.internal", CallerReference="records", VPC=vpc)
    return str(made["HostedZone"]["Id"]).rsplit("/", 1)[-1]


def there(route53: Any, zone: str) -> dict[str, str]:
    found = route53.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    return {
        one["Name"].removesuffix(".records.internal."): one["ResourceRecords"][0]["Value"]
        for one in found
        if one["Type"] in ("CNAME", "TXT")
    }


def brokers(*numbers: int) -> dict[str, str]:
    return {f"kafka-{number}.records.internal": f"{number}.elb.amazonaws.com" for number in numbers}


def change(route53: Any, zone: str, record: str, action: str = "CREATE") -> None:
    name, kind, value = record.split(" ")
    one = {"Name": f"{name}.records.internal", "Type": kind, "TTL": 60, "ResourceRecords": [{"Value": value}]}
    batch = {"Changes": [{"Action": action, "ResourceRecordSet": one}]}
    route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch=batch)


def test_records_follow_the_brokers(run: Any, route53: Any, zone: str) -> None:
    change(route53, zone, "kafka-8 CNAME theirs.example.com")
    options = {"zone_id": zone, "owner": "kafka/one"}
    for numbers in ((0, 1, 2), (0, 1, 2, 3, 4), (0, 1, 2), (), (1,)):
        planned = run(MODULE, **options, records=brokers(*numbers), check=True)
        done = run(MODULE, **options, records=brokers(*numbers))
        assert (done["changed"], done["diff"]) == (True, planned["diff"])
        assert not run(MODULE, **options, records=brokers(*numbers))["changed"]
        found = there(route53, zone)
        assert found.pop("kafka-8") == "theirs.example.com"
        assert {key for key in found if not key.startswith("_")} == {f"kafka-{number}" for number in numbers}
        assert len(found) == 2 * len(numbers)
    # A record of another owner in the same zone.
    run(MODULE, zone_id=zone, owner="kafka/two", records=brokers(5))
    assert run(MODULE, **options, records={})["records"]["deleted"][-1] == "kafka-1.records.internal"
    assert set(there(route53, zone)) == {"kafka-5", "_owner.kafka-5", "kafka-8"}


def test_an_unmanaged_record_is_kept_until_it_is_adopted(run: Any, route53: Any, zone: str) -> None:
    change(route53, zone, "kafka-6 CNAME theirs.example.com")
    options = {"zone_id": zone, "owner": "kafka/one", "records": brokers(6, 7)}
    for check in (True, False):
        failed = run.fails(MODULE, **options, check=check)
        assert "kafka-6.records.internal is a record of another owner" in failed["msg"]
    assert "kafka-7" not in there(route53, zone)
    assert run(MODULE, **options, adopt=["kafka-6.records.internal"])["changed"]
    assert there(route53, zone)["kafka-6"] == "6.elb.amazonaws.com"
    assert not run(MODULE, **options)["changed"]


def test_a_name_has_a_cname_record_or_others(route53: Any, zone: str) -> None:
    change(route53, zone, "alone CNAME theirs.example.com")
    before = there(route53, zone)
    with pytest.raises(ClientError, match=r"InvalidChangeBatch.*conflicting RRSet"):
        change(route53, zone, 'alone TXT "beside"')
    assert there(route53, zone) == before
    change(route53, zone, "alone CNAME theirs.example.com", "DELETE")
    change(route53, zone, 'alone TXT "alone"')


def test_a_deleted_zone_is_reported(run: Any) -> None:
    assert "Z0GONE" in run.fails(MODULE, zone_id="Z0GONE", owner="x", records={})["msg"]


def test_check_mode_announces_the_records_of_a_zone_that_does_not_exist(run: Any) -> None:
    options = {"zone_id": "", "owner": "kafka/one", "records": brokers(0)}
    planned = run(MODULE, **options, check=True)
    assert planned["records"]["changed"] == ["_owner.kafka-0.records.internal", "kafka-0.records.internal"]
    assert "zone_id is empty" in run.fails(MODULE, **options)["msg"]
