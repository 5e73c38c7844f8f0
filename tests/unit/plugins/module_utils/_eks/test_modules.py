# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules from a task's options to its result: calls, waits, and check mode."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.errors import (
    AwsError,
    ClusterNotFoundError,
    FailedError,
    VersionError,
    WaitTimeoutError,
)
from ansible_collections.dataplatform.fleet.plugins.module_utils._eks import (
    access_module,
    addon_module,
    cluster_module,
    nodegroup_module,
)
from ansible_collections.dataplatform.fleet.tests.unit.plugins.module_utils._eks.server import (
    ARN,
    GONE,
    FakeEks,
    options,
    run_of,
)
from ansible_collections.dataplatform.fleet.tests.unit.plugins.module_utils.aws import RefusedError, client

ROLE = "arn:aws:iam::111122223333:role/r"
MARKS = {"dataplatform.fleet/fleet": "f", "dataplatform.fleet/cluster": "one"}
Result = dict[str, Any]


@pytest.fixture
def eks() -> FakeEks:
    return FakeEks()


class Aws:
    """A fake of EC2 and SSM, limited to the calls for node groups."""

    def __init__(self) -> None:
        self.templates = [{"LaunchTemplateId": "lt-1", "LatestVersionNumber": 7, "DefaultVersionNumber": 3}]
        self.parameters: dict[str, str] = {}

    def client(self, service: str) -> Any:
        return client(service, lambda operation, given: getattr(self, operation)(**given))

    def DescribeLaunchTemplates(self, **given: list[str]) -> dict[str, Any]:
        wanted = {"LaunchTemplateIds": ["lt-1"]}, {"LaunchTemplateNames": ["workers"]}
        return {"LaunchTemplates": self.templates if given in wanted else []}

    def GetParameter(self, Name: str) -> dict[str, Any]:
        if Name not in self.parameters:
            raise RefusedError("ParameterNotFound", "no such parameter")
        return {"Parameter": {"Name": Name, "Value": self.parameters[Name]}}


def cluster(eks: FakeEks, *, check_mode: bool = False, wait: bool = True, timeout: int = 100, **given: Any) -> Result:
    known = options("eks_cluster", **{"name": "one", "wait": wait, "wait_timeout": timeout, **given})
    return cluster_module.reconcile(run_of(eks, known, check_mode=check_mode))


def nodegroup(
    eks: FakeEks, *, check_mode: bool = False, wait: bool = True, aws: Aws | None = None, **given: Any
) -> Result:
    known = options("eks_nodegroup", **{"name": "workers", "cluster_name": "one", "wait": wait, **given})
    return nodegroup_module.reconcile(run_of(eks, known, (aws or Aws()).client, check_mode=check_mode))


def addon(eks: FakeEks, *, check_mode: bool = False, wait: bool = True, **given: Any) -> Result:
    known = options("eks_addon", **{"name": "coredns", "cluster_name": "one", "wait": wait, **given})
    return addon_module.reconcile(run_of(eks, known, check_mode=check_mode))


def entry(eks: FakeEks, *, check_mode: bool = False, **given: Any) -> Result:
    known = options("eks_access_entry", **{"principal_arn": ROLE, "cluster_name": "one", **given})
    return access_module.reconcile_entry(run_of(eks, known, check_mode=check_mode))


def association(eks: FakeEks, *, check_mode: bool = False, **given: Any) -> Result:
    place = {"cluster_name": "one", "namespace": "n", "service_account": "web"}
    known = options("eks_pod_identity_association", **{**place, **given})
    return access_module.reconcile_association(run_of(eks, known, check_mode=check_mode))


