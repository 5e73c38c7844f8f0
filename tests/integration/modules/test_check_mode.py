# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check mode writes nothing and announces the changes, and a second run changes nothing: modules other than EKS'.

The modules of EKS are held to the same by ``Runner.same`` in their own tests.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins import modules

pytestmark = pytest.mark.integration

REGION = "eu-central-1"
TAGS = {"dataplatform.fleet/fleet": "checked"}
FORMER = "10.83.0.0/16"


def _vpc(account: Any, name: str, cidr: str) -> str:
    ec2 = account.client("ec2")
    vpc = str(ec2.create_vpc(CidrBlock=cidr)["Vpc"]["VpcId"])
    ec2.create_tags(Resources=[vpc], Tags=[{"Key": "Name", "Value": name}])
    return vpc


def _options(account: Any, module: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a module's options to create a resource, and to delete it."""
    if module == "cloudwatchlogs_group":
        made = {"name": "/checked", "retention_days": 30}
        return made, {"name": "/checked", "state": "absent"}
    if module == "secretsmanager_documents":
        key = account.client("kms").create_key()["KeyMetadata"]["Arn"]
        document = {"name": "one/tls", "secret": {"key": "a"}, "public": {"made": "today"}}
        return {"fleet": "checked", "kms_key": key, "documents": [document]}, {
            "fleet": "checked",
            "absent": ["one/tls"],
        }
    if module == "route53_private_zone":
        _vpc(account, "checked-zone", "10.80.0.0/16")
        made = {"name": "checked.internal", "vpc": "checked-zone"}
        return made, {**made, "state": "absent"}
    if module == "ec2_network_peering":
        _vpc(account, "checked-own", "10.81.0.0/16")
        peer = {"vpc_id": _vpc(account, "checked-hub", "10.82.0.0/16"), "cidr": "10.82.0.0/16", "region": REGION}
        name = {"name": "checked", "vpc": "checked-own"}
        return {**name, "cidr": "10.81.0.0/16", "peer": peer}, {**name, "state": "absent"}
    assert module == "ec2_network"
    subnet = {"name": "checked-private-a", "cidr": "10.84.0.0/19", "az": "eu-central-1a", "tier": "private"}
    public = {"name": "checked-public-a", "cidr": "10.84.32.0/24", "az": "eu-central-1a", "tier": "public"}
    made = {"name": "checked", "cidr": "10.84.0.0/16", "subnets": [subnet, public], "endpoints": ["s3", "sts"]}
    return made, {"name": "checked", "state": "absent"}


@pytest.mark.parametrize(
    "module",
    ["cloudwatchlogs_group", "secretsmanager_documents", "route53_private_zone", "ec2_network_peering", "ec2_network"],
)
def test_announces_what_it_does_and_does_it_once(run: Any, account: Any, module: str) -> None:
    present, absent = _options(account, module)
    for options in (present, absent):
        before = _calls(account)
        announced = run(module, **options, tags=TAGS, check=True)
        assert announced["changed"]
        assert _calls(account) == before, "check mode has changed something"
        done = run(module, **options, tags=TAGS)
        assert done["changed"]
        assert (done["diff"], done["actions"]) == (announced["diff"], announced["actions"])
        before = _calls(account)
        again = run(module, **options, tags=TAGS)
        assert not again["changed"], again
        assert not run(module, **options, tags=TAGS, check=True)["changed"]
        assert _calls(account) == before, "a second run has changed something"


def _calls(account: Any) -> list[dict[str, Any]]:
    """Return the mutating calls."""
    path = account.state.aws_calls
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_resources_can_be_missing_only_in_check_mode(run: Any) -> None:
    peer = {"vpc_id": "", "cidr": "10.82.0.0/16", "region": REGION}
    peering = {"name": "early", "vpc": "early", "cidr": "10.85.0.0/16", "peer": peer}
    announced = run("ec2_network_peering", **peering, check=True)
    assert announced["changed"]
    assert announced["vpc_peering"]["id"] == ""
    assert {"routes to 10.82.0.0/16", "routes to 10.85.0.0/16"} <= announced["diff"]["after"].keys()
    assert "Run the role vpc first" in run.fails("ec2_network_peering", **peering)["msg"]

    zone = {"name": "early.internal", "vpc": "early"}
    announced = run("route53_private_zone", **zone, check=True)
    assert (announced["changed"], announced["private_zone"]["id"]) == (True, "")
    for state in ("present", "associated"):
        refused = run.fails("route53_private_zone", **zone, state=state)["msg"]
        assert refused.startswith("Zone early.internal: There is no VPC early in ")
        assert "Run the role vpc first" in refused

    former = {"vpc": "early", "networks": {"gone": FORMER}, "zone": "early.internal"}
    assert not run("ec2_undeclared_peerings", **former, check=True)["changed"]
    assert "There is no VPC early" in run.fails("ec2_undeclared_peerings", **former)["msg"]

    documents = {"fleet": "early", "documents": [{"name": "ca", "secret": {"a": "b"}}], "kms_key": "alias/early"}
    assert run("secretsmanager_documents", **documents, check=True)["changed"]
    assert "There is no key alias/early" in run.fails("secretsmanager_documents", **documents)["msg"]

    subnet = {"name": "early-private-a", "cidr": "10.86.0.0/19", "az": "eu-central-1a", "tier": "private"}
    announced = run("ec2_network", name="early", cidr="10.86.0.0/16", subnets=[subnet], nat="none", check=True)["vpc"]
    assert (announced["id"], [one["id"] for one in announced["subnets"]]) == (None, [None])


ROLE = "arn:aws:iam::000000000000:role/none"
# The minimal options of each module that creates a resource.
LEAST: dict[str, dict[str, Any]] = {
    "cloudwatchlogs_group": {"name": "/least"},
    "ec2_network": {"name": "least", "cidr": "10.88.0.0/16", "subnets": [], "nat": "none"},
    "ec2_network_peering": {
        "name": "least",
        "vpc": "least",
        "cidr": "10.88.0.0/16",
        "peer": {"vpc_id": "", "cidr": "10.89.0.0/16", "region": REGION},
    },
    "eks_access_entry": {"cluster_name": "least", "principal_arn": ROLE},
    "eks_addon": {"cluster_name": "least", "name": "coredns"},
    "eks_cluster": {"name": "least", "role_arn": ROLE, "subnet_ids": ["subnet-1"]},
    "eks_launch_template": {"cluster_name": "least", "name": "workers"},
    "eks_nodegroup": {"cluster_name": "least", "name": "workers", "node_role_arn": ROLE, "subnet_ids": ["subnet-1"]},
    "eks_pod_identity_association": {
        "cluster_name": "least",
        "namespace": "default",
        "service_account": "least",
        "role_arn": ROLE,
    },
    "route53_private_zone": {"name": "least.internal", "vpc": "least"},
    "route53_records": {"zone_id": "", "owner": "least", "records": {"a.records.internal": "b"}},
    "s3_versioned_bucket": {"name": "least-of-all-buckets"},
    "secretsmanager_documents": {"fleet": "least", "documents": [{"name": "empty"}], "kms_key": "alias/least"},
}


def test_every_module_that_creates_has_its_least() -> None:
    writing = {path.stem for path in Path(modules.__path__[0]).glob("*.py") if "\nactions:\n" in path.read_text()}
    assert set(LEAST) == writing - {"ec2_undeclared_peerings"}, "which only deletes"


@pytest.mark.parametrize("module", LEAST)
def test_created_resources_are_shown(run: Any, account: Any, module: str) -> None:
    options = dict(LEAST[module])
    if "zone_id" in options:
        zone = account.client("route53").create_hosted_zone(Name="records.internal", CallerReference="least")
        options["zone_id"] = zone["HostedZone"]["Id"].removeprefix("/hostedzone/")
    announced = run(module, **options, check=True)
    assert announced["changed"]
    assert announced["diff"]["after"], "the diff does not show what is created"


INFO: dict[str, dict[str, Any]] = {
    "eks_cluster_info": {},
    "eks_nodegroup_info": {"cluster_name": "nowhere"},
    "eks_addon_info": {"cluster_name": "nowhere"},
    "eks_access_entry_info": {"cluster_name": "nowhere"},
    "eks_pod_identity_association_info": {"cluster_name": "nowhere"},
    "secretsmanager_documents_info": {"fleet": "read", "listed": True, "names": ["none"]},
    "check_ownership": {"resources": {"iam_role": ["none"], "s3_bucket": ["none"], "log_group": ["/none"]}},
}


@pytest.mark.parametrize("module", INFO)
def test_read_only_operations_change_nothing(run: Any, account: Any, module: str) -> None:
    before = _calls(account)
    found = run.raw(module, **INFO[module])
    assert not found.get("changed")
    assert found.get("failed") == run.raw(module, **INFO[module], check=True).get("failed")
    assert _calls(account) == before


def test_a_retention_that_cloudwatch_does_not_know_is_refused_and_the_log_group_stays(run: Any, account: Any) -> None:
    run("cloudwatchlogs_group", name="/unknown-days", retention_days=30)
    before = _calls(account)
    assert (
        "value of retention_days must be one of"
        in run.fails("cloudwatchlogs_group", name="/unknown-days", retention_days=31)["msg"]
    )
    assert _calls(account) == before


def test_nothing_is_written_where_one_of_several_secrets_is_of_others(run: Any, account: Any) -> None:
    account.client("secretsmanager").create_secret(Name="several/two", SecretString='{"theirs": "secret"}')
    key = account.client("kms").create_key()["KeyMetadata"]["Arn"]
    documents = [{"name": name, "secret": {"ours": "one-secret"}} for name in ("one", "two")]
    before = _calls(account)
    refused = run.fails("secretsmanager_documents", fleet="several", kms_key=key, documents=documents, tags=TAGS)
    assert "-e fleet_adopt=secret/several/two" in refused["msg"]
    assert _calls(account) == before
    one = run("secretsmanager_documents", fleet="several", kms_key=key, documents=documents[:1], tags=TAGS)
    assert one["documents"]["changed"] == ["several/one"]


def test_documents_that_do_not_exist_are_left_out(run: Any, account: Any) -> None:
    account.client("secretsmanager").create_secret(Name="some/ca", SecretString='{"a": "b"}')
    assert run("secretsmanager_documents_info", fleet="some", names=["ca", "none"])["documents"] == {"ca": {"a": "b"}}
