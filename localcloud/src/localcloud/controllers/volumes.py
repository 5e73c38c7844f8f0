# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Persistent volumes: emulates the EBS CSI driver if it is installed and has permissions.

The scheduler chooses the node, and the control plane's persistent volume controller binds claims.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from localcloud.controllers.cloud import Record, Volume
from localcloud.controllers.context import Backoff, Context, guarded
from localcloud.controllers.kube import Object
from localcloud.controllers.nodespec import ZONE, digest, is_real, zone_of
from localcloud.controllers.quantities import bytes_of

ADDON = "aws-ebs-csi-driver"
AGENT = "eks-pod-identity-agent"
DRIVER = "ebs.csi.aws.com"
AUTO_MODE_DRIVER = "ebs.csi.eks.amazonaws.com"
SERVICE_ACCOUNT = ("kube-system", "ebs-csi-controller-sa")
_PROVISIONERS = ("volume.kubernetes.io/storage-provisioner", "volume.beta.kubernetes.io/storage-provisioner")
_SELECTED_NODE = "volume.kubernetes.io/selected-node"
_PROVISIONED_BY = "pv.kubernetes.io/provisioned-by"
# The identifier in EBS, for volumes whose source does not contain it.
_VOLUME_ID = "localcloud.dataplatform.fleet/volume-id"
_FINALIZER = "external-provisioner.volume.kubernetes.io/finalizer"
# A limit of EBS.
_MAX_SIZE_GIB = 65536
# Nitro instances can attach 28 devices, of which one is the root volume and at least one a network interface.
VOLUMES_PER_NODE = 25
_UNAUTHORIZED = (
    "rpc error: code = Internal desc = Could not create volume {volume!r}: could not create volume in EC2: "
    "operation error EC2: CreateVolume, https response error StatusCode: 403, RequestID: {request}, "
    "api error UnauthorizedOperation: You are not authorized to perform this operation. {why}"
)


@dataclass(frozen=True)
class Access:
    """Whether the driver can create volumes; ``why`` is the reason if it cannot."""

    allowed: bool
    why: str = ""


def driver_access(
    addons: Iterable[Record], pod_identities: Iterable[Record], allows: Mapping[str, bool]
) -> Access | None:
    """Return the permissions of the EBS CSI driver's service account; None if the driver is not installed.

    ``allows`` returns whether a role ARN grants ``ec2:CreateVolume``.
    """
    active = {addon["addonName"]: addon for addon in addons if addon["status"] in ("ACTIVE", "UPDATING")}
    driver = active.get(ADDON)
    if driver is None:
        return None
    roles = [
        str(association["roleArn"])
        for association in pod_identities
        if (association["namespace"], association["serviceAccount"]) == SERVICE_ACCOUNT
    ]
    if roles and AGENT not in active:
        return Access(False, f"The {AGENT} add-on, which hands out the credentials, is not active.")
    roles = roles or [str(driver["serviceAccountRoleArn"])] if driver.get("serviceAccountRoleArn") else roles
    if not roles:
        return Access(False, "The service account kube-system/ebs-csi-controller-sa has no IAM role.")
    if not allows.get(roles[0], False):
        return Access(
            False,
            f"User: {roles[0]} is not authorized to perform: ec2:CreateVolume "
            "because no identity-based policy allows the ec2:CreateVolume action",
        )
    return Access(True)


def needs_provisioning(claim: Object, storage_class: Object | None) -> bool:
    """Whether a claim waits for the driver: dynamic, unbound and, with WaitForFirstConsumer, with a selected node."""
    meta = claim["metadata"]
    annotations = meta.get("annotations") or {}
    if "deletionTimestamp" in meta or claim["spec"].get("volumeName") or storage_class is None:
        return False
    waits = storage_class.get("volumeBindingMode") == "WaitForFirstConsumer"
    return bool(provisioner_of(claim)) and (not waits or bool(annotations.get(_SELECTED_NODE)))


def provisioner_of(claim: Object) -> str:
    """Return the provisioner of a claim, as set by the persistent volume controller."""
    annotations = claim["metadata"].get("annotations") or {}
    found = next((annotations[key] for key in _PROVISIONERS if key in annotations), "")
    return found if found in (DRIVER, AUTO_MODE_DRIVER) else ""


