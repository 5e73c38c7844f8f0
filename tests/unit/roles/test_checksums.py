# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checksums in Pods, Jobs and diffs do not allow to verify a guessed secret."""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.tests.unit.roles.rendering import (
    ROLES,
    Objects,
    render_template,
    role_names,
    shared_values,
    template_files,
)

Value = Any  # whatever a JSON document holds
KEY = "controlplane/passwords/checksum-key"
# Secrets from users, including short ones, with the options that use them.
GIVEN = {
    "controlplane/slack/url": "https://hooks.slack.example.com/services/T1",
    "controlplane/slack/staging": "https://hooks.slack.example.com/services/T2",
    "controlplane/heartbeat/url": "https://heartbeat.example.com/ping/1",
    "controlplane/database/password": "hunter2",
    "controlplane/oidc/secret": "oidc-client-secret",
    "controlplane/smtp/password": "smtp-password",
    "controlplane/people/alice": "correct horse",
}
SETTINGS: dict[str, dict[str, Value]] = {
    "alarms": {
        "alarms_slack_secret": "controlplane/slack/url",
        "alarms_heartbeat_secret": "controlplane/heartbeat/url",
        "alarms_environments": {"staging": {"slack_secret": "controlplane/slack/staging", "severities": ["critical"]}},
    },
    "elasticsearch": {
        "elasticsearch_users": [{"name": "alice", "roles": ["viewer"], "secret": "controlplane/people/alice"}]
    },
    "grafana": {
        "grafana_database_host": "db.example.com:5432",
        "grafana_database_secret": "controlplane/database/password",
        "grafana_host": "grafana.example.com",
        "grafana_oidc_client_id": "grafana",
        "grafana_oidc_secret": "controlplane/oidc/secret",
        "grafana_oidc_auth_url": "https://login.example.com/",
        "grafana_oidc_token_url": "https://login.example.com/",
        "grafana_oidc_api_url": "https://login.example.com/",
        "grafana_smtp_host": "smtp.example.com:587",
        "grafana_smtp_from_address": "grafana@example.com",
        "grafana_smtp_secret": "controlplane/smtp/password",
    },
}
SECRET = re.compile(r"/(passwords/.+|kafka/(previous_)?password|.+/private_key)$")
KINDS = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512")
SHORTEST = 8


@functools.cache
def objects(role: str, **values: str) -> Objects:
    # Dashboards take a second, and hold no secret.
    paths = [path for path in template_files(role) if path.name != "dashboards.yaml.j2"]
    known = {"fleet_values": shared_values() | GIVEN | values, **SETTINGS.get(role, {})}
    return [item for path in paths for item in render_template(path, host="controlplane", **known)]


def other_secrets() -> dict[str, str]:
    """Another value for every secret but the key."""
    found = {path: value for path, value in shared_values().items() if SECRET.search(path) and path != KEY}
    return {path: f"{value}x" for path, value in (found | GIVEN).items()}


def leaves(value: Value, path: str = "") -> Iterator[tuple[str, Value]]:
    if isinstance(value, dict):
        for key, part in value.items():
            yield from leaves(part, f"{path}/{key}")
    elif isinstance(value, list):
        for number, part in enumerate(value):
            yield from leaves(part, f"{path}/{number}")
    else:
        yield path, value


def shown(found: Objects) -> dict[str, Value]:
    """Every text of every object but Secrets, by its place; a Job's name may differ, its place does not."""
    return {
        f"{number} {item['kind']}{path}": value
        for number, item in enumerate(found)
        if item["kind"] != "Secret"
        for path, value in leaves(item)
    }


def differing(one: dict[str, Value], other: dict[str, Value]) -> set[str]:
    return {place for place in one.keys() | other.keys() if one.get(place) != other.get(place)}


def hidden(found: Objects) -> set[str]:
    """The values of Secrets, each by itself and as what a template could hash of its Secret."""
    texts = set()
    for item in found:
        if item["kind"] != "Secret":
            continue
        data = item.get("stringData") or item.get("data") or {}
        texts |= {value for value in data.values() if len(value) > 1}
        for part in (data, item, list(data.values())):
            for order in (False, True):
                texts |= {json.dumps(part, sort_keys=order), json.dumps(part, sort_keys=order, separators=(",", ":"))}
    return texts


def digests(text: str) -> set[str]:
    """How an unkeyed hash of a text begins, in the ways in which one is written."""
    found = set()
    for kind in KINDS:
        digest = hashlib.new(kind, text.encode(), usedforsecurity=False).digest()
        found |= {digest.hex(), base64.b64encode(digest).decode(), base64.urlsafe_b64encode(digest).decode()}
    return {digest[:SHORTEST] for digest in found}


def unkeyed(found: Objects) -> list[str]:
    text = json.dumps([item for item in found if item["kind"] != "Secret"])
    return [digest for value in hidden(found) for digest in digests(value) if digest in text]


@pytest.mark.parametrize("role", role_names())
def test_checksums_of_secrets_depend_on_the_key(role: str) -> None:
    before = shown(objects(role))
    by_secret = differing(before, shown(objects(role, **other_secrets())))
    by_key = differing(before, shown(objects(role, **{KEY: "another-key-of-32-characters-abc"})))
    assert sorted(by_secret - by_key) == []


@pytest.mark.parametrize("role", role_names())
def test_no_object_has_an_unkeyed_hash_of_a_secret(role: str) -> None:
    assert unkeyed(objects(role)) == []


def test_finds_an_unkeyed_hash() -> None:
    secret = {"kind": "Secret", "stringData": {"password": "hunter2"}}
    for text in ("hunter2", json.dumps({"password": "hunter2"})):
        name = hashlib.sha256(text.encode()).hexdigest()[:10]
        assert unkeyed([secret, {"kind": "Job", "metadata": {"name": f"reconciler-{name}"}}])


def test_every_given_secret_is_used() -> None:
    used = json.dumps([item for role in SETTINGS for item in objects(role) if item["kind"] == "Secret"])
    assert [value for value in GIVEN.values() if value not in used] == []


def test_a_placeholder_of_the_key_reveals_no_secret() -> None:
    """`make render` and check mode use a public placeholder, which is not a key."""
    placeholder = {KEY: f"made-by-this-run:{KEY}"}
    for role in role_names():
        before = shown(objects(role, **placeholder))
        assert differing(before, shown(objects(role, **placeholder, **other_secrets()))) == set(), role


# What is hashed without a key has no secret in it.
PLAIN = {
    "kube_state_metrics/templates/deployments.yaml.j2": 1,  # settings of its web server, which a ConfigMap shows
    "node_exporter/templates/daemonset.yaml.j2": 1,  # likewise
}


def test_every_hash_without_a_key_is_known() -> None:
    files = [path for role in role_names() for part in ("tasks", "templates", "vars", "defaults")
             for path in (ROLES / role / part).rglob("*") if path.is_file()]  # fmt: skip
    calls = {
        str(path.relative_to(ROLES)): len(re.findall(r"\| *(?:hash\(|checksum|md5|sha1)", path.read_text()))
        for path in files
    }
    assert {path: count for path, count in calls.items() if count} == PLAIN
