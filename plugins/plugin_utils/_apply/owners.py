# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fields that controllers write by design, although a template can contain them.

They are sent with a new object. Once somebody else owns such a field alone, it is left out: taking it back would break
what the controller is there for, and be undone by it, in every run. Who owns a field, the server says (managedFields).
What the API server itself fills in, such as a Service's addresses and ports, needs no rule: its dry run says that
nothing changes.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterator
from typing import Final

from .drift import by_hand
from .fields import MANAGER, Path, contains, lookup, managed_by, others
from .normalise import quantity
from .objects import Json, Key, Value

Autoscaled = Callable[[Key], bool]
"""Whether a HorizontalPodAutoscaler has an object as its target."""

_ADMISSION: Final = "admissionregistration.k8s.io"
_CA_BUNDLE: Final[dict[tuple[str, str], Path]] = {
    (_ADMISSION, "MutatingWebhookConfiguration"): ("f:webhooks", "*", "f:clientConfig", "f:caBundle"),
    (_ADMISSION, "ValidatingWebhookConfiguration"): ("f:webhooks", "*", "f:clientConfig", "f:caBundle"),
    ("apiextensions.k8s.io", "CustomResourceDefinition"): (
        *("f:spec", "f:conversion", "f:webhook", "f:clientConfig", "f:caBundle"),
    ),
    ("apiregistration.k8s.io", "APIService"): ("f:spec", "f:caBundle"),
}
# An empty rendered value is a placeholder that a controller fills.
_PLACEHOLDERS: Final[dict[tuple[str, str], tuple[Path, ...]]] = {
    **{kind: (path,) for kind, path in _CA_BUNDLE.items()},
    # The binder of volumes, the scheduler: https://kubernetes.io/docs/concepts/storage/persistent-volumes/#binding
    ("", "PersistentVolumeClaim"): (("f:spec", "f:volumeName"),),
    ("", "Pod"): (("f:spec", "f:nodeName"),),
    # The endpoints controllers: https://kubernetes.io/docs/concepts/services-networking/service/
    ("", "Endpoints"): (("f:subsets",),),
    ("discovery.k8s.io", "EndpointSlice"): (("f:endpoints",), ("f:ports",)),
    # Certificates and tokens that are created in the cluster.
    ("", "Secret"): (("f:data", "*"),),
}
# Annotations that request an injected certificate authority: https://cert-manager.io/docs/concepts/ca-injector/ and
# https://docs.redhat.com/en/documentation/openshift_container_platform, "Service CA certificates".
_INJECTORS: Final = (
    "cert-manager.io/inject-ca-from",
    "cert-manager.io/inject-ca-from-secret",
    "cert-manager.io/inject-apiserver-ca",
    "service.beta.openshift.io/inject-cabundle",
)
# Annotations that Kubernetes writes, and that exported objects contain.
# Source: https://kubernetes.io/docs/reference/labels-annotations-taints/
_NOTES: Final = frozenset(
    {
        "control-plane.alpha.kubernetes.io/leader",
        "deployment.kubernetes.io/desired-replicas",
        "deployment.kubernetes.io/max-replicas",
        "deployment.kubernetes.io/revision",
        "deprecated.daemonset.template.generation",
        "endpoints.kubernetes.io/last-change-trigger-time",
        "pv.kubernetes.io/bind-completed",
        "pv.kubernetes.io/bound-by-controller",
        "pv.kubernetes.io/provisioned-by",
        "volume.beta.kubernetes.io/storage-provisioner",
        "volume.kubernetes.io/selected-node",
        "volume.kubernetes.io/storage-provisioner",
    }
)
# Sizes that a volume autoscaler increases: of the claim, and then of its volume.
_SIZES: Final[dict[tuple[str, str], Path]] = {
    ("", "PersistentVolumeClaim"): ("f:spec", "f:resources", "f:requests", "f:storage"),
    ("", "PersistentVolume"): ("f:spec", "f:capacity", "f:storage"),
}
# A lease belongs to its holder: https://kubernetes.io/docs/concepts/architecture/leases/
_LEASE: Final = ("coordination.k8s.io", "Lease")
_REPLICAS: Final = ("f:spec", "f:replicas")
_RULES: Final = ("f:rules",)


