# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services of type LoadBalancer: their controller, their subnets, and the reason why they are pending.

Three controllers can serve a Service: the service controller of the cloud controller manager, that of EKS Auto Mode,
and the AWS Load Balancer Controller, which must be installed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from localcloud.controllers.cloud import LoadBalancer, Record
from localcloud.controllers.context import Backoff, Context, guarded
from localcloud.controllers.kube import Object
from localcloud.controllers.nodespec import digest

_ANNOTATION = "service.beta.kubernetes.io/aws-load-balancer-"
BUILT_IN = "service.kubernetes.io/load-balancer-cleanup"
ELBV2 = "service.k8s.aws/resources"
AUTO_MODE = "service.eks.amazonaws.com/resources"
_FINALIZERS = (BUILT_IN, ELBV2, AUTO_MODE)
AUTO_MODE_CLASS = "eks.amazonaws.com/nlb"
CONTROLLER_CLASS = "service.k8s.aws/nlb"
_CONTROLLER = "aws-load-balancer-controller"
INTERNET_FACING, INTERNAL = "internet-facing", "internal"
_ROLE_TAGS = {INTERNET_FACING: "kubernetes.io/role/elb", INTERNAL: "kubernetes.io/role/internal-elb"}
_SOURCES = {BUILT_IN: "service-controller", ELBV2: "service", AUTO_MODE: "service"}
# A Network Load Balancer's name has at most 32 characters.
_NAME_LENGTH = 32


@dataclass(frozen=True)
class Plan:
    """A load balancer that the controller with ``finalizer`` creates."""

    finalizer: str
    type: str
    scheme: str
    subnets: tuple[str, ...]
    name: str


@dataclass(frozen=True)
class Refusal:
    """The reason why the controller with ``finalizer`` cannot serve a Service."""

    finalizer: str
    reason: str
    message: str


def serving(service: Object, *, auto_mode: bool, controller: bool) -> str | None:
    """Return the finalizer of the controller that serves a Service; None if there is none and it stays pending.

    ``auto_mode``: Auto Mode's load balancing is on; ``controller``: the AWS Load Balancer Controller runs.
    """
    spec = service["spec"]
    if spec.get("type") != "LoadBalancer":
        return None
    wanted = spec.get("loadBalancerClass")
    if wanted == AUTO_MODE_CLASS:
        return AUTO_MODE if auto_mode else None
    external = _annotation(service, "type") in ("external", "nlb-ip")
    if wanted == CONTROLLER_CLASS or (wanted is None and external):
        return ELBV2 if controller else None
    # The cloud controller manager ignores Services with a class, and Auto Mode ignores those without.
    return BUILT_IN if wanted is None and not auto_mode else None


def scheme_of(service: Object, finalizer: str) -> str:
    """Return the scheme: the built-in controller's default is public, that of the others internal."""
    if finalizer == BUILT_IN:
        return INTERNAL if _annotation(service, "internal") not in ("", "false") else INTERNET_FACING
    scheme = _annotation(service, "scheme")
    if scheme in _ROLE_TAGS:
        return scheme
    return INTERNET_FACING if _annotation(service, "internal") == "false" else INTERNAL


def eligible_subnets(
    subnets: Iterable[Record], scheme: str, cluster: str, chosen: Sequence[str] = ()
) -> tuple[str, ...]:
    """Return one subnet for each zone: those that the Service names, else those with the role tag of the scheme.

    A subnet tagged for other clusters only is not taken (AWS Load Balancer Controller, "Subnet auto discovery").
    """
    by_zone: dict[str, str] = {}
    for subnet in sorted(subnets, key=lambda s: str(s["SubnetId"])):
        tags = _tags(subnet)
        owners = {key.rpartition("/")[2] for key in tags if key.startswith("kubernetes.io/cluster/")}
        if chosen:
            fits = subnet["SubnetId"] in chosen or tags.get("Name") in chosen
        else:
            fits = tags.get(_ROLE_TAGS[scheme]) in ("", "1") and (not owners or cluster in owners)
        if fits:
            by_zone.setdefault(subnet["AvailabilityZone"], subnet["SubnetId"])
    return tuple(by_zone[zone] for zone in sorted(by_zone))


