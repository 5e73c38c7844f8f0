# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._ansible.yaml_files import parse
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._limits.derived import (
    BY_DEFAULT,
    NAMES,
    Name,
    too_long,
)

CHECKOUT = Path(__file__).resolve().parents[5]
HUB = {"purpose": "controlplane"}
WORKLOAD = {"purpose": "workload"}


@pytest.mark.parametrize("name", NAMES, ids=lambda name: name.what)
def test_each_name_is_derived_as_documented(name: Name) -> None:
    """Each name has the same parts as in its file."""
    parts = [part for part in re.split(r"{\w+}|1000|2036|111122223333", name.text) if part]
    text = (CHECKOUT / name.where).read_text()
    assert all(part.strip("/ ") in text for part in parts), parts
    assert name.source.startswith("https://")


def test_the_options_have_these_defaults() -> None:
    named = {word for name in NAMES for word in re.findall(r"{(\w+)}", name.text)}
    assert named <= {*BY_DEFAULT, "member"}
    assert {key for name in NAMES for key in name.only} <= {*BY_DEFAULT, "purpose"}
    values = {"fleet": "{{ fleet_name }}", "member": "{{ inventory_hostname }}"}
    for option, default in BY_DEFAULT.items():
        role = next((path for path in (CHECKOUT / "roles").iterdir() if option.startswith(f"{path.name}_")), None)
        if role and role.name != "fleet":  # those have no default: the caller of a role sets them
            found = parse((role / "defaults" / "main.yml").read_text())[option]
            expected = default.format(**values) if isinstance(default, str) else default
            assert str(found).replace("fleet_cluster", "fleet_name }}-{{ inventory_hostname") == str(expected)


def found(fleet: str, member: str, entry: dict[str, Any], **own: Any) -> list[str]:
    return too_long(fleet, {"controlplane": HUB, member: entry}, own, member)


def test_takes_what_fits() -> None:
    assert found("dataplatform", "production", WORKLOAD) == []
    # Longer than what is left of a uid of Grafana: the role alarms hashes such a name.
    assert found("dataplatform", "production-eu-central-1a", WORKLOAD) == []


@pytest.mark.parametrize(
    ("fleet", "member", "entry", "own", "words"),
    [
        ("f" * 60, "abcde", WORKLOAD, {}, ["The common name of the issuer", "66 characters; 64", "rfc5280", "by 2"]),
        (
            "f" * 60,
            "abcde",
            WORKLOAD,
            {},
            ["The common name of the fleet's root", "70 characters", "Shorten fleet_name by 6"],
        ),
        (
            "f" * 40,
            "abcde",
            WORKLOAD,
            {},
            ["IAM role of the Cluster Autoscaler", "65 characters; 64", "fleet_name or the member"],
        ),
        ("f" * 57, "abcde", WORKLOAD, {}, ["session in which a peering is accepted", "71 characters"]),
        (
            "f" * 57,
            "abcde",
            WORKLOAD,
            {"eks_name": "e" * 57},
            ["IAM role of the Kubernetes control plane", "Shorten eks_name by 1"],
        ),
        (
            "f" * 4,
            "hub",
            WORKLOAD,
            {"vpc_flow_logs": True, "vpc_name": "v" * 55},
            ["flow logs", "Shorten vpc_name by 1"],
        ),
        ("f" * 31, "abcde", HUB, {}, ["bucket of the snapshots", "64 characters; 63"]),
    ],
)
def test_refuses_what_does_not_fit(fleet: str, member: str, entry: Any, own: Any, words: list[str]) -> None:
    sentences = found(fleet, member, entry, **own)
    assert [s for s in sentences if all(word in s for word in words)], sentences


def test_looks_only_at_what_is_made() -> None:
    assert not [s for s in found("f" * 40, "abcde", {**WORKLOAD, "compute": "auto_mode"}) if "Autoscaler" in s]
    assert found("f" * 31, "abcde", HUB, elasticsearch_snapshots=False) == []
    assert found("f" * 31, "abcde", HUB, elasticsearch_snapshot_bucket="mine") == []
    assert found("f", "hub", WORKLOAD, vpc_name="v" * 55) == []
    # The run of another member checks its own names.
    assert too_long("f" * 31, {"hub": HUB, "a": WORKLOAD}, {}, "a") == []