def refusal(claim: Object, parameters: Mapping[str, str]) -> str:
    """Return why EBS cannot provide the volume of a claim; empty if it can."""
    modes = claim["spec"].get("accessModes") or []
    if claim["spec"].get("volumeMode", "Filesystem") == "Filesystem" and {"ReadWriteMany", "ReadOnlyMany"} & set(modes):
        return (
            "rpc error: code = InvalidArgument desc = Volume capabilities MULTI_NODE_MULTI_WRITER not supported. "
            "Only AccessModes[ReadWriteOnce] supported."
        )
    kind = parameters.get("type", "gp3")
    if kind not in ("gp2", "gp3", "io1", "io2", "sc1", "st1", "standard"):
        return f"rpc error: code = InvalidArgument desc = Could not create volume: invalid AWS VolumeType {kind!r}"
    if size_gib(claim) > _MAX_SIZE_GIB:
        return "rpc error: code = OutOfRange desc = After round-up, volume size exceeds the limit specified"
    return ""


def size_gib(claim: Object) -> int:
    """Return the requested size in GiB, rounded up."""
    return max(1, -(-bytes_of(claim["spec"]["resources"]["requests"]["storage"]) // (1 << 30)))


def volume_of(claim: Object, storage_class: Object, zone: str, cluster: str) -> Volume:
    """Return the EBS volume for a claim and its storage class."""
    meta = claim["metadata"]
    parameters = {key.lower(): value for key, value in (storage_class.get("parameters") or {}).items()}
    name = f"pvc-{meta['uid']}"
    return Volume(
        zone=zone,
        size_gib=size_gib(claim),
        type=parameters.get("type", "gp3"),
        encrypted=parameters.get("encrypted", "false") == "true",
        kms_key_id=parameters.get("kmskeyid", ""),
        iops=int(parameters.get("iops", "0")),
        throughput=int(parameters.get("throughput", "0")),
        tags={
            "CSIVolumeName": name,
            "Name": f"{cluster}-dynamic-{name}",
            "ebs.csi.aws.com/cluster": "true",
            f"kubernetes.io/cluster/{cluster}": "owned",
            "kubernetes.io/created-for/pv/name": name,
            "kubernetes.io/created-for/pvc/name": meta["name"],
            "kubernetes.io/created-for/pvc/namespace": meta["namespace"],
        },
    )


def volume_id_of(volume: Object) -> str:
    """Return the id of the EBS volume of a PersistentVolume of this controller."""
    known = (volume["metadata"].get("annotations") or {}).get(_VOLUME_ID, "")
    return str(known or (volume["spec"].get("csi") or {}).get("volumeHandle", ""))


def on_machine(volume: Object, path: str) -> Object:
    """Return the PersistentVolume as a local volume of the real node, whose kubelet has no EBS driver."""
    spec = {key: value for key, value in volume["spec"].items() if key != "csi"}
    annotations = {**volume["metadata"]["annotations"], _VOLUME_ID: volume["spec"]["csi"]["volumeHandle"]}
    return {
        **volume,
        "metadata": {**volume["metadata"], "annotations": annotations},
        "spec": {**spec, "local": {"path": path}, "mountOptions": []},
    }


def volume_object(claim: Object, storage_class: Object, volume: Volume, volume_id: str) -> Object:
    """Return the PersistentVolume of an EBS volume."""
    meta, spec = claim["metadata"], claim["spec"]
    driver = provisioner_of(claim)
    key = "topology.kubernetes.io/zone" if driver == AUTO_MODE_DRIVER else "topology.ebs.csi.aws.com/zone"
    expression = {"key": key, "operator": "In", "values": [volume.zone]}
    file_system = (storage_class.get("parameters") or {}).get("csi.storage.k8s.io/fstype", "ext4")
    block = spec.get("volumeMode") == "Block"
    return {
        "metadata": {
            "name": f"pvc-{meta['uid']}",
            "annotations": {_PROVISIONED_BY: driver},
            "finalizers": [_FINALIZER],
        },
        "spec": {
            "accessModes": spec["accessModes"],
            "capacity": {"storage": f"{volume.size_gib}Gi"},
            "claimRef": {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "name": meta["name"],
                "namespace": meta["namespace"],
                "resourceVersion": meta["resourceVersion"],
                "uid": meta["uid"],
            },
            "csi": {
                "driver": driver,
                "volumeHandle": volume_id,
                **({} if block else {"fsType": file_system}),
                "volumeAttributes": {"storage.kubernetes.io/csiProvisionerIdentity": f"1-localcloud-{driver}"},
            },
            "mountOptions": storage_class.get("mountOptions") or [],
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}},
            "persistentVolumeReclaimPolicy": storage_class.get("reclaimPolicy", "Delete"),
            "storageClassName": spec.get("storageClassName", ""),
            "volumeMode": spec.get("volumeMode", "Filesystem"),
        },
    }