SETTINGS: dict[str, tuple[Callable[..., Result], str, dict[str, Any], dict[str, Any]]] = {
    # module, key of the result, options that create it, options that change it
    "cluster": (
        cluster,
        "cluster",
        {"version": "1.35", "role_arn": ROLE, "subnet_ids": ["subnet-a"], "tags": {"a": "1", **MARKS}},
        {"deletion_protection": True, "tags": {"a": "2", **MARKS}},
    ),
    "nodegroup": (
        nodegroup,
        "nodegroup",
        {
            "node_role_arn": ROLE,
            "subnet_ids": ["subnet-a"],
            "min_size": 1,
            "max_size": 3,
            "labels": {"a": "1"},
            "tags": {"a": "1", **MARKS},
        },
        {"labels": {"a": "2"}, "max_size": 5, "tags": {"a": "2", **MARKS}},
    ),
    "addon": (
        addon,
        "addon",
        {"configuration": {"replicas": 2}, "tags": {"a": "1", **MARKS}},
        {"configuration": {"replicas": 3}, "tags": {"a": "2", **MARKS}},
    ),
    "entry": (
        entry,
        "access_entry",
        {"kubernetes_groups": ["g"], "policies": [{"policy": "AmazonEKSViewPolicy"}], "tags": {"a": "1", **MARKS}},
        {"kubernetes_groups": ["h"], "policies": [{"policy": "AmazonEKSEditPolicy"}], "tags": {"a": "2", **MARKS}},
    ),
    "association": (
        association,
        "association",
        {"role_arn": ROLE, "tags": {"a": "1", **MARKS}},
        {"role_arn": f"{ROLE}-2", "tags": {"a": "2", **MARKS}},
    ),
}
EVERY = pytest.mark.parametrize("name", SETTINGS)


def made(eks: FakeEks, name: str) -> tuple[Callable[..., Result], str, dict[str, Any], dict[str, Any]]:
    """Return the resource that the module has created."""
    call, key, given, changed = SETTINGS[name]
    if name != "cluster":
        eks.cluster()
    call(eks, **given)
    del eks.calls[:], eks.reads[:]
    return call, key, given, changed


# Only EKS returns these values of the created resource.
OF_EKS = {"arn", "nodegroup_arn", "addon_arn", "access_entry_arn", "association_arn", "association_id"} | {
    "status",
    "username",
    "type",
    "version",
    "pod_identity_associations",
}


def known_before(result: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in result.items() if key not in OF_EKS}


@EVERY
def test_it_is_made_and_then_left_as_it_is(eks: FakeEks, name: str) -> None:
    call, key, given, _ = SETTINGS[name]
    if name != "cluster":
        eks.cluster()
    announced = call(eks, **given, check_mode=True)
    assert eks.calls == []
    result = call(eks, **given)
    assert result["changed"] and announced["changed"]
    assert (announced["diff"], announced["actions"]) == (result["diff"], result["actions"])
    assert result[key]["tags"] == announced[key]["tags"] == {"a": "1", **MARKS}
    assert announced[key].get("status", "CREATING") == "CREATING"
    assert result[key].get("status", "ACTIVE") == "ACTIVE"
    assert known_before(announced[key]) == known_before(result[key])
    again = [call(eks, **given), call(eks, **given, check_mode=True)]
    for same in again:
        assert (same["changed"], same["actions"], same["waited"]) == (False, [], [])
        assert same[key] == result[key]


@EVERY
def test_check_mode_announces_what_a_change_brings(eks: FakeEks, name: str) -> None:
    call, key, _, changed = made(eks, name)
    announced = call(eks, **changed, check_mode=True)
    assert eks.calls == []
    result = call(eks, **changed)
    assert announced["diff"] == result["diff"]
    assert announced["diff"]["after"]["tags.a"] == "2"
    assert announced[key] == result[key]
    assert result[key]["tags"]["a"] == "2"
    assert result[key].get("status", "ACTIVE") == "ACTIVE", "it is read when it is ready"


@EVERY
def test_it_is_removed_once(eks: FakeEks, name: str) -> None:
    call, key, given, _ = made(eks, name)
    if name == "cluster":
        given = {"tags": given["tags"]}
    announced = call(eks, **given, state="absent", check_mode=True)
    assert eks.calls == []
    result = call(eks, **given, state="absent")
    assert announced["changed"] and result["changed"]
    assert announced[key] == result[key] == {}
    assert not {place for place in eks.found if place[0] == name}, "it is gone when the module ends"
    del eks.calls[:]
    again = call(eks, **given, state="absent")
    assert (again["changed"], eks.calls) == (False, [])


