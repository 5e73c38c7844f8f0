# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check mode for a cluster that does not exist yet: all objects will be created, and there is no server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from . import applyset, members
from .applier import Result, Settings
from .applyset import PARENT_RESOURCE, Parent, Scope
from .objects import Json, Resource, Source
from .plan import CREATED, Action
from .schema import status_apart

# Kubernetes' own kinds without namespaces, and the groups that have no others.
_GLOBAL_KINDS: Final = frozenset(
    {
        ("", "Namespace"),
        ("", "Node"),
        ("", "PersistentVolume"),
        ("apiextensions.k8s.io", "CustomResourceDefinition"),
        ("certificates.k8s.io", "CertificateSigningRequest"),
        ("networking.k8s.io", "IngressClass"),
        ("rbac.authorization.k8s.io", "ClusterRole"),
        ("rbac.authorization.k8s.io", "ClusterRoleBinding"),
        ("security.openshift.io", "SecurityContextConstraints"),
    }
)
_GLOBAL_GROUPS: Final = frozenset(
    {
        "admissionregistration.k8s.io",
        "apiregistration.k8s.io",
        "flowcontrol.apiserver.k8s.io",
        "node.k8s.io",
        "scheduling.k8s.io",
        "storage.k8s.io",
    }
)
_LOCAL_EXCEPTIONS: Final = frozenset({("storage.k8s.io", "CSIStorageCapacity")})


class Assumed:
    """A replacement for Discovery in which every kind exists."""

    def __init__(self, found: Sequence[tuple[Json, Source]]) -> None:
        self._custom = {
            (body["spec"].get("group"), (body["spec"].get("names") or {}).get("kind")): body
            for body, _ in found
            if body["kind"] == "CustomResourceDefinition" and isinstance(body.get("spec"), dict)
        }

    def define(self, crd: Json) -> None:
        """Do nothing: every kind exists."""

    def find(self, group: str, version: str, kind: str) -> Resource:
        pair = (group, kind)
        everywhere = pair in _GLOBAL_KINDS or (group in _GLOBAL_GROUPS and pair not in _LOCAL_EXCEPTIONS)
        definition = self._custom.get(pair)
        apart = definition is None or status_apart(definition, version)
        cluster_wide = everywhere or (definition is not None and definition["spec"].get("scope") == "Cluster")
        return Resource(group, version, kind, "", not cluster_wide, apart)

    def versions(self, kind: str) -> list[Resource]:  # noqa: ARG002 - discovery's signature
        return []

    def kinds(self) -> list[str]:
        return []

    def type_of(self, resource: Resource) -> None:  # noqa: ARG002 - discovery's signature
        return None

    def rendered_type_of(self, resource: Resource) -> None:  # noqa: ARG002 - discovery's signature
        return None

    def prefetch(self, resources: set[Resource]) -> None:
        """Do nothing: there is no server."""


def of_new_cluster(settings: Settings, found: Sequence[tuple[Json, Source]]) -> Result:
    """Return the result that a run will report after the creation of the cluster."""
    parent = Parent(settings.name, settings.namespace)
    assumed = Assumed(found)
    resolved = members.resolve(found, assumed, parent, allow_namespaces=settings.allow_namespaces)
    warnings = members.complete(resolved, assumed, parent)
    scope = applyset.scope_of((member.key for member in resolved), parent) | Scope()
    actions = [Action(parent.key, PARENT_RESOURCE, CREATED, after=parent.body(scope))]
    actions += [Action(member.key, member.resource, CREATED, member, after=member.body) for member in resolved]
    return Result(actions, warnings=warnings)