class VolumeController:
    """Provisions, expands and deletes EBS volumes. Simulated nodes start pods without attaching volumes."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._backoff = Backoff()

    def reconcile(self, cluster: Record) -> None:
        drivers = self._drivers(cluster)
        for node in self._context.all("Node"):
            self._register(node, drivers)
        for claim in self._context.all("PersistentVolumeClaim"):
            name = f"claim {claim['metadata']['namespace']}/{claim['metadata']['name']}"
            guarded(self._context.log, name, partial(self._one, claim, drivers, str(cluster["name"])))
        for volume in self._context.all("PersistentVolume"):
            driver = (volume["metadata"].get("annotations") or {}).get(_PROVISIONED_BY, "")
            if driver in drivers:
                name = f"volume {volume['metadata']['name']}"
                guarded(self._context.log, name, partial(self._reclaim, volume))

    def _one(self, claim: Object, drivers: Mapping[str, Access], cluster: str) -> None:
        storage_class = self._context.cached("StorageClass", claim["spec"].get("storageClassName") or "")
        if needs_provisioning(claim, storage_class):
            access = drivers.get(provisioner_of(claim))
            due = self._backoff.due(claim["metadata"]["uid"])
            if due and access is not None and storage_class is not None:
                self._provision(claim, storage_class, access, cluster)
        elif self._grows(claim, drivers):
            self._expand(claim)

    def _drivers(self, cluster: Record) -> dict[str, Access]:
        """Return the installed drivers with their permissions."""
        drivers: dict[str, Access] = {}
        storage = (cluster.get("storageConfig") or {}).get("blockStorage") or {}
        if storage.get("enabled", self._context.auto_mode(cluster)):
            drivers[AUTO_MODE_DRIVER] = Access(True)
        deployment = self._context.cached("Deployment", "ebs-csi-controller", "kube-system")
        if deployment and deployment.get("status", {}).get("availableReplicas", 0) > 0:
            addons, identities = self._context.cloud.addons(), self._context.cloud.pod_identities()
            arns = {str(identity["roleArn"]) for identity in identities}
            arns |= {str(addon["serviceAccountRoleArn"]) for addon in addons if addon.get("serviceAccountRoleArn")}
            allows = {arn: self._context.cloud.role_allows(arn, "ec2:CreateVolume") for arn in arns}
            access = driver_access(addons, identities, allows)
            if access is not None:
                drivers[DRIVER] = access
        return drivers

    def _register(self, node: Object, drivers: Mapping[str, Access]) -> None:
        """Update the node's CSINode, which the scheduler uses to count volumes, for the installed drivers."""
        meta = node["metadata"]
        wanted = sorted(drivers)
        known = self._context.cached("CSINode", meta["name"])
        if known is not None and sorted(d["name"] for d in known["spec"].get("drivers") or []) == wanted:
            return
        entries = [
            {
                "name": driver,
                "nodeID": node["spec"].get("providerID", "").rpartition("/")[2],
                "topologyKeys": ["kubernetes.io/os", ZONE, "topology.ebs.csi.aws.com/zone"],
                "allocatable": {"count": VOLUMES_PER_NODE},
            }
            for driver in wanted
        ]
        owner = {"apiVersion": "v1", "kind": "Node", "name": meta["name"], "uid": meta["uid"]}
        body: Object = {"metadata": {"name": meta["name"], "ownerReferences": [owner]}, "spec": {"drivers": entries}}
        if known is None:
            stored = self._context.kube.create("CSINode", body)
        else:
            stored = self._context.kube.patch("CSINode", meta["name"], {"spec": {"drivers": entries}})
        self._context.informers["CSINode"].remember(stored)

    def _provision(self, claim: Object, storage_class: Object, access: Access, cluster: str) -> None:
        meta = claim["metadata"]
        source = f"{provisioner_of(claim)}_ebs-csi-controller"
        problem = refusal(claim, storage_class.get("parameters") or {})
        if not access.allowed:
            request = digest(meta["uid"], length=32)
            problem = _UNAUTHORIZED.format(volume=f"pvc-{meta['uid']}", request=request, why=access.why)
        zone = "" if problem else self._zone(claim)
        if not problem and not zone:
            problem = "error generating accessibility requirements: no topology key found on CSINode"
        if problem:
            self._backoff.failed(meta["uid"])
            name = storage_class["metadata"]["name"]
            text = f'failed to provision volume with StorageClass "{name}": {problem}'
            self._context.event(claim, "Warning", "ProvisioningFailed", text, source)
            return
        name = f"pvc-{meta['uid']}"
        if self._context.cached("PersistentVolume", name) is not None:
            return  # the persistent volume controller will bind it
        volume = volume_of(claim, storage_class, zone, cluster)
        volume_id = self._context.cloud.create_volume(volume)
        body = volume_object(claim, storage_class, volume, volume_id)
        if self._context.machines is not None and self._is_for_machine(claim):
            file_system = str(body["spec"]["csi"]["fsType"])
            path = self._context.machines.create_volume(self._context.ref, volume_id, volume.size_gib, file_system)
            body = on_machine(body, path)
        self._context.informers["PersistentVolume"].remember(self._context.kube.create("PersistentVolume", body))
        self._backoff.worked(meta["uid"])
        text = f"Successfully provisioned volume {name}"
        self._context.event(claim, "Normal", "ProvisioningSucceeded", text, source)

    def _zone(self, claim: Object) -> str:
        """Return the zone of the node that the scheduler selected, else of any node."""
        selected = (claim["metadata"].get("annotations") or {}).get(_SELECTED_NODE, "")
        node = self._context.cached("Node", selected) if selected else None
        nodes = [node] if node else sorted(self._context.all("Node"), key=zone_of)
        return zone_of(nodes[0]) if nodes else ""

    def _is_for_machine(self, claim: Object) -> bool:
        """Whether a claim's pod can run on a real node: unless the scheduler selected a simulated node."""
        selected = (claim["metadata"].get("annotations") or {}).get(_SELECTED_NODE, "")
        node = self._context.cached("Node", selected) if selected else None
        return claim["spec"].get("volumeMode") != "Block" and (node is None or is_real(node))

    def _grows(self, claim: Object, drivers: Mapping[str, Access]) -> bool:
        granted = claim.get("status", {}).get("capacity", {}).get("storage")
        if claim.get("status", {}).get("phase") != "Bound" or not granted:
            return False
        volume = self._context.cached("PersistentVolume", claim["spec"]["volumeName"])
        driver = ((volume or {}).get("metadata", {}).get("annotations") or {}).get(_PROVISIONED_BY)
        access = drivers.get(driver) if driver else None
        return bool(access and access.allowed) and size_gib(claim) * (1 << 30) > bytes_of(granted)

    def _expand(self, claim: Object) -> None:
        """Expand a volume. The API server has checked that its class allows expansion."""
        meta, name = claim["metadata"], claim["spec"]["volumeName"]
        volume = self._context.cached("PersistentVolume", name)
        if volume is None:
            return
        size = size_gib(claim)
        self._context.cloud.resize_volume(volume_id_of(volume), size)
        if self._context.machines is not None:
            self._context.machines.resize_volume(self._context.ref, volume_id_of(volume), size)
        capacity = {"capacity": {"storage": f"{size}Gi"}}
        self._context.kube.patch("PersistentVolume", name, {"spec": capacity})
        stored = self._context.kube.patch(
            "PersistentVolumeClaim", meta["name"], {"status": capacity}, meta["namespace"], "status"
        )
        self._context.informers["PersistentVolumeClaim"].remember(stored)
        text = "MountVolume.NodeExpandVolume succeeded for volume"
        self._context.event(claim, "Normal", "FileSystemResizeSuccessful", f'{text} "{name}"', "kubelet")

    def _reclaim(self, volume: Object) -> None:
        """Delete a released volume with reclaim policy Delete, in EBS and in the cluster."""
        meta, spec = volume["metadata"], volume["spec"]
        released = volume.get("status", {}).get("phase") == "Released"
        deleting = "deletionTimestamp" in meta
        if released and spec.get("persistentVolumeReclaimPolicy") == "Delete":
            self._context.cloud.delete_volume(volume_id_of(volume))
            if self._context.machines is not None:
                self._context.machines.delete_volume(self._context.ref, volume_id_of(volume))
            if not deleting:
                self._context.kube.delete("PersistentVolume", meta["name"])
            deleting = True
        if deleting and released and _FINALIZER in meta.get("finalizers", []):
            rest = [finalizer for finalizer in meta["finalizers"] if finalizer != _FINALIZER]
            self._context.kube.patch("PersistentVolume", meta["name"], {"metadata": {"finalizers": rest}})
            self._context.informers["PersistentVolume"].forget(meta["name"])