def left_to_controllers(key: Key, body: Json, live: Json, autoscaled: Autoscaled) -> list[Path]:
    """Return the rendered fields of an object that another manager owns by design and has set."""
    ours = [entry.get("fieldsV1") or {} for entry in managed_by(live, MANAGER)]

    def left(path: Path) -> bool:
        there, value = lookup(live, path)
        return there and not _empty(value) and not any(contains(owned, path) for owned in ours)

    found = [path for path in dict.fromkeys(_candidates(key, body, live)) if left(path)]
    # https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/
    if lookup(body, _REPLICAS)[0] and left(_REPLICAS) and autoscaled(key):
        found.append(_REPLICAS)
    return found


def _candidates(key: Key, body: Json, live: Json) -> Iterator[Path]:
    group_kind = (key.group, key.kind)
    annotations = body["metadata"].get("annotations") or {}
    yield from (("f:metadata", "f:annotations", f"f:{name}") for name in annotations if name in _NOTES)
    for pattern in _PLACEHOLDERS.get(group_kind, ()):
        for path in _matching(body, pattern):
            _, value = lookup(body, path)
            # Data that a user has written into a Secret does not belong to a controller.
            if group_kind == ("", "Secret") and _typed(live, path):
                continue
            if _empty(value) or (pattern[-1] == "f:caBundle" and any(name in annotations for name in _INJECTORS)):
                yield path
    # https://kubernetes.io/docs/reference/access-authn-authz/rbac/#aggregated-clusterroles
    if group_kind == ("rbac.authorization.k8s.io", "ClusterRole") and body.get("aggregationRule") and "rules" in body:
        yield _RULES
    if group_kind == _LEASE:
        yield from _matching(body, ("f:spec", "*"))
    if group_kind in _SIZES and _grown(body, live, _SIZES[group_kind]):
        yield _SIZES[group_kind]


def _matching(body: Json, pattern: Path) -> Iterator[Path]:
    """The paths of a rendered object that a pattern names; ``*`` is each field or named item."""
    paths: list[Path] = [()]
    for step in pattern:
        further: list[Path] = []
        for path in paths:
            found, value = lookup(body, path)
            if not found:
                continue
            if step != "*":
                further.append((*path, step))
            elif isinstance(value, dict):
                further += [(*path, f"f:{name}") for name in value]
            elif isinstance(value, list):
                names = (json.dumps(item.get("name")) for item in value if isinstance(item, dict))
                further += [(*path, f'k:{{"name":{name}}}') for name in names]
        paths = further
    yield from (path for path in paths if lookup(body, path)[0])


def _empty(value: Value) -> bool:
    """Whether a value is empty, or encoded white space, the placeholder of charts for a certificate authority."""
    if isinstance(value, str):
        try:
            return not base64.b64decode(value, validate=True).replace(b"\\n", b"").strip()
        except (binascii.Error, ValueError):
            return not value.strip()
    return value is None or value in ([], {})


def _grown(body: Json, live: Json, path: Path) -> bool:
    """Whether a program, not a user or this set, has made a volume of the set larger than rendered."""
    wanted, there = (quantity(lookup(obj, path)[1]) for obj in (body, live))
    if wanted is None or there is None or there <= wanted or not managed_by(live, MANAGER):
        return False
    owners = [entry for entry in others(live) if contains(entry.get("fieldsV1") or {}, path)]
    return bool(owners) and not any(by_hand(entry) or entry.get("manager") == MANAGER for entry in owners)


def _typed(live: Json, path: Path) -> bool:
    """Whether a user has set a field with a command-line tool."""
    return any(by_hand(entry) and contains(entry.get("fieldsV1") or {}, path) for entry in others(live))


def autoscaler_targets(autoscalers: list[Json]) -> set[Key]:
    """Return the targets of HorizontalPodAutoscalers."""
    found = set()
    for autoscaler in autoscalers:
        spec = autoscaler.get("spec")
        target = spec.get("scaleTargetRef") if isinstance(spec, dict) else None
        if not isinstance(target, dict):
            continue  # the server refuses it with a precise error
        group = str(target.get("apiVersion", "")).rpartition("/")[0]
        found.add(
            Key(
                group,
                str(target.get("kind")),
                autoscaler["metadata"].get("namespace", ""),
                str(target.get("name")),
            )
        )
    return found
