# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller and the subnets of a Service of type LoadBalancer."""

from __future__ import annotations

from typing import Any

import pytest

from localcloud.controllers import loadbalancers as lb

PREFIX = "service.beta.kubernetes.io/aws-load-balancer-"


def _service(annotations: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    return {
        "metadata": {
            "name": "ingress-nginx-controller",
            "namespace": "ingress-nginx",
            "uid": "4f9d0c3a-7d1b-4b57-9c2e-0a6f1e2d3c4b",
            "annotations": {PREFIX + key: value for key, value in (annotations or {}).items()},
        },
        "spec": {"type": "LoadBalancer", **spec},
    }


def _subnet(name: str, tag: str) -> dict[str, Any]:
    return {"SubnetId": name, "AvailabilityZone": "a", "Tags": [{"Key": f"kubernetes.io/role/{tag}", "Value": "1"}]}


PUBLIC = _subnet("subnet-p", "elb")
PRIVATE = _subnet("subnet-i", "internal-elb")


@pytest.mark.parametrize(
    ("service", "auto_mode", "controller", "expected"),
    [
        (_service(), False, False, lb.BUILT_IN),
        (_service({"type": "nlb"}), False, False, lb.BUILT_IN),
        (_service(), True, False, None),
        (_service(type="ClusterIP"), False, False, None),
        (_service({"type": "external"}), False, False, None),
        (_service({"type": "external"}), False, True, lb.ELBV2),
        (_service({"type": "nlb-ip"}), False, True, lb.ELBV2),
        (_service(loadBalancerClass="service.k8s.aws/nlb"), False, False, None),
        (_service(loadBalancerClass="service.k8s.aws/nlb"), False, True, lb.ELBV2),
        (_service(loadBalancerClass="service.k8s.aws/nlb"), True, False, None),
        (_service(loadBalancerClass="eks.amazonaws.com/nlb"), True, False, lb.AUTO_MODE),
        (_service(loadBalancerClass="eks.amazonaws.com/nlb"), False, False, None),
        (_service(loadBalancerClass="example.com/own"), False, True, None),
    ],
)
def test_controller_of_a_service(service: Any, auto_mode: bool, controller: bool, expected: str | None) -> None:
    assert lb.serving(service, auto_mode=auto_mode, controller=controller) == expected


@pytest.mark.parametrize(
    ("annotations", "finalizer", "scheme"),
    [
        ({}, lb.BUILT_IN, "internet-facing"),
        ({"internal": "true"}, lb.BUILT_IN, "internal"),
        ({"internal": "false"}, lb.BUILT_IN, "internet-facing"),
        # The built-in controller ignores the annotation of the other controllers.
        ({"scheme": "internal"}, lb.BUILT_IN, "internet-facing"),
        ({}, lb.AUTO_MODE, "internal"),
        ({}, lb.ELBV2, "internal"),
        ({"scheme": "internet-facing"}, lb.ELBV2, "internet-facing"),
        ({"internal": "false"}, lb.ELBV2, "internet-facing"),
    ],
)
def test_scheme(annotations: dict[str, str], finalizer: str, scheme: str) -> None:
    assert lb.scheme_of(_service(annotations), finalizer) == scheme


def test_one_subnet_for_each_zone_with_the_role_tag() -> None:
    subnets = [
        {**PUBLIC, "SubnetId": "subnet-2"},
        {**PUBLIC, "SubnetId": "subnet-1"},
        {**PUBLIC, "SubnetId": "subnet-3", "AvailabilityZone": "b"},
        PRIVATE,
    ]
    assert lb.eligible_subnets(subnets, "internet-facing", "testing") == ("subnet-1", "subnet-3")
    assert lb.eligible_subnets(subnets, "internal", "testing") == ("subnet-i",)


@pytest.mark.parametrize(("owner", "taken"), [("testing", True), ("production", False)])
def test_subnet_of_another_cluster_is_not_taken(owner: str, taken: bool) -> None:
    tags = [*PUBLIC["Tags"], {"Key": f"kubernetes.io/cluster/{owner}", "Value": "shared"}]
    assert bool(lb.eligible_subnets([{**PUBLIC, "Tags": tags}], "internet-facing", "testing")) is taken


@pytest.mark.parametrize("value", ["0", "false"])
def test_role_tag_has_to_be_set(value: str) -> None:
    subnet = {**PUBLIC, "Tags": [{"Key": "kubernetes.io/role/elb", "Value": value}]}
    assert lb.eligible_subnets([subnet], "internet-facing", "testing") == ()


def test_named_subnets_need_no_tag() -> None:
    named = {**PRIVATE, "Tags": [{"Key": "Name", "Value": "edge"}]}
    for chosen in ("edge", "subnet-i"):
        assert lb.eligible_subnets([named, PUBLIC], "internal", "testing", [chosen]) == ("subnet-i",)


def test_plan_of_the_built_in_controller() -> None:
    decision = lb.plan(_service({"type": "nlb"}), [PUBLIC], "testing", auto_mode=False, controller=False)
    assert isinstance(decision, lb.Plan)
    assert (decision.type, decision.scheme, decision.subnets) == ("network", "internet-facing", ("subnet-p",))
    assert decision.name == "a4f9d0c3a7d1b4b579c2e0a6f1e2d3c4"
    assert lb.dns_name(decision, "eu-central-1").endswith(".elb.eu-central-1.amazonaws.com")


def test_classic_load_balancers_have_the_older_names() -> None:
    decision = lb.plan(_service({"internal": "true"}), [PRIVATE], "testing", auto_mode=False, controller=False)
    assert isinstance(decision, lb.Plan)
    assert decision.type == "classic"
    assert lb.dns_name(decision, "eu-central-1").startswith("internal-a4f9d0c3a")
    assert lb.dns_name(decision, "eu-central-1").endswith(".eu-central-1.elb.amazonaws.com")


def test_plan_of_auto_mode_has_a_readable_name() -> None:
    service = _service(loadBalancerClass="eks.amazonaws.com/nlb")
    decision = lb.plan(service, [PRIVATE], "testing", auto_mode=True, controller=False)
    assert isinstance(decision, lb.Plan)
    assert decision.name.startswith("k8s-ingressn-ingressn-")
    assert len(decision.name) <= 32


@pytest.mark.parametrize(
    ("service", "reason", "words"),
    [
        (_service(), "SyncLoadBalancerFailed", "could not find any suitable subnets for creating the ELB"),
        (
            _service(loadBalancerClass="eks.amazonaws.com/nlb"),
            "FailedBuildModel",
            "unable to resolve at least one subnet (0 match VPC and tags: [kubernetes.io/role/internal-elb])",
        ),
    ],
)
def test_refusal_without_subnets(service: Any, reason: str, words: str) -> None:
    auto_mode = "loadBalancerClass" in service["spec"]
    decision = lb.plan(service, [], "testing", auto_mode=auto_mode, controller=False)
    assert isinstance(decision, lb.Refusal)
    assert decision.reason == reason
    assert words in decision.message


@pytest.mark.parametrize(
    ("name", "labels", "replicas", "expected"),
    [
        ("aws-load-balancer-controller", {}, 1, True),
        ("release-aws-lbc", {"app.kubernetes.io/name": "aws-load-balancer-controller"}, 2, True),
        ("aws-load-balancer-controller", {}, 0, False),
        ("nginx", {}, 1, False),
    ],
)
def test_controller_is_available(name: str, labels: dict[str, str], replicas: int, expected: bool) -> None:
    deployment = {"metadata": {"name": name, "labels": labels}, "status": {"availableReplicas": replicas}}
    assert lb.controller_available([deployment]) is expected
