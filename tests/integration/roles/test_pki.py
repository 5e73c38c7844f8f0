# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lifecycle of the fleet's secrets; no output contains a secret."""

from __future__ import annotations

import base64
import contextlib
import json
import ssl
import stat
import subprocess
import threading
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import trustme
from ansible_collections.dataplatform.fleet.tests.integration.roles.running import CHECKOUT, RECORDER, RoleRun
from ansible_collections.dataplatform.fleet.tests.unit.plugins.plugin_utils._pki.authority import issuer

pytestmark = pytest.mark.integration
FLEET = "trusted"
MEMBERS = {
    "controlplane": {"purpose": "controlplane", "region": "eu-central-1", "vpc_cidr": "10.40.0.0/16"},
    "staging": {"purpose": "workload", "region": "eu-central-1", "vpc_cidr": "10.42.0.0/16"},
    "former": {"purpose": "workload", "region": "eu-central-1", "vpc_cidr": "10.43.0.0/16"},
}
PUBLIC = ("username", "previous_username", "previous_until")
KAFKA = f"kafka-bootstrap.{FLEET}.internal"


class Watch:
    """Records files that are written to a directory, and command lines, during a run."""

    def __init__(self, folder: Path) -> None:
        self.seen: set[bytes] = set()
        self.files = 0
        self._read: set[tuple[int, int, int]] = set()
        self._folder = folder
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()
        self._look_once()

    def _look(self) -> None:
        while not self._end.wait(0.05):
            self._look_once()

    def _look_once(self) -> None:
        for folder, _, names in self._folder.walk():
            for name in names:
                with contextlib.suppress(OSError):  # gone in the meantime
                    self._look_at(folder / name)
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                self.seen.add(path.read_bytes())

    def _look_at(self, path: Path) -> None:
        found = path.lstat()
        version = (found.st_ino, found.st_size, found.st_mtime_ns)
        if stat.S_ISREG(found.st_mode) and version not in self._read:
            self.seen.add(path.read_bytes())
            self._read.add(version)
            self.files += 1


PLAYBOOK = ("playbooks/controlplane.yml", "--tags", "pki")


@dataclass
class Trust:
    """Runs the role pki of playbooks/controlplane.yml on the controlplane and staging."""

    cloud: Any
    folder: Path
    watched: set[bytes] = field(default_factory=set)
    output: str = ""

    def run(self, *arguments: str, hosts: str = "controlplane staging", succeed: bool = True, **extra: Any) -> RoleRun:
        record = self.folder / "record.jsonl"
        record.unlink(missing_ok=True)
        variables = {
            "fleet_name": FLEET,
            "fleet_members": MEMBERS,
            "aws_endpoint_url": self.cloud.endpoint_url,
            "aws_access_key": self.cloud.env["AWS_ACCESS_KEY_ID"],
            "aws_secret_key": self.cloud.env["AWS_SECRET_ACCESS_KEY"],
            "eks_public_access_cidrs": ["203.0.113.0/24"],
            **extra,
        }
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        inventories = [part for host in hosts.split() for part in ("-i", f"inventories/{host}")]
        with Watch(home) as watch:
            done = subprocess.run(
                ["ansible-playbook", *inventories, *PLAYBOOK, "-e", json.dumps(variables), *arguments],
                cwd=CHECKOUT,
                env={
                    **self.cloud.env,
                    "ANSIBLE_CALLBACK_PLUGINS": str(RECORDER),
                    "ANSIBLE_CALLBACKS_ENABLED": "record,dataplatform.fleet.option_types,dataplatform.fleet.run_cache",
                    "ANSIBLE_NOCOLOR": "1",
                    "ANSIBLE_PIPELINING": "false",  # the role does not rely on the site's setting
                    "HOME": str(home),
                    "RECORD_FILE": str(record),
                    "TMPDIR": str(home),
                },
                capture_output=True,
                text=True,
                check=False,
            )
        output = done.stdout + done.stderr
        self.output += output
        self.watched |= watch.seen
        assert watch.files, "nothing was watched"
        assert (done.returncode == 0) is succeed, output[-6000:]
        results = [json.loads(line) for line in record.read_text().splitlines()] if record.exists() else []
        return RoleRun(done.returncode, output, results)

    def documents(self) -> dict[str, dict[str, Any]]:
        client = self.cloud.client("secretsmanager")
        found = client.get_paginator("list_secrets").paginate().build_full_result()["SecretList"]
        names = [one["Name"] for one in found if one["Name"].startswith(f"{FLEET}/")]
        return {
            name.removeprefix(f"{FLEET}/"): json.loads(client.get_secret_value(SecretId=name)["SecretString"])
            for name in names
        }


@pytest.fixture(scope="module")
def empty(emulator: Any, tmp_path_factory: pytest.TempPathFactory) -> Trust:
    return Trust(emulator, tmp_path_factory.mktemp("trust"))