@EVERY
@pytest.mark.parametrize("state", ["present", "absent"])
@pytest.mark.parametrize("check_mode", [True, False])
def test_unmanaged_resources_are_not_changed(eks: FakeEks, name: str, state: str, check_mode: bool) -> None:
    call, _, given, _ = made(eks, name)
    before = copy.deepcopy(eks.found)
    wanted = {**given, "tags": {**MARKS, "dataplatform.fleet/cluster": "two"}}
    with pytest.raises(AwsError, match="has a name of this fleet's and not its tags"):
        call(eks, **wanted, state=state, check_mode=check_mode)
    assert (eks.found, eks.calls) == (before, [])
    assert call(eks, **wanted, adopt=True)["changed"]


@pytest.mark.parametrize("name", [name for name in SETTINGS if name != "cluster"])
def test_a_missing_cluster_is_named_and_expected_in_check_mode(eks: FakeEks, name: str) -> None:
    call, key, given, _ = SETTINGS[name]
    with pytest.raises(ClusterNotFoundError, match=r"There is no EKS cluster 'one' in eu-central-1\. Nothing was"):
        call(eks, **given)
    assert eks.calls == []
    announced = call(eks, **given, check_mode=True)
    assert announced["changed"]
    assert announced[key]["tags"] == {"a": "1", **MARKS}


@EVERY
def test_tags_and_others_stay_where_a_task_does_not_purge(eks: FakeEks, name: str) -> None:
    call, key, given, _ = made(eks, name)
    less = {**given, "tags": {"b": "3", **MARKS}}
    kept = call(eks, **less, purge_tags=False)
    assert kept[key]["tags"] == {"a": "1", "b": "3", **MARKS}
    assert call(eks, **less)[key]["tags"] == {"b": "3", **MARKS}


# -- clusters, node groups and add-ons, which take minutes

SLOW = pytest.mark.parametrize("name", ["cluster", "nodegroup", "addon"])


@SLOW
def test_without_waiting_it_is_returned_as_it_is_now(eks: FakeEks, name: str) -> None:
    call, key, given, _ = SETTINGS[name]
    if name != "cluster":
        eks.cluster()
    assert call(eks, **given, wait=False)[key]["status"] == "CREATING"
    eks.passing.clear()
    assert call(eks, **given, wait=False)[key]["status"] == "CREATING", "nothing is changed, nothing is waited for"
    eks.passing[name, next(place for place in eks.found if place[0] == name)[1]] = ["CREATING", "CREATING", "ACTIVE"]
    result = call(eks, **given)
    assert (result["changed"], result[key]["status"]) == (False, "ACTIVE")
    assert [wait["states"][-1] for wait in result["waited"]] == ["ACTIVE"]


@SLOW
def test_updates_of_another_run_are_waited_for_before_the_plan(eks: FakeEks, name: str) -> None:
    call, key, _, changed = made(eks, name)
    place = next(place for place in eks.found if place[0] == name)
    eks.found[place]["status"] = "UPDATING"
    eks.passing[place] = ["UPDATING", "ACTIVE"]
    assert call(eks, check_mode=True, **changed)[key]["status"] == "UPDATING"
    eks.passing[place] = ["UPDATING", "UPDATING", "UPDATING", "ACTIVE"]
    result = call(eks, **changed)
    assert result["waited"][0]["states"] == ["UPDATING", "ACTIVE"]
    assert "(settling)" in result["waited"][0]["on"]
    assert result[key]["status"] == "ACTIVE"


@SLOW
def test_deleting_resources_are_waited_for_and_created_again(eks: FakeEks, name: str) -> None:
    call, key, given, _ = made(eks, name)
    place = next(place for place in eks.found if place[0] == name)
    eks.found[place]["status"] = "DELETING"
    eks.passing[place] = ["DELETING", "DELETING", "DELETING", GONE]
    announced = call(eks, **given, check_mode=True)
    assert (announced["changed"], announced[key]["status"]) == (True, "CREATING")
    result = call(eks, **given)
    assert eks.made == [f"Create{name.capitalize()}"]
    assert result["waited"][0]["states"] == ["DELETING", "absent"]
    assert result[key]["status"] == "ACTIVE"


@SLOW
def test_a_removal_in_progress_is_waited_for(eks: FakeEks, name: str) -> None:
    call, _, _, _ = made(eks, name)
    place = next(place for place in eks.found if place[0] == name)
    for wait in (True, False):
        eks.found[place] |= {"status": "DELETING"}
        eks.passing[place] = ["DELETING", "DELETING", "DELETING"]
        if wait:
            with pytest.raises(FailedError, match="DELETE_FAILED"):
                eks.passing[place] = ["DELETING", "DELETING", "DELETE_FAILED"]
                call(eks, state="absent")
        else:
            assert not call(eks, state="absent", wait=False)["changed"]
    assert eks.calls == []


