# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates and passwords of the role pki, by owner."""

from __future__ import annotations

import re
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.tests.unit.roles.rendering import ROLES, evaluate, role_names, shared_values

EVERYWHERE = {"fluent-bit", "kube-state-metrics", "node-exporter", "prometheus"}


def internal(name: str, host: str = "controlplane", **options: Any) -> Any:
    return evaluate("pki", f"__pki_{name}", host=host, **options)


def test_a_workload_has_the_agents_certificates_and_the_key_of_their_checksums() -> None:
    assert set(internal("wanted_certificates", host="staging")) == EVERYWHERE
    assert internal("wanted_passwords", host="staging") == {"checksum-key": "password"}


def test_kafkas_names_and_ids_follow_the_number_of_nodes() -> None:
    names = internal("wanted_certificates", pki_kafka_nodes=2)["kafka"]
    assert {"kafka-bootstrap.dataplatform.internal", "kafka-1.dataplatform.internal", "*.kafka.kafka.svc"} <= set(names)
    assert "kafka-2.dataplatform.internal" not in names
    kinds = internal("wanted_passwords", pki_kafka_nodes=2)
    assert {name for name, kind in kinds.items() if kind == "id"} == {
        *("kafka-cluster-id", "kafka-directory-0", "kafka-directory-1")
    }


def test_no_workloads_certificate_has_a_name_that_its_issuer_may_not_sign() -> None:
    reserved = internal("reserved")
    assert "dataplatform.internal" in reserved
    for names in internal("wanted_certificates", host="staging").values():
        assert not [name for name in names for one in reserved if name == one or name.endswith(f".{one}")]


def test_the_controlplanes_services_are_reserved() -> None:
    reserved = internal("reserved")
    for name, names in internal("wanted_certificates").items():
        if name not in EVERYWHERE:
            services = [one for one in names if one.count(".") > 1]
            assert services
            assert all(any(one.endswith(f".{end}") for end in reserved) for one in services), name


@pytest.mark.parametrize(
    ("rotate", "unknown"),
    [
        (["all", "kafka", "issuers", "root", "certificates", "certificates/kafka", "elastic"], []),
        (["kibana-encryption-key"], []),
        (["issuers/controlplane", "kafka/staging"], []),
        (["issuers/elsewhere", "kafka/elsewhere"], ["issuers/elsewhere", "kafka/elsewhere"]),
        (["kafka-cluster-id"], ["kafka-cluster-id"]),
        (["elastics", "certificates/x"], ["certificates/x", "elastics"]),
    ],
)
def test_names_that_can_be_rotated(rotate: list[str], unknown: list[str]) -> None:
    assert internal("unknown_rotations", host="staging", pki_rotate=rotate) == unknown


def test_lifetimes_that_could_not_follow_each_other_are_refused() -> None:
    assert internal("impossible") == []
    (issuers,) = internal("impossible", pki_issuer_days=425)
    assert issuers.startswith("pki_issuer_days is 425, but an issuer must outlive what it signs")
    assert issuers.endswith("pki_certificate_days + pki_renew_days + pki_issuer_overlap_days, 425.")
    (root,) = internal("impossible", pki_root_days=1000)
    assert "pki_root_days is 1000" in root


def test_remembers_the_networks_of_all_members_that_there_ever_were() -> None:
    known = internal("known_members")
    assert (known["former"], known["testing"]) == ("10.49.0.0/16", "10.43.0.0/16")
    assert internal("known_members", pki_members={"a": {"purpose": "workload"}}, fleet_values={"members": "{}"}) == {
        "a": ""
    }


@pytest.mark.parametrize(
    ("documents", "groups", "seen"),
    [
        ({}, {"managed": ["staging"]}, False),
        ({"staging/tls": {}}, {"managed": ["staging"]}, True),
        ({}, {"managed": ["staging", "controlplane"], "purpose_controlplane": ["controlplane"]}, True),
    ],
)
def test_reports_a_new_member_that_the_controlplane_does_not_have(documents: Any, groups: Any, seen: bool) -> None:
    found = {"documents": documents}
    assert internal("seen", host="staging", groups=groups, __pki_found=found) is seen


def test_every_path_that_a_role_reads_is_made_by_pki() -> None:
    asking = re.compile(r"inventory_hostname ~ '/((?:tls|passwords|issuer|kafka)/[a-z0-9/_-]+)'")
    made = {re.sub("^[^/]+/", "", path) for path in shared_values()}
    files = [file for role in role_names() for file in (ROLES / role).rglob("*.yml")]
    asked = {path for file in files for path in asking.findall(file.read_text()) if path[-1] not in "/-"}
    assert asked <= made
