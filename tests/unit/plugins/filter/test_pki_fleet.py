# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The values that the controlplane's run writes."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.dataplatform.fleet.plugins.filter.pki_fleet import FilterModule
from ansible_collections.dataplatform.fleet.plugins.module_utils._documents.plan import PLACEHOLDER
from ansible_collections.dataplatform.fleet.tests.unit.plugins.plugin_utils._pki.authority import (
    MEMBERS,
    RESERVED,
    certificate,
    issuer,
    private,
    root,
)

DAYS = {
    "root": 3650,
    "issuer": 1095,
    "certificate": 365,
    "renew": 30,
    "overlap": 90,
    "issuer_overlap": 30,
    "credential_overlap": 7,
}
OF_STAGING = {"username": "staging", "password": "p"}
LIVE = {
    "ca": root(),
    "controlplane/issuer": issuer("controlplane"),
    "staging/issuer": issuer("staging", ca="old"),
    "staging/kafka": OF_STAGING,
}


def planned(documents: dict[str, Any], **options: Any) -> dict[str, Any]:
    given = {"fleet": "acme", "names": {}, "days": DAYS, "reserved": RESERVED} | options
    found: dict[str, Any] = FilterModule().filters()["pki_fleet"](documents, MEMBERS, **given)
    return found


def secrets(found: dict[str, Any]) -> dict[str, Any]:
    return {one["name"]: one["secret"] for one in found["documents"]}


def made(*members: str) -> dict[str, Any]:
    """The registered results of earlier tasks."""
    return {
        "made": {
            member: {"certificate": certificate(f"{member}-new", "root", 1095), "private_key": private(f"{member}-new")}
            for member in members
        }
    }


def test_existing_certificates_stay_and_bundles_are_made_again() -> None:
    found = planned(LIVE)
    assert (found["root"], found["issuers"]) == ("", [])
    documents = secrets(found)
    assert documents["ca"] == root()
    assert documents["staging/issuer"] == issuer("staging") | {"issuers": issuer("staging")["certificate"]}
    assert documents["staging/kafka"]["password"] == "p"
    assert len(documents["controlplane/kafka"]["password"]) == 32


def test_nothing_is_written_before_what_is_due_is_made() -> None:
    missing = {name: document for name, document in LIVE.items() if name != "staging/issuer"}
    assert planned(missing)["documents"] == []
    assert [one["name"] for one in planned(missing)["issuers"]] == ["staging"]
    assert secrets(planned(missing, **made("staging")))["staging/issuer"]["private_key"] == private("staging-new")


def test_check_mode_has_placeholders() -> None:
    documents = secrets(planned({}, check_mode=True))
    assert documents["ca"]["certificate"] == documents["staging/issuer"]["private_key"] == PLACEHOLDER


def test_a_rotation_of_all_issuers() -> None:
    found = planned(LIVE, rotate=["issuers"], **made("controlplane", "staging"))
    assert [one["name"] for one in found["issuers"]] == ["controlplane", "staging"]
    documents = secrets(found)
    assert documents["controlplane/issuer"]["private_key"] == private("controlplane"), "its next one waits"
    assert documents["controlplane/issuer"]["next_private_key"] == private("controlplane-new")
    assert documents["staging/issuer"]["private_key"] == private("staging-new")
    assert [text for text in found["notices"] if "next issuer of controlplane signs from" in text]


def test_a_mistake_shows_no_value() -> None:
    with pytest.raises(AnsibleFilterError, match=r"^pki_fleet: KeyError$"):
        planned(LIVE, days={})