@pytest.mark.parametrize("name", ["cluster", "nodegroup"])
def test_a_failed_creation_is_reported_with_its_reasons(eks: FakeEks, name: str) -> None:
    call, _, given, _ = made(eks, name)
    place = next(place for place in eks.found if place[0] == name)
    issue = {"code": "AccessDenied", "message": "no"}
    eks.found[place] |= {"status": "FAILED" if name == "cluster" else "CREATE_FAILED", "health": {"issues": [issue]}}
    with pytest.raises(FailedError, match=r"AccessDenied: no\. EKS cannot repair it: delete it \(aws eks delete-"):
        call(eks, **given)
    assert eks.calls == []


def test_a_wait_ends_in_time(eks: FakeEks) -> None:
    eks.cluster(then=["ACTIVE"])
    eks.found["cluster", "one"]["status"] = "UPDATING"
    eks.passing["cluster", "one"] = ["UPDATING"] * 99
    with pytest.raises(WaitTimeoutError, match=r"cluster one \(settling\) was still UPDATING after wait_timeout=5 s"):
        cluster(eks, timeout=5)


# -- clusters


def test_a_version_that_eks_does_not_offer_is_refused_before_anything_is_made(eks: FakeEks) -> None:
    with pytest.raises(VersionError, match=r"EKS does not offer Kubernetes 1\.30; it offers 1\.35, 1\.36"):
        cluster(eks, version="1.30", role_arn=ROLE, subnet_ids=["subnet-a"])
    eks.cluster(version="1.36")
    with pytest.raises(VersionError, match=r"EKS does not offer Kubernetes 1\.37"):
        cluster(eks, version="1.37")
    assert eks.calls == []


@pytest.mark.parametrize("force", [True, False])
def test_the_next_version_can_be_forced(eks: FakeEks, force: bool) -> None:
    eks.cluster(version="1.35")
    announced = cluster(eks, version="1.36", force=force, check_mode=True)
    result = cluster(eks, version="1.36", force=force)
    assert announced["cluster"] == result["cluster"]
    assert result["cluster"]["version"] == "1.36"
    assert "force" not in announced["cluster"]
    ((operation, request),) = eks.calls
    assert (operation, request.get("force", False)) == ("UpdateClusterVersion", force)


def test_a_cluster_with_node_groups_is_not_removed(eks: FakeEks) -> None:
    eks.cluster()
    eks.nodegroup("a")
    eks.nodegroup("b")["status"] = "DELETING"
    eks.passing["nodegroup", "b"] = ["DELETING", "DELETING", GONE]
    eks.put("fargate profile", "f")
    with pytest.raises(AwsError, match=r"^cluster one still has node group a, Fargate profile f: delete these first\."):
        cluster(eks, state="absent")
    assert eks.calls == []
    assert ("nodegroup", "b") not in eks.found, "one that is going is waited for"


def test_in_check_mode_resources_of_a_cluster_can_be_deleted_in_the_same_run(eks: FakeEks) -> None:
    eks.cluster()
    eks.nodegroup("a")
    eks.nodegroup("b")["status"] = "DELETING"
    known = options("eks_cluster", name="one", state="absent")
    this = run_of(eks, known, check_mode=True)
    result = cluster_module.reconcile(this)
    assert result["changed"]
    assert this.module.warned == ["cluster one still has node group a: delete these first."]
    assert result["waited"] == []


def test_the_resources_of_a_deleting_cluster_are_not_read(eks: FakeEks) -> None:
    eks.cluster()["status"] = "DELETING"
    eks.passing["cluster", "one"] = ["DELETING", GONE]
    eks.nodegroup("a")
    assert not cluster(eks, state="absent")["changed"]
    assert "ListNodegroups" not in [operation for operation, _ in eks.reads]