@pytest.fixture
def trust(empty: Trust) -> Trust:
    """The fleet's secrets, which are created if the first test has not run."""
    if not empty.documents():
        empty.run("--diff", "-vvv")
    return empty


def pki_changes(run: RoleRun) -> set[tuple[str, str | None, str]]:
    return {one for one in run.announced if "fleet |" in one[0] or "member |" in one[0]}


def secret_texts(value: Any, key: str = "") -> Iterator[str]:
    """Every secret text of a document; certificates and names are public."""
    if isinstance(value, dict):
        for name, one in value.items():
            yield from secret_texts(one, name)
    elif isinstance(value, str) and "BEGIN CERTIFICATE" not in value and value and key not in PUBLIC:
        yield value


def forms(secret: str) -> Iterator[str]:
    yield secret
    yield base64.b64encode(secret.encode()).decode()
    yield json.dumps(secret)[1:-1]
    yield urllib.parse.quote(secret, safe="")
    for line in secret.splitlines():
        if len(line) > 20 and "-----" not in line:
            yield line
            yield base64.b64encode(line.encode()).decode()


def connect(folder: Path, server: dict[str, str], bundle: str, name: str) -> None:
    """Make a TLS connection in memory, as strict as Python is by default."""
    path = folder / "server.pem"
    path.write_text(server["private_key"] + server["certificate"])
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(path)
    path.unlink()
    asking = ssl.create_default_context(cadata=bundle)
    pipes = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        asking.wrap_bio(*pipes, server_hostname=name),
        serving.wrap_bio(*reversed(pipes), server_side=True),
    ]
    for _ in range(4):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue


def test_from_nothing_to_converged(empty: Trust) -> None:
    announced = pki_changes(empty.run("--check", "--diff"))
    assert empty.documents() == {}
    assert {field for _task, _item, field in announced} >= {
        f"{FLEET}/ca.certificate",
        f"{FLEET}/former/kafka.password",
        f"{FLEET}/staging/issuer.private_key",
        f"{FLEET}/staging/tls.prometheus",
        f"{FLEET}/controlplane/passwords.elastic",
    }
    assert pki_changes(empty.run("--diff", "-vvv")) == announced
    assert empty.run("--diff").announced == set()
    assert empty.run("--check", "--diff").announced == set()


def test_created_resources(trust: Trust, tmp_path: Path) -> None:
    found = trust.documents()
    assert set(found) == {
        "ca",
        *(f"{member}/{name}" for member in MEMBERS for name in ("issuer", "kafka")),
        *(f"{member}/{name}" for member in ("staging", "controlplane") for name in ("tls", "passwords")),
    }
    assert found["staging/kafka"]["username"] == "staging"
    assert len({found[f"{member}/kafka"]["password"] for member in MEMBERS}) == 3
    assert len(found["controlplane/passwords"]["kafka-cluster-id"]) == 22
    assert [len(found[f"{member}/passwords"]["checksum-key"]) for member in ("staging", "controlplane")] == [32, 32]
    for member in ("controlplane", "staging"):
        for name, entry in found[f"{member}/tls"].items():
            assert entry["private_key"].startswith("-----BEGIN PRIVATE KEY-----"), name
            assert entry["certificate"].count("BEGIN CERTIFICATE") == 2
            connect(tmp_path, entry, found["staging/issuer"]["ca"], "platform-metrics")
    kafka = found["controlplane/tls"]["kafka"]
    for name in (KAFKA, f"kafka-8.{FLEET}.internal", "kafka-0.kafka.kafka.svc", "kafka.kafka.svc"):
        connect(tmp_path, kafka, found["staging/issuer"]["ca"], name)


def test_a_workloads_issuer_cannot_pass_for_kafka(trust: Trust, tmp_path: Path) -> None:
    def forge(member: str) -> dict[str, str]:
        issuer = trust.documents()[f"{member}/issuer"]
        ca = trustme.CA.from_pem(issuer["certificate"].encode(), issuer["private_key"].encode())
        forged = ca.issue_cert(KAFKA)
        return {
            "certificate": forged.cert_chain_pems[0].bytes().decode() + issuer["certificate"],
            "private_key": forged.private_key_pem.bytes().decode(),
        }

    bundle = trust.documents()["staging/issuer"]["ca"]
    connect(tmp_path, forge("controlplane"), bundle, KAFKA)  # the forgery as such is sound
    with pytest.raises(ssl.SSLCertVerificationError, match="excluded subtree violation"):
        connect(tmp_path, forge("staging"), bundle, KAFKA)


