"""No generated secret appears in output, at any verbosity, in temporary directories or in caches."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._ansible import cache

from tests.integration.site.conftest import Playbook, Run

pytestmark = pytest.mark.integration

# Generated once, but identifiers: they appear in configuration.
NOT_SECRET = ("kafka-cluster-id", "kafka-directory-")
SHORTEST = 12


def leaves(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Each text in a document with the key above it."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, key)
    elif isinstance(value, str):
        yield name, value


def secrets(local_cloud: Any) -> dict[str, list[str]]:
    """Every generated secret, as the parts that must not appear, by a name for failures."""
    client = local_cloud.client("secretsmanager")
    secret: dict[str, str] = {}
    public = ""
    for page in client.get_paginator("list_secrets").paginate():
        for entry in page["SecretList"]:
            document = json.loads(client.get_secret_value(SecretId=entry["Name"])["SecretString"])
            for key, text in leaves(document):
                if key.endswith(("private_key", "password")) or entry["Name"].endswith("/passwords"):
                    if not key.startswith(NOT_SECRET):
                        secret[f"{entry['Name']} {key} {len(secret)}"] = text
                else:
                    public += text
    return {name: parts(text, public) for name, text in secret.items()}


def parts(text: str, public: str = "") -> list[str]:
    """Return a secret and its lines. A private key ends with its public key, which certificates contain, too."""
    lines = [line for line in text.splitlines() if not line.startswith("-----") and line not in public]
    return [part for part in dict.fromkeys([text, *lines]) if len(part) >= SHORTEST]


def spellings(part: str) -> Iterator[str]:
    """Return the encodings of a text: raw, JSON, URL, base64."""
    yield part
    yield json.dumps(part)[1:-1]
    yield quote(part, safe="")
    yield base64.b64encode(part.encode()).decode().rstrip("=")


def leaked(found: dict[str, list[str]], text: str) -> list[str]:
    return [
        name
        for name, secret in found.items()
        if any(spelling in text for part in secret for spelling in spellings(part))
    ]


def written(folders: list[Path]) -> str:
    """The contents of every file below the folders."""
    files = (path for folder in folders for path in folder.rglob("*") if path.is_file())
    return "\n".join(path.read_bytes().decode("utf-8", "replace") for path in files)


def test_the_search_finds_what_is_there() -> None:
    key = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIA\n-----END PRIVATE KEY-----\n"
    word = "pa/ss+word-of-24-letters"
    found = {"a": parts(key), "b": parts(word)}
    assert leaked(found, "x MC4CAQAwBQYDK2VwBCIEIA y") == ["a"]
    assert leaked(found, base64.b64encode(word.encode()).decode()) == ["b"]
    assert leaked(found, "pa%2Fss%2Bword-of-24-letters") == ["b"]
    assert leaked(found, "nothing of it") == []
    assert len(parts(key, public="MC4CAQAwBQYDK2VwBCIEIA")) == 1


def test_a_first_run_shows_and_keeps_no_secret(fleet: Run, local_cloud: Any) -> None:
    """The fixture's run creates everything, with -vvv and --diff."""
    found = secrets(local_cloud)
    assert len(found) > 20
    assert "EXEC" in fleet.output, "the run was to be verbose"
    assert leaked(found, fleet.output) == []
    folders = [cache.folder(""), Path.home() / ".ansible" / "tmp", *Path(local_cloud.state_dir).glob("clusters/*")]
    # AWS and Kubernetes store the secrets, but their logs must not contain them.
    assert leaked(found, written(folders)) == []
    assert leaked(found, Path(local_cloud.state.aws_calls).read_text()) == []


@pytest.mark.exhaustive
def test_neither_does_a_rotation(fleet: Run, local_cloud: Any, playbook: Playbook) -> None:
    run = playbook("site.yml", "controlplane", "--diff", "-vvv", "-e", '{"pki_rotate": ["kafka-exporter"]}')
    assert run.announced
    assert leaked(secrets(local_cloud), run.output) == []
    assert playbook("site.yml", "controlplane", "--diff").announced == set()