@pytest.mark.parametrize(("said", "operations"), [(None, None), (False, ["UpdateClusterConfig", "DeleteCluster"])])
def test_a_protected_cluster_is_deleted_only_if_the_task_allows_it(
    eks: FakeEks, said: bool | None, operations: list[str] | None
) -> None:
    eks.cluster(deletionProtection=True)
    given = {} if said is None else {"deletion_protection": said}
    if operations is None:
        with pytest.raises(AwsError, match="is protected from deletion"):
            cluster(eks, state="absent", **given)
        assert eks.calls == []
    else:
        cluster(eks, state="absent", **given)
        assert eks.made == operations


# -- node groups

LATEST = "/aws/service/eks/optimized-ami/{}/amazon-linux-2023/x86_64/standard/recommended/release_version"


def test_the_latest_release_is_that_of_the_version_it_will_have(eks: FakeEks) -> None:
    aws = Aws()
    aws.parameters = {LATEST.format("1.35"): "1.35.6-20261106", LATEST.format("1.36"): "1.36.3-20261106"}
    eks.cluster()
    eks.nodegroup("workers", version="1.35", releaseVersion="1.35.4-20260904")
    result = nodegroup(eks, aws=aws, release_version="latest")
    assert result["nodegroup"]["release_version"] == "1.35.6-20261106"
    assert not nodegroup(eks, aws=aws, release_version="latest")["changed"]
    result = nodegroup(eks, aws=aws, release_version="latest", version="1.36")
    assert result["nodegroup"]["release_version"] == "1.36.3-20261106"


def test_a_new_node_group_has_the_latest_release_anyway(eks: FakeEks) -> None:
    eks.cluster()
    nodegroup(eks, release_version="latest", node_role_arn=ROLE, subnet_ids=["subnet-a"])
    ((_, request),) = eks.calls
    assert "releaseVersion" not in request


@pytest.mark.parametrize(
    ("ami_type", "why"),
    [
        ("CUSTOM", r"AWS publishes no latest release for ami_type CUSTOM; name the release\. Nothing was changed\."),
        (
            "BOTTLEROCKET_x86_64",
            r"SSM parameter /aws/service/bottlerocket/aws-k8s-1\.36/x86_64/latest/image_version, which failed: .*"
            r"ParameterNotFound.*: no such parameter\. Name the release instead, or allow ssm:GetParameter\.",
        ),
    ],
)
def test_a_missing_latest_release_is_an_error(eks: FakeEks, ami_type: str, why: str) -> None:
    eks.cluster()
    eks.nodegroup("workers", amiType=ami_type)
    with pytest.raises(AwsError, match=why):
        nodegroup(eks, release_version="latest")
    assert eks.calls == []


@pytest.mark.parametrize("given", [{"id": "lt-1"}, {"name": "workers"}])
@pytest.mark.parametrize(("symbol", "version"), [("$Latest", "7"), ("$Default", "3"), ("5", "5")])
def test_a_templates_version_may_have_a_name(eks: FakeEks, given: dict[str, str], symbol: str, version: str) -> None:
    eks.cluster()
    eks.nodegroup("workers", launchTemplate={"id": "lt-1", "name": "workers", "version": "1"})
    nodegroup(eks, launch_template={**given, "version": symbol})
    ((operation, request),) = eks.calls
    assert (operation, request["launchTemplate"]) == ("UpdateNodegroupVersion", {"id": "lt-1", "version": version})


@pytest.mark.parametrize(("given", "name"), [({"id": "lt-9"}, "lt-9"), ({"name": "other"}, "other")])
def test_a_template_that_is_not_there_is_named(eks: FakeEks, given: dict[str, str], name: str) -> None:
    eks.cluster()
    eks.nodegroup("workers")
    with pytest.raises(AwsError, match=rf"There is no launch template {name}\. Nothing was changed"):
        nodegroup(eks, launch_template={**given, "version": "$Latest"})


def test_a_node_group_may_not_be_ahead_of_its_cluster(eks: FakeEks) -> None:
    eks.cluster(version="1.35")
    eks.nodegroup("workers", version="1.35")
    with pytest.raises(VersionError, match=r"its cluster runs 1\.35"):
        nodegroup(eks, version="1.36")
    with pytest.raises(VersionError, match=r"cluster one runs 1\.35"):
        nodegroup(eks, name="new", version="1.36", node_role_arn=ROLE, subnet_ids=["subnet-a"])
    assert eks.calls == []