def plan(
    service: Object, subnets: Sequence[Record], cluster: str, *, auto_mode: bool, controller: bool
) -> Plan | Refusal | None:
    """Return the result for a Service: a load balancer, an error with AWS's message, or nothing."""
    finalizer = serving(service, auto_mode=auto_mode, controller=controller)
    if finalizer is None:
        return None
    scheme = scheme_of(service, finalizer)
    chosen = [part.strip() for part in _annotation(service, "subnets").split(",") if part.strip()]
    found = eligible_subnets(subnets, scheme, cluster, chosen)
    kind = "network" if finalizer != BUILT_IN or _annotation(service, "type") == "nlb" else "classic"
    if found:
        return Plan(finalizer, kind, scheme, found, load_balancer_name(service, finalizer, cluster))
    if finalizer == BUILT_IN:
        return Refusal(
            finalizer,
            "SyncLoadBalancerFailed",
            "Error syncing load balancer: failed to ensure load balancer: "
            "could not find any suitable subnets for creating the ELB",
        )
    if chosen:
        why = "couldn't find all subnets, want: " + f"[{' '.join(chosen)}], found: []"
    else:
        why = (
            "couldn't auto-discover subnets: unable to resolve at least one subnet "
            f"(0 match VPC and tags: [{_ROLE_TAGS[scheme]}])"
        )
    return Refusal(finalizer, "FailedBuildModel", f"Failed build model due to {why}")


def load_balancer_name(service: Object, finalizer: str, cluster: str) -> str:
    meta = service["metadata"]
    if finalizer == BUILT_IN:
        return f"a{meta['uid'].replace('-', '')}"[:_NAME_LENGTH]
    given = _annotation(service, "name")
    if given:
        return given[:_NAME_LENGTH]
    unique = digest(cluster, meta["uid"], length=10)
    return f"k8s-{_short(meta['namespace'])}-{_short(meta['name'])}-{unique}"


def dns_name(plan: Plan, region: str) -> str:
    """Return the DNS name of a load balancer; the order of the domain's parts differs for Classic and Network ones."""
    internal = plan.scheme == INTERNAL
    if plan.type == "classic":
        number = int(digest(plan.name, "classic", length=8), 16)
        return f"{'internal-' if internal else ''}{plan.name}-{number}.{region}.elb.amazonaws.com"
    return f"{plan.name}-{digest(plan.name, 'network', length=16)}.elb.{region}.amazonaws.com"


def controller_available(deployments: Iterable[Object]) -> bool:
    """Whether the AWS Load Balancer Controller is installed and runs."""
    for deployment in deployments:
        meta = deployment["metadata"]
        name = meta.get("labels", {}).get("app.kubernetes.io/name", meta["name"])
        if _CONTROLLER in (name, meta["name"]) and deployment.get("status", {}).get("availableReplicas", 0) > 0:
            return True
    return False


