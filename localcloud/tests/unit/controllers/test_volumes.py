# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Conditions and parameters of provisioned volumes."""

from __future__ import annotations

from typing import Any

import pytest

from localcloud.controllers import volumes

ROLE = "arn:aws:iam::000000000000:role/ebs"
DRIVER = {"addonName": "aws-ebs-csi-driver", "status": "ACTIVE"}
AGENT = {"addonName": "eks-pod-identity-agent", "status": "ACTIVE"}
IDENTITY = {"namespace": "kube-system", "serviceAccount": "ebs-csi-controller-sa", "roleArn": ROLE}
ANNOTATION = {"volume.kubernetes.io/storage-provisioner": "ebs.csi.aws.com"}
SELECTED = {"volume.kubernetes.io/selected-node": "node-1"}


def _claim(annotations: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    return {
        "metadata": {
            "name": "data",
            "namespace": "default",
            "uid": "u-1",
            "resourceVersion": "7",
            "annotations": ANNOTATION if annotations is None else annotations,
        },
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "10Gi"}},
            "storageClassName": "gp3",
            **spec,
        },
    }


def _class(mode: str = "WaitForFirstConsumer", **parameters: str) -> dict[str, Any]:
    return {"metadata": {"name": "gp3"}, "volumeBindingMode": mode, "parameters": parameters}


@pytest.mark.parametrize(
    ("addons", "identities", "allows", "allowed", "words"),
    [
        ([DRIVER, AGENT], [IDENTITY], {ROLE: True}, True, ""),
        ([DRIVER, AGENT], [IDENTITY], {ROLE: False}, False, "not authorized to perform: ec2:CreateVolume"),
        ([DRIVER, AGENT], [], {}, False, "has no IAM role"),
        ([DRIVER], [IDENTITY], {ROLE: True}, False, "eks-pod-identity-agent"),
        ([DRIVER, AGENT], [{**IDENTITY, "serviceAccount": "other"}], {ROLE: True}, False, "has no IAM role"),
        ([{**DRIVER, "serviceAccountRoleArn": ROLE}], [], {ROLE: True}, True, ""),
        ([{**DRIVER, "status": "UPDATING"}, AGENT], [IDENTITY], {ROLE: True}, True, ""),
    ],
)
def test_permissions_of_the_driver(addons: Any, identities: Any, allows: Any, allowed: bool, words: str) -> None:
    access = volumes.driver_access(addons, identities, allows)
    assert access is not None
    assert access.allowed is allowed
    assert words in access.why


@pytest.mark.parametrize(
    "addons", [[], [AGENT], [{**DRIVER, "status": "CREATING"}], [{**DRIVER, "status": "DELETING"}]]
)
def test_without_the_driver_no_volume_is_provisioned(addons: Any) -> None:
    assert volumes.driver_access(addons, [IDENTITY], {ROLE: True}) is None


@pytest.mark.parametrize(
    ("claim", "storage_class", "expected"),
    [
        (_claim(ANNOTATION | SELECTED), _class(), True),
        (_claim(), _class(), False),
        (_claim(), _class("Immediate"), True),
        (_claim({}), _class("Immediate"), False),
        (_claim({"volume.kubernetes.io/storage-provisioner": "example.com/other"}), _class("Immediate"), False),
        (_claim(volumeName="pvc-1"), _class("Immediate"), False),
        (_claim(), None, False),
    ],
)
def test_which_claims_are_provisioned(claim: Any, storage_class: Any, expected: bool) -> None:
    assert volumes.needs_provisioning(claim, storage_class) is expected


@pytest.mark.parametrize(
    ("claim", "parameters", "words"),
    [
        (_claim(), {}, ""),
        (_claim(accessModes=["ReadWriteMany"]), {}, "Only AccessModes[ReadWriteOnce] supported"),
        (_claim(accessModes=["ReadWriteMany"], volumeMode="Block"), {}, ""),
        (_claim(), {"type": "gp9"}, "gp9"),
        (_claim(resources={"requests": {"storage": "100Ti"}}), {}, "exceeds the limit"),
    ],
)
def test_refusals(claim: Any, parameters: dict[str, str], words: str) -> None:
    reason = volumes.refusal(claim, parameters)
    assert words in reason
    assert bool(reason) is bool(words)


@pytest.mark.parametrize(("storage", "size"), [("10Gi", 10), ("1500Mi", 2), ("1", 1), ("5G", 5), ("1Ti", 1024)])
def test_sizes_are_rounded_up_to_gib(storage: str, size: int) -> None:
    assert volumes.size_gib(_claim(resources={"requests": {"storage": storage}})) == size


def test_volume_follows_its_class() -> None:
    parameters = {"type": "io2", "encrypted": "true", "kmsKeyId": "arn:aws:kms:x", "iops": "4000"}
    volume = volumes.volume_of(_claim(), _class(**parameters), "eu-central-1a", "testing")
    assert (volume.type, volume.encrypted, volume.kms_key_id, volume.iops) == ("io2", True, "arn:aws:kms:x", 4000)
    assert volume.tags["kubernetes.io/created-for/pvc/name"] == "data"


def test_persistent_volume_stays_in_its_zone() -> None:
    volume = volumes.volume_of(_claim(), _class(), "eu-central-1a", "testing")
    storage_class = {**_class(), "reclaimPolicy": "Retain"}
    spec = volumes.volume_object(_claim(), storage_class, volume, "vol-1")["spec"]
    expression = spec["nodeAffinity"]["required"]["nodeSelectorTerms"][0]["matchExpressions"][0]
    assert expression["values"] == ["eu-central-1a"]
    assert spec["csi"]["volumeHandle"] == "vol-1"
    assert spec["csi"]["fsType"] == "ext4"
    assert spec["claimRef"]["uid"] == "u-1"
    assert spec["persistentVolumeReclaimPolicy"] == "Retain"