def test_the_cluster_is_asked_only_where_its_version_matters(eks: FakeEks) -> None:
    eks.nodegroup("workers")
    nodegroup(eks, version="1.36", max_size=4)
    assert "DescribeCluster" not in [operation for operation, _ in eks.reads]


@pytest.mark.parametrize("purge", [True, False])
def test_labels_of_others_stay_where_a_task_does_not_purge(eks: FakeEks, purge: bool) -> None:
    eks.cluster()
    eks.nodegroup("workers", labels={"a": "1"})
    result = nodegroup(eks, labels={"b": "2"}, purge_labels=purge, check_mode=True)
    assert result["nodegroup"]["labels"] == ({"b": "2"} if purge else {"a": "1", "b": "2"})


@pytest.mark.parametrize(("policy", "changed"), [("initial", False), ("always", True)])
def test_an_autoscalers_size_stays_unless_a_task_insists(eks: FakeEks, policy: str, changed: bool) -> None:
    eks.cluster()
    eks.nodegroup("workers")
    assert nodegroup(eks, desired_size=3, desired_size_policy=policy)["changed"] is changed


def test_taints_are_announced_as_they_will_be(eks: FakeEks) -> None:
    eks.cluster()
    eks.nodegroup("workers")
    result = nodegroup(eks, taints=[{"key": "k", "value": "v", "effect": "NoSchedule"}], force=True, check_mode=True)
    assert result["nodegroup"]["taints"] == [{"key": "k", "value": "v", "effect": "NO_SCHEDULE"}]
    assert "force" not in result["nodegroup"]


def test_the_first_instance_type_is_preferred(eks: FakeEks) -> None:
    eks.cluster()
    nodegroup(eks, instance_types=["m7i.large", "m6i.large"], node_role_arn=ROLE, subnet_ids=["subnet-a"])
    ((_, request),) = eks.calls
    assert request["instanceTypes"] == ["m7i.large", "m6i.large"]


def test_a_forced_update_is_forced(eks: FakeEks) -> None:
    eks.cluster()
    eks.nodegroup("workers", version="1.35")
    nodegroup(eks, version="1.36", force=True)
    ((_, request),) = eks.calls
    assert request["force"] is True


# -- add-ons


def versions(*numbers: int, default: int = 1) -> list[dict[str, Any]]:
    return [
        {
            "addonVersion": f"v1.0.0-eksbuild.{number}",
            "compatibilities": [{"clusterVersion": "1.36", "defaultVersion": number == default}],
        }
        for number in numbers
    ]


@pytest.mark.parametrize(
    ("version", "expected"), [("latest", "3"), ("default", "2"), ("v1.0.0-eksbuild.2", "2"), (None, "1")]
)
def test_an_addons_version_may_have_a_name(eks: FakeEks, version: str | None, expected: str) -> None:
    eks.cluster()
    eks.addon_versions = versions(3, 2, 1, default=2)
    eks.addon("coredns")
    given: dict[str, Any] = {} if version is None else {"version": version}
    assert addon(eks, **given)["addon"]["addon_version"] == f"v1.0.0-eksbuild.{expected}"
    assert not addon(eks, **given)["changed"]
    del eks.found["addon", "coredns"]
    del eks.calls[:]
    addon(eks, **given)
    assert eks.calls[0][1].get("addonVersion") == (None if version is None else f"v1.0.0-eksbuild.{expected}")


def test_versions_are_asked_for_only_where_the_answer_matters(eks: FakeEks) -> None:
    eks.cluster()
    eks.addon("coredns")
    addon(eks, version="v1.0.0-eksbuild.1", configuration={"a": 1})
    assert "DescribeAddonVersions" not in [operation for operation, _ in eks.reads]
    eks.addon_versions = versions(1)
    with pytest.raises(VersionError, match=r"add-on coredns has no version v9 for Kubernetes 1\.36"):
        addon(eks, version="v9")


def test_a_new_addons_version_is_checked(eks: FakeEks) -> None:
    eks.cluster()
    eks.addon_versions = versions(1)
    with pytest.raises(VersionError, match="has no version v9"):
        addon(eks, version="v9")
    assert eks.calls == []


