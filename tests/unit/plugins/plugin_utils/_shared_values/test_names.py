# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of shared values of the fleet's members."""

from __future__ import annotations

import pytest
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._shared_values.names import (
    Path,
    PathError,
    comes_with_this_run,
    missing,
    pick,
    placeholder,
)

BOTH = {"managed": ["controlplane", "staging"], "purpose_controlplane": ["controlplane"]}
STAGING = {"managed": ["staging"], "purpose_controlplane": ["controlplane"]}


@pytest.mark.parametrize(
    ("text", "kind", "name", "keys"),
    [
        ("staging/kafka/password", "secret", "f/staging/kafka", ["password"]),
        ("staging/tls/kafka/certificate", "secret", "f/staging/tls", ["kafka", "certificate"]),
        ("kafka/bootstrap", "parameter", "/f/kafka/bootstrap", []),
    ],
)
def test_names(text: str, kind: str, name: str, keys: list[str]) -> None:
    path = Path("f", text, kind)
    assert (path.name, path.keys) == (name, keys)


@pytest.mark.parametrize("text", ["", "staging", "staging/kafka", "staging//password", "/staging/kafka/password"])
def test_refuses_invalid_paths(text: str) -> None:
    with pytest.raises(PathError, match="<member>/<document>/<key>"):
        Path("f", text, "secret")


def test_picks_texts_only() -> None:
    document = {"a": {"b": "text"}, "n": 1}
    assert pick(document, ["a", "b"]) == "text"
    assert pick("text", []) == "text"
    for keys in (["a"], ["n"], ["x"], ["a", "b", "c"], []):
        assert pick(document, keys) is None


@pytest.mark.parametrize(
    ("text", "kind", "groups", "expected"),
    [
        ("staging/kafka/password", "secret", BOTH, True),
        ("staging/kafka/password", "secret", STAGING, False),
        ("staging/tls/prometheus/certificate", "secret", STAGING, True),
        ("testing/tls/prometheus/certificate", "secret", STAGING, False),
        ("kafka/bootstrap", "parameter", STAGING, False),
        ("kafka/bootstrap", "parameter", BOTH, True),
    ],
)
def test_objects_of_a_run(text: str, kind: str, groups: dict[str, list[str]], expected: bool) -> None:
    assert comes_with_this_run(Path("f", text, kind), groups, "staging") is expected


@pytest.mark.parametrize(
    ("text", "kind", "members", "expected"),
    [
        (
            "staging/kafka/password",
            "secret",
            ["staging"],
            "The secret f/staging/kafka, or its key password, does not exist in eu-central-1. The controlplane's run "
            "creates it for the member staging. Run first: ansible-playbook site.yml -i inventories/controlplane",
        ),
        (
            "staging/tls/a/certificate",
            "secret",
            ["staging"],
            "The secret f/staging/tls, or its key a/certificate, does not exist in eu-central-1. staging's own run "
            "creates it. Run first: ansible-playbook site.yml -i inventories/staging",
        ),
        (
            "stagin/kafka/password",
            "secret",
            ["staging"],
            "The secret f/stagin/kafka, or its key password, does not exist in eu-central-1. stagin is not in "
            "fleet_members: declare it in inventories/fleet.yml first.",
        ),
        (
            "kafka/bootstrap",
            "parameter",
            None,
            "The parameter /f/kafka/bootstrap does not exist in eu-central-1. The controlplane's run creates it. "
            "Run first: ansible-playbook site.yml -i inventories/controlplane",
        ),
    ],
)
def test_reports_what_to_run_first(text: str, kind: str, members: list[str] | None, expected: str) -> None:
    assert missing(Path("f", text, kind), "eu-central-1", members) == expected


def test_a_placeholder_names_its_path() -> None:
    assert placeholder(Path("f", "staging/kafka/password", "secret")) == "made-by-this-run:staging/kafka/password"