def test_encrypted_and_tagged(trust: Trust) -> None:
    client, kms = trust.cloud.client("secretsmanager"), trust.cloud.client("kms")
    key = kms.describe_key(KeyId=f"alias/{FLEET}-secrets")["KeyMetadata"]
    for name in trust.documents():
        secret = client.describe_secret(SecretId=f"{FLEET}/{name}")
        assert secret["KmsKeyId"] == key["Arn"], name
        tags = {tag["Key"]: tag["Value"] for tag in secret["Tags"]}
        assert tags["dataplatform.fleet/fleet"] == FLEET
        assert tags.get("dataplatform.fleet/member") == (name.split("/")[0] if "/" in name else None)


def test_renews_what_ends_soon_and_rotates_what_is_named(trust: Trust) -> None:
    before = trust.documents()
    run = trust.run("--diff", "-vvv", pki_renew_days=366, pki_rotate=["grafana-admin", "kafka"])
    after = trust.documents()
    assert run.fields >= {f"{FLEET}/staging/tls.prometheus", f"{FLEET}/staging/kafka.password"}
    assert before["staging/tls"]["prometheus"] != after["staging/tls"]["prometheus"]
    assert before["staging/issuer"] == after["staging/issuer"]
    assert after["staging/kafka"]["username"] == "staging.2"
    former = {"previous_username": "staging", "previous_password": before["staging/kafka"]["password"]}
    assert former.items() <= after["staging/kafka"].items(), "what the members use is taken away"
    assert "The former Kafka credentials of controlplane, former, staging are valid until" in " ".join(
        run.output.split()
    )
    changed = {
        name for name, text in after["controlplane/passwords"].items() if text != before["controlplane/passwords"][name]
    }
    assert changed == {"grafana-admin"}


def test_refuses_to_rotate_what_there_is_not(trust: Trust) -> None:
    before = trust.documents()
    run = trust.run(succeed=False, pki_rotate=["grafana-amdin"])
    assert "pki_rotate: grafana-amdin is nothing that could be renewed" in " ".join(run.output.split())
    assert trust.documents() == before


def test_a_former_member_loses_its_secrets(trust: Trust) -> None:
    members = {name: member for name, member in MEMBERS.items() if name != "former"}
    before = trust.documents()
    announced = pki_changes(trust.run("--check", "--diff", fleet_members=members))
    assert pki_changes(trust.run("--diff", fleet_members=members)) == announced
    after = trust.documents()
    assert set(before) - set(after) == {"former/issuer", "former/kafka"}
    parameter = trust.cloud.client("ssm").get_parameter(Name=f"/{FLEET}/members")["Parameter"]["Value"]
    assert json.loads(parameter)["former"] == MEMBERS["former"]["vpc_cidr"], "others could not know that it has left"
    # Declared again, it is trusted again, with new credentials.
    trust.run("--diff")
    assert trust.documents()["former/kafka"]["password"] != before["former/kafka"]["password"]


def test_a_member_without_preparation_is_reported(trust: Trust) -> None:
    run = trust.run("--check", hosts="staging", succeed=False, fleet_name="elsewhere")
    said = " ".join(run.output.split())
    assert "The secret elsewhere/staging/issuer does not exist in eu-central-1" in said
    assert "Run first: ansible-playbook site.yml -i inventories/controlplane" in said


def test_an_issuer_that_has_ended_signs_nothing(trust: Trust) -> None:
    client = trust.cloud.client("secretsmanager")
    client.create_secret(Name="ended/staging/issuer", SecretString=json.dumps(issuer("staging", days=-400)))
    run = trust.run(hosts="staging", succeed=False, fleet_name="ended")
    said = " ".join(run.output.split())
    assert "The issuer of staging ended on 2025-10-21: nobody would trust what it signs." in said
    assert "Run first: ansible-playbook site.yml -i inventories/controlplane" in said
    names = [one["Name"] for one in client.list_secrets()["SecretList"] if one["Name"].startswith("ended/")]
    assert names == ["ended/staging/issuer"]


def test_no_output_contains_a_secret(trust: Trust) -> None:
    """The last test: output, temporary files and command lines of all runs above."""
    client = trust.cloud.client("secretsmanager")
    found = []
    for name in trust.documents():
        for version in client.list_secret_version_ids(SecretId=f"{FLEET}/{name}", IncludeDeprecated=True)["Versions"]:
            text = client.get_secret_value(SecretId=f"{FLEET}/{name}", VersionId=version["VersionId"])["SecretString"]
            found += list(secret_texts(json.loads(text)))
    assert len(found) > 40
    assert "EXEC /bin/sh" in trust.output, "not verbose enough to prove anything"
    places = [trust.output.encode(), *trust.watched]
    leaked = [form[:12] for secret in found for form in forms(secret) if any(form.encode() in one for one in places)]
    assert leaked == []
    assert not any(b"BEGIN PRIVATE KEY" in one for one in places)
