# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deletion of the fleet's key: by the controlplane, or by the last member without a controlplane."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.tests.integration.roles.running import role_runner

pytestmark = pytest.mark.integration
FLEET = "alone"
KEY = "absent | Delete the key of the secrets unless it is still needed"


def test_the_last_one_takes_the_key(emulator: Any, tmp_path: Path) -> None:
    run_role = role_runner(tmp_path)
    secrets, kms, ssm = (emulator.client(service) for service in ("secretsmanager", "kms", "ssm"))
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.tag_resource(KeyId=key, Tags=[{"TagKey": "dataplatform.fleet/fleet", "TagValue": FLEET}])
    kms.create_alias(AliasName=f"alias/{FLEET}-secrets", TargetKeyId=key)
    ssm.put_parameter(Name=f"/{FLEET}/controlplane/vpc", Value="{}", Type="String")
    tags = [{"Key": "dataplatform.fleet/fleet", "Value": FLEET}]
    for name in ("ca", *(f"{member}/{part}" for member in ("a", "b", "controlplane") for part in ("issuer", "tls"))):
        secrets.create_secret(Name=f"{FLEET}/{name}", SecretString="{}", Tags=tags)

    def remove(member: str, *arguments: str) -> bool:
        """Return whether the key is deleted."""
        purpose = "controlplane" if member == "controlplane" else "workload"
        options = {"pki_fleet": FLEET, "pki_member": member, "pki_purpose": purpose}
        run = run_role(emulator, "pki", *arguments, variables=options, tasks_from="absent")
        return KEY in {task.split(" : ")[-1] for task, *_ in run.announced}

    def state() -> str:
        found: str = kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"]
        return found

    assert not remove("a"), "the controlplane is there"
    ssm.delete_parameter(Name=f"/{FLEET}/controlplane/vpc")  # the role peering does, before
    assert not remove("controlplane"), "b has secrets"
    assert state() == "Enabled"
    assert secrets.list_secrets(Filters=[{"Key": "name", "Values": [FLEET]}])["SecretList"] != []
    assert remove("b", "--check")
    assert state() == "Enabled"
    assert remove("b")
    assert state() == "PendingDeletion"