class LoadBalancerController:
    """Serves the cluster's Services of type LoadBalancer."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._backoff = Backoff()

    def reconcile(self, cluster: Record) -> None:
        balancing = (cluster.get("kubernetesNetworkConfig") or {}).get("elasticLoadBalancing") or {}
        auto_mode = bool(balancing.get("enabled", self._context.auto_mode(cluster)))
        controller = controller_available(self._context.all("Deployment"))
        for service in self._context.all("Service"):
            name = f"Service {service['metadata']['namespace']}/{service['metadata']['name']}"
            look = partial(self._one, service, str(cluster["name"]), auto_mode=auto_mode, controller=controller)
            guarded(self._context.log, name, look)

    def _one(self, service: Object, cluster: str, *, auto_mode: bool, controller: bool) -> None:
        meta = service["metadata"]
        if "deletionTimestamp" in meta or service["spec"].get("type") != "LoadBalancer":
            held = [finalizer for finalizer in meta.get("finalizers") or [] if finalizer in _FINALIZERS]
            if held:
                self._release(service, held, controller=controller)
        elif (
            serving(service, auto_mode=auto_mode, controller=controller)
            and not _served(service)
            and self._backoff.due(meta["uid"])
        ):
            subnets = self._context.cloud.subnets()
            self._serve(service, plan(service, subnets, cluster, auto_mode=auto_mode, controller=controller), cluster)

    def _serve(self, service: Object, decision: Plan | Refusal | None, cluster: str) -> None:
        meta = service["metadata"]
        if decision is None:
            return
        source = _SOURCES[decision.finalizer]
        self._write(service, {"metadata": {"finalizers": _with(meta.get("finalizers"), decision.finalizer)}})
        if isinstance(decision, Refusal):
            self._backoff.failed(meta["uid"])
            self._context.event(service, "Warning", decision.reason, decision.message, source)
            return
        if decision.finalizer == BUILT_IN:
            self._context.event(service, "Normal", "EnsuringLoadBalancer", "Ensuring load balancer", source)
        host = dns_name(decision, self._context.ref.region)
        owner = f"{meta['namespace']}/{meta['name']}"
        tags = {f"kubernetes.io/cluster/{cluster}": "owned", "kubernetes.io/service-name": owner}
        if decision.finalizer != BUILT_IN:
            tags = {"elbv2.k8s.aws/cluster": cluster, "service.k8s.aws/stack": owner}
        self._context.cloud.create_load_balancer(
            LoadBalancer(decision.name, decision.type, decision.scheme, host, decision.subnets, tags)
        )
        status: Object = {"status": {"loadBalancer": {"ingress": [{"hostname": host}]}}}
        self._write(service, status, "status")
        done = ("EnsuredLoadBalancer", "Ensured load balancer")
        if decision.finalizer != BUILT_IN:
            done = ("SuccessfullyReconciled", "Successfully reconciled")
        self._context.event(service, "Normal", *done, source)
        self._backoff.worked(meta["uid"])

    def _release(self, service: Object, held: Sequence[str], *, controller: bool) -> None:
        """Delete the load balancer of a Service that no longer needs it, then remove the finalizer."""
        meta = service["metadata"]
        if ELBV2 in held and not controller:
            return  # no controller removes the finalizer, so the Service is not deleted, as on AWS
        for finalizer in held:
            name = load_balancer_name(service, finalizer, self._context.ref.name)
            self._context.cloud.delete_load_balancer(name)
        if "deletionTimestamp" not in meta:
            self._write(service, {"status": {"loadBalancer": {"ingress": None}}}, "status")
        rest = [finalizer for finalizer in meta.get("finalizers") or [] if finalizer not in held]
        self._write(service, {"metadata": {"finalizers": rest}})

    def _write(self, service: Object, patch: Object, subresource: str = "") -> None:
        meta = service["metadata"]
        current = service.get("metadata", {}).get("finalizers")
        if patch.get("metadata", {}).get("finalizers", current) == current and not subresource:
            return
        written = self._context.kube.patch("Service", meta["name"], patch, meta["namespace"], subresource)
        meta["finalizers"] = written["metadata"].get("finalizers", [])
        if written["metadata"].get("finalizers") or "deletionTimestamp" not in written["metadata"]:
            self._context.informers["Service"].remember(written)


def _served(service: Object) -> bool:
    return bool((service.get("status", {}).get("loadBalancer") or {}).get("ingress"))


def _with(finalizers: Sequence[str] | None, finalizer: str) -> list[str]:
    current = list(finalizers or [])
    return current if finalizer in current else [*current, finalizer]


def _annotation(service: Object, name: str) -> str:
    return str((service["metadata"].get("annotations") or {}).get(_ANNOTATION + name, ""))


def _tags(subnet: Mapping[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in subnet.get("Tags") or []}


def _short(text: str) -> str:
    return "".join(character for character in text if character.isalnum())[:8]