def test_an_addon_shows_its_accounts_with_their_roles(eks: FakeEks) -> None:
    eks.cluster()
    pairs = [{"service_account": "a", "role_arn": ROLE}]
    result = addon(eks, pod_identity_associations=pairs)
    arn = f"{ARN}:podidentityassociation/one/a-coredns-a"
    assert result["addon"]["pod_identity_associations"] == [{**pairs[0], "association_arn": arn}]
    assert not addon(eks, pod_identity_associations=pairs)["changed"]
    other = addon(eks, pod_identity_associations=[{"service_account": "a", "role_arn": f"{ROLE}-2"}])
    assert other["addon"]["pod_identity_associations"][0]["role_arn"] == f"{ROLE}-2"
    del eks.found["association", "a-coredns-a"]
    assert addon(eks)["addon"]["pod_identity_associations"] == [], "one that vanished meanwhile is left out"


def test_a_degraded_addon_is_waited_for(eks: FakeEks) -> None:
    """A new add-on is DEGRADED until there are nodes for it."""
    eks.cluster()
    eks.addon("coredns")["status"] = "DEGRADED"
    eks.passing["addon", "coredns"] = ["DEGRADED", "DEGRADED", "ACTIVE"]
    result = addon(eks)
    assert (result["changed"], result["addon"]["status"]) == (False, "ACTIVE")
    eks.found["addon", "coredns"]["status"] = "DEGRADED"
    assert addon(eks, wait=False)["addon"]["status"] == "DEGRADED"


@pytest.mark.parametrize("preserve", [True, False])
def test_an_addons_software_can_be_left_running(eks: FakeEks, preserve: bool) -> None:
    eks.cluster()
    eks.addon("coredns")
    addon(eks, state="absent", preserve=preserve)
    ((operation, request),) = eks.calls
    assert (operation, request.get("preserve", False)) == ("DeleteAddon", preserve)


@pytest.mark.parametrize("conflicts", ["OVERWRITE", "NONE", "PRESERVE"])
def test_options_of_the_task_take_precedence(eks: FakeEks, conflicts: str) -> None:
    eks.cluster()
    announced = addon(eks, resolve_conflicts=conflicts, check_mode=True)
    assert "resolve_conflicts" not in announced["addon"]
    addon(eks, resolve_conflicts=conflicts)
    addon(eks, resolve_conflicts=conflicts, configuration={"a": 1})
    assert [request["resolveConflicts"] for _, request in eks.calls] == [conflicts] * 2


# -- access


def view(eks: FakeEks, *policies: str, **given: Any) -> list[str]:
    wanted = [{"policy": policy} for policy in policies]
    result = entry(eks, policies=wanted, **given)["access_entry"]
    return [policy["policy_arn"].rpartition("/")[2] for policy in result["policies"]]


@pytest.mark.parametrize("purge", [True, False])
def test_policies_of_others_stay_where_a_task_does_not_purge(eks: FakeEks, purge: bool) -> None:
    eks.cluster()
    view(eks, "AmazonEKSViewPolicy")
    for check_mode in (True, False):
        found = view(eks, "AmazonEKSEditPolicy", purge_policies=purge, check_mode=check_mode)
        assert found == ["AmazonEKSEditPolicy"] if purge else ["AmazonEKSViewPolicy", "AmazonEKSEditPolicy"]
    assert eks.made[-1] == ("DisassociateAccessPolicy" if purge else "AssociateAccessPolicy")


def test_a_policys_scope_is_shown(eks: FakeEks) -> None:
    eks.cluster()
    given = {"policies": [{"policy": "AmazonEKSViewPolicy", "namespaces": ["b", "a"]}]}
    for check_mode in (True, False):
        (policy,) = entry(eks, check_mode=check_mode, **given)["access_entry"]["policies"]
        assert policy["access_scope"] == {"type": "namespace", "namespaces": ["a", "b"]}


def test_an_association_is_that_of_its_own_account(eks: FakeEks) -> None:
    eks.cluster()
    eks.association("a-1", "web", "other")
    eks.association("a-2", "web2", "n")
    assert association(eks, role_arn=ROLE)["association"]["association_id"] == "a-new"
    assert eks.made == ["CreatePodIdentityAssociation"]
    association(eks, state="absent")
    assert [name for kind, name in eks.found if kind == "association"] == ["a-1", "a-2"]
