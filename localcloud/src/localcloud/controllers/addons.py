# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Add-ons: installation and deletion of their objects, and their health, which depends on their pods."""

from __future__ import annotations

import time
from functools import partial

from localcloud.controllers import manifests
from localcloud.controllers.cloud import AddonReport, Issue, Record
from localcloud.controllers.context import Context, guarded
from localcloud.controllers.kube import Object

_PROTECTED = ("Namespace",)
_PREPARED = "localcloud.dataplatform.fleet/prepared"


class AddonController:
    """Applies the objects that EKS manages in the cluster."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._applied: dict[str, tuple[str, str, str]] = {}
        self._missing_since: dict[str, float] = {}
        self._starting = False
        self._prepared = ""

    def reconcile(self, cluster: Record) -> None:
        auto_mode = self._context.auto_mode(cluster)
        network = cluster.get("kubernetesNetworkConfig") or {}
        place = manifests.Place(
            self._context.ref.region, manifests.dns_ip(network.get("serviceIpv4Cidr") or "10.100.0.0/16"), auto_mode
        )
        self._prepare(cluster, place)
        self._starting = auto_mode or bool(self._context.all("Node"))
        addons = {str(addon["addonName"]): addon for addon in self._context.cloud.addons()}
        for name, addon in addons.items():
            guarded(self._context.log, f"add-on {name}", partial(self._one, addon, place))
        for name in self._installed() - addons.keys():
            self._remove(name, preserve=False)

    def _one(self, addon: Record, place: manifests.Place) -> None:
        name = str(addon["addonName"])
        if addon["status"] == "DELETING":
            self._remove(name, preserve=bool(addon.get("preserve")))
        elif addon["status"] != "CREATE_FAILED":
            self._install(addon, place)
            self._context.cloud.report_addon(name, self._report(name))

    def _prepare(self, cluster: Record, place: manifests.Place) -> None:
        """Create the objects that EKS creates in every new cluster; later changes of users are kept."""
        state = f"auto mode {place.auto_mode}"
        if self._prepared == state:
            return
        if not self._prepared and not self._marked():
            objects = manifests.cluster_objects()
            if cluster.get("bootstrapSelfManagedAddons") and not place.auto_mode:
                objects += manifests.self_managed_objects(str(cluster.get("version", "")), place)
            for obj in objects:
                self._context.kube.apply(obj)
            mark = {"metadata": {"annotations": {_PREPARED: "true"}}}
            self._context.kube.patch("Namespace", "kube-system", mark)
        if place.auto_mode:
            for obj in manifests.auto_mode_objects():
                self._context.kube.apply(obj)
        self._prepared = state

    def _marked(self) -> bool:
        namespace = self._context.kube.get("Namespace", "kube-system")
        return _PREPARED in ((namespace or {}).get("metadata", {}).get("annotations") or {})

    def _install(self, addon: Record, place: manifests.Place) -> None:
        """Apply an add-on's objects when its version or configuration changed."""
        name, version = str(addon["addonName"]), str(addon.get("addonVersion", ""))
        values = str(addon.get("configurationValues") or "")
        wanted = (version, values, place.dns_ip)
        if self._applied.get(name) == wanted:
            return
        for obj in manifests.addon_objects(name, version, values, place):
            stored = self._context.kube.apply(obj)
            if obj["kind"] in self._context.informers:
                self._context.informers[obj["kind"]].remember(stored)
        self._applied[name] = wanted
        self._missing_since.pop(name, None)

    def _installed(self) -> set[str]:
        """Return the add-ons whose workloads are in the cluster."""
        workloads = [*self._context.all("Deployment"), *self._context.all("DaemonSet")]
        labels = (workload["metadata"].get("labels", {}).get(manifests.ADDON_LABEL) for workload in workloads)
        return {name for name in labels if name}

    def _remove(self, name: str, *, preserve: bool) -> None:
        """Delete an add-on's objects, or keep them with ``preserve``."""
        self._applied.pop(name, None)
        self._missing_since.pop(name, None)
        if name not in self._installed():
            return
        place = manifests.Place(self._context.ref.region, "")
        for obj in manifests.addon_objects(name, "", "{defaultStorageClass: {enabled: true}}", place):
            kind, meta = obj["kind"], obj["metadata"]
            namespace = meta.get("namespace", "")
            if preserve:
                if self._context.kube.get(kind, meta["name"], namespace) is not None:
                    label = {"metadata": {"labels": {manifests.ADDON_LABEL: None}}}
                    self._context.kube.patch(kind, meta["name"], label, namespace)
            elif kind not in _PROTECTED:
                self._context.kube.delete(kind, meta["name"], namespace)
            if kind in self._context.informers and not preserve:
                self._context.informers[kind].forget(meta["name"], namespace)

    def _report(self, name: str) -> AddonReport:
        version = self._applied[name][0]
        lacking = sorted(self._lacking(name))
        if not lacking:
            self._missing_since.pop(name, None)
            return AddonReport(version, available=True)
        since = self._missing_since.setdefault(name, time.monotonic())
        if self._starting and time.monotonic() - since < self._context.settings.unavailable_grace:
            return AddonReport(version, available=False)
        text = "The add-on is unhealthy because it doesn't have the desired number of replicas."
        return AddonReport(
            version, available=False, issues=(Issue("InsufficientNumberOfReplicas", text, tuple(lacking)),)
        )

    def _lacking(self, name: str) -> list[str]:
        """Return the add-on's workloads that are missing or lack available pods."""
        place = manifests.Place(self._context.ref.region, "")
        lacking = []
        for obj in manifests.addon_objects(name, "", "", place):
            kind, meta = obj["kind"], obj["metadata"]
            if kind in ("Deployment", "DaemonSet"):
                found = self._context.cached(kind, meta["name"], meta["namespace"])
                if found is None or not _available(found):
                    lacking.append(meta["name"])
        return lacking


def _available(workload: Object) -> bool:
    """Whether all pods of a workload's current generation are available."""
    status = workload.get("status") or {}
    if status.get("observedGeneration", 0) < workload["metadata"].get("generation", 0):
        return False
    if workload["kind"] == "Deployment":
        wanted = int(workload["spec"].get("replicas", 1))
        return min(int(status.get("availableReplicas", 0)), int(status.get("updatedReplicas", 0))) >= wanted
    wanted = int(status.get("desiredNumberScheduled", 0))
    return int(status.get("numberAvailable", 0)) >= wanted and int(status.get("updatedNumberScheduled", 0)) >= wanted
