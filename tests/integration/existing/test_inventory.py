# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory plugin kubeconfig in ansible-inventory, with a real API server that has OpenShift's APIs."""

from __future__ import annotations

import copy
import json
import os
import socket
import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply import connection
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.client import Client
from ansible_collections.dataplatform.fleet.tests.integration import commands
from ansible_collections.dataplatform.fleet.tests.integration.existing import openshift_apis
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from localcloud.kubernetes.control_plane import ControlPlane

pytestmark = pytest.mark.integration

VARIABLE = "kubeconfig_discovered"
Config = dict[str, Any]


@pytest.fixture(scope="module")
def server(own_api_server: ControlPlane) -> ControlPlane:
    with Client(connection.server_for({"kubeconfig": str(own_api_server.kubeconfig)})) as client:
        openshift_apis.install(client)
    return own_api_server


@pytest.fixture
def config(server: ControlPlane) -> Config:
    """A kubeconfig with one context, onprem, whose certificates are inside."""
    found: Config = yaml.safe_load(server.kubeconfig.read_text())
    cluster, user = found["clusters"][0]["cluster"], found["users"][0]["user"]
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "onprem",
        "contexts": [{"name": "onprem", "context": {"cluster": "c", "user": "u", "namespace": "web"}}],
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": user}],
    }


class Answer:
    """The output of ansible-inventory."""

    def __init__(self, status: int, output: str, error: str) -> None:
        self.status = status
        self.error = " ".join(error.split())
        self.content = json.loads(output) if status == 0 else {}

    @property
    def hosts(self) -> dict[str, Any]:
        return {name: plain(each[VARIABLE]) for name, each in self.content["_meta"]["hostvars"].items()}


def plain(value: Any) -> Any:
    """Return values without the marker of unsafe text."""
    if isinstance(value, dict):
        return value["__ansible_unsafe"] if "__ansible_unsafe" in value else {k: plain(v) for k, v in value.items()}
    return [plain(each) for each in value] if isinstance(value, list) else value


Inventory = Callable[..., Answer]


@pytest.fixture
def inventory(tmp_path: Path) -> Inventory:
    """Runs ansible-inventory on kubeconfigs, each of them a file's content, its text, or a path."""

    def run(
        *configs: Config | str | Path, env: dict[str, str] | None = None, before: str | None = None, **options: Any
    ) -> Answer:
        paths = [write(tmp_path, f"config-{index}", each) for index, each in enumerate(configs)]
        source = tmp_path / "fleet.kubeconfig.yml"
        settings = {"plugin": "dataplatform.fleet.kubeconfig", "timeout": 5, **options}
        if paths:
            settings.setdefault("kubeconfigs", paths)
        source.write_text(yaml.safe_dump(settings))
        kept = {
            key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_") and key != "KUBECONFIG"
        }
        sources = [part for each in (before, str(source)) if each for part in ("-i", each)]
        done = commands.run("ansible-inventory", *sources, "--list", env={**kept, "COLUMNS": "2000", **(env or {})})
        return Answer(done.returncode, done.stdout, done.stderr)

    return run


def write(folder: Path, name: str, content: Config | str | Path) -> str:
    if isinstance(content, Path):
        return str(content)
    path = folder / name
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return str(path)


def changed(config: Config, **sections: Any) -> Config:
    """The kubeconfig with other settings of its one cluster, user or context."""
    found = copy.deepcopy(config)
    for section, update in sections.items():
        found[f"{section}s"][0][section] = update(found[f"{section}s"][0][section])
    return found


def test_facts_of_openshift(inventory: Inventory, config: Config, tmp_path: Path) -> None:
    answer = inventory(config, query="platform == 'openshift' && starts_with(openshift_version, '4.')")
    assert answer.status == 0, answer.error
    found = answer.hosts["onprem"]
    groups, version = found.pop("api_groups"), found.pop("git_version")
    assert {"route.openshift.io", "security.openshift.io", "apps"} <= set(groups)
    assert version.startswith(f"v{found['version']}.")
    assert found == {
        "kubeconfig": str(tmp_path / "config-0"),
        "context": "onprem",
        "cluster": "c",
        "user": "u",
        "namespace": "web",
        "server": config["clusters"][0]["cluster"]["server"],
        "version": found["version"],
        "platform": "openshift",
        "openshift_version": "4.20.1",
        "channel": "stable-4.20",
        "cluster_id": "0f1e2d3c",
        "infrastructure_name": "onprem-x7k2p",
        "infrastructure_platform": "BareMetal",
        "region": "",
        "ingress_domain": "apps.onprem.example.com",
        "unread": [],
    }


def test_queries_groups_and_names(inventory: Inventory, config: Config) -> None:
    name = "default/api-onprem-example-com:6443/kube:admin"
    config["contexts"] += [{**config["contexts"][0], "name": name}, {**config["contexts"][0], "name": "ignored"}]
    answer = inventory(
        config,
        names=["onprem", "default/*"],
        keyed_groups=[{"key": f"{VARIABLE}.platform", "prefix": "platform"}],
        groups={"routed": f"'route.openshift.io' in {VARIABLE}.api_groups"},
        compose={"kube_domain": f"{VARIABLE}.ingress_domain"},
        strict=True,
    )
    assert answer.status == 0, answer.error
    hosts = ["default-api-onprem-example-com-6443-kube-admin", "onprem"]
    assert sorted(answer.hosts) == hosts
    assert answer.hosts[hosts[0]]["context"] == name
    assert sorted(answer.content["platform_openshift"]["hosts"]) == sorted(answer.content["routed"]["hosts"]) == hosts
    assert plain(answer.content["_meta"]["hostvars"]["onprem"]["kube_domain"]) == "apps.onprem.example.com"
    assert inventory(config, query="platform == 'eks'").hosts == {}


def test_a_declared_host_and_a_found_one_are_one(inventory: Inventory, config: Config, tmp_path: Path) -> None:
    declared = tmp_path / "hosts.yml"
    hosts = {"onprem": {"platform": "mine", "context": "mine"}}
    declared.write_text(yaml.safe_dump({"managed": {"children": {"purpose_workload": {"hosts": hosts}}}}))
    answer = inventory(config, before=str(declared))
    assert answer.content["purpose_workload"]["hosts"] == ["onprem"]
    variables = answer.content["_meta"]["hostvars"]["onprem"]
    assert {**hosts["onprem"], VARIABLE: variables[VARIABLE]} == variables
    assert answer.hosts["onprem"]["platform"] == "openshift"


def test_a_cache_is_of_what_was_asked(inventory: Inventory, config: Config, tmp_path: Path) -> None:
    cache = {"cache": True, "cache_plugin": "ansible.builtin.jsonfile", "cache_connection": str(tmp_path / "cache")}
    config["contexts"].append({**config["contexts"][0], "name": "second"})
    assert list(inventory(config, names=["onprem"], **cache).hosts) == ["onprem"]
    dead = changed(config, cluster=lambda each: {**each, "server": f"https://127.0.0.1:{free_port()}"})
    assert list(inventory(dead, names=["onprem"], **cache).hosts) == ["onprem"]
    assert "cannot be reached" in inventory(dead, names=["second"], **cache).error


def test_several_files_as_kubectl_reads_them(inventory: Inventory, config: Config, tmp_path: Path) -> None:
    """The context, its cluster and its user in three files, of which one is missing; certificates beside a file."""
    folder = tmp_path / "apart"
    folder.mkdir()
    user = config["users"][0]["user"]
    parts = {
        "contexts": config["contexts"],
        "clusters": config["clusters"],
        "users": [{"name": "u", "user": {key: Path(path).name for key, path in user.items()}}],
    }
    for path in user.values():
        (folder / Path(path).name).write_text(Path(path).read_text())
    paths = [write(folder, section, {"kind": "Config", section: content}) for section, content in parts.items()]
    answer = inventory(env={"KUBECONFIG": os.pathsep.join([*paths, str(folder / "missing")])})
    assert answer.status == 0, answer.error
    assert list(answer.hosts) == ["onprem"]
    relative = inventory(kubeconfigs=[os.pathsep.join(f"apart/{section}" for section in parts)])
    assert list(relative.hosts) == ["onprem"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def expired() -> tuple[str, str]:
    """A client certificate of yesterday and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kubernetes-admin")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(days=9), now - timedelta(days=1))
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.decode(), private.decode()


def bad(config: Config, folder: Path, kind: str) -> tuple[Config | str | Path, str]:
    """An unusable kubeconfig and its error."""
    exec_plugin = {"apiVersion": "client.authentication.k8s.io/v1", "interactiveMode": "Never"}
    script = folder / "plugin"
    script.write_text("#!/bin/sh\necho no session >&2\nexit 3\n")
    script.chmod(0o755)
    certificate, key = expired()
    (folder / "old.crt").write_text(certificate)
    (folder / "old.key").write_text(key)
    closed = f"https://127.0.0.1:{free_port()}"
    kinds: dict[str, tuple[Config | str | Path, str]] = {
        "missing": (folder / "none", "cannot be read: No such file or directory"),
        "folder": (folder, "cannot be read: Is a directory"),
        "empty": ("", "is empty"),
        "no YAML": ("a: [", "is not valid YAML"),
        "another kind": ({"kind": "Deployment", "apiVersion": "apps/v1"}, "is no kubeconfig"),
        "a text": ("only words", "is no kubeconfig"),
        "a list": ("[1, 2]", "is no kubeconfig"),
        "no contexts": ({"kind": "Config"}, "has no contexts"),
        "contexts that are no list": ({"kind": "Config", "contexts": {"a": 1}}, "contexts is no list"),
        "a name twice": (
            {**config, "contexts": config["contexts"] * 2},
            "the context 'onprem' is there twice. Rename or delete one of them.",
        ),
        "no such cluster": (
            changed(config, context=lambda each: {**each, "cluster": "gone"}),
            "there is no cluster 'gone' of context 'onprem' (there is: c)",
        ),
        "no such user": (
            changed(config, context=lambda each: {**each, "user": "gone"}),
            "there is no user 'gone' of context 'onprem' (there is: u)",
        ),
        "no server": (changed(config, cluster=lambda _each: {}), "of context 'onprem' has no server"),
        "dead": (
            changed(config, cluster=lambda each: {**each, "server": closed}),
            "cannot be reached: the connection was refused",
        ),
        "dead proxy": (
            changed(config, cluster=lambda each: {**each, "proxy-url": closed.replace("https", "http")}),
            "cannot be reached through the proxy",
        ),
        "unknown authority": (
            changed(config, cluster=lambda each: {"server": each["server"]}),
            "its certificate is not trusted",
        ),
        "expired": (
            changed(config, user=lambda _each: {"client-certificate": "old.crt", "client-key": "old.key"}),
            "its client certificate expired on",
        ),
        "no such certificate": (
            changed(config, user=lambda _each: {"client-certificate": "none.crt", "client-key": "none.key"}),
            "none.crt cannot be read: No such file or directory",
        ),
        "no such token file": (
            changed(config, user=lambda _each: {"tokenFile": "none"}),
            "none cannot be read: No such file or directory",
        ),
        "refused": (
            changed(config, user=lambda _each: {"token": "wrong"}),
            "does not accept the credentials (401 Unauthorized)",
        ),
        "impersonation": (
            changed(config, user=lambda each: {**each, "as": "root"}),
            "has as: impersonation is not supported",
        ),
        "plugin that is not installed": (
            changed(
                config,
                user=lambda _each: {"exec": {**exec_plugin, "command": "no-such", "installHint": "Get it from there."}},
            ),
            "no-such, is not installed. Get it from there.",
        ),
        "plugin that fails": (
            changed(config, user=lambda _each: {"exec": {**exec_plugin, "command": "./plugin"}}),
            "failed with exit status 3: no session",
        ),
        "plugin that says nothing": (
            changed(config, user=lambda _each: {"exec": {**exec_plugin, "command": "true"}}),
            "printed no ExecCredential",
        ),
        "plugin that hangs": (
            changed(config, user=lambda _each: {"exec": {**exec_plugin, "command": "sleep", "args": ["60"]}}),
            "gave no answer within 5 s",
        ),
        "plugin with a terminal": (
            changed(
                config, user=lambda _each: {"exec": {**exec_plugin, "command": "true", "interactiveMode": "Always"}}
            ),
            "there is no terminal to ask on",
        ),
        "a server that is no URL": (
            changed(config, cluster=lambda _each: {"server": "10.0.0.1:6443"}),
            "is '10.0.0.1:6443'. Write a URL, such as https://10.0.0.1:6443.",
        ),
    }
    return kinds[kind]


BAD = (
    *("missing", "folder", "empty", "no YAML", "another kind", "a text", "a list", "no contexts"),
    *(
        "contexts that are no list",
        "a name twice",
        "no such cluster",
        "no such user",
        "no server",
        "dead",
        "dead proxy",
    ),
    *("unknown authority", "expired", "no such certificate", "no such token file", "refused", "impersonation"),
    *("plugin that is not installed", "plugin that fails", "plugin that says nothing", "plugin that hangs"),
    *("plugin with a terminal", "a server that is no URL"),
)


def test_unusable_kubeconfigs_are_reported(inventory: Inventory, config: Config, tmp_path: Path) -> None:
    """Each is one line of the error; with on_error: warn, it is a warning and other clusters are returned."""
    cases = [bad(config, tmp_path, kind) for kind in BAD]
    failed = inventory(*(each for each, _ in cases))
    assert failed.status != 0
    assert "Traceback" not in failed.error
    assert "With on_error: warn" in failed.error
    missing = [(kind, text) for kind, (_, text) in zip(BAD, cases, strict=True) if text not in failed.error]
    assert not missing, failed.error
    warned = inventory(*(each for each, _ in cases), config, on_error="warn")
    assert warned.status == 0, warned.error
    assert list(warned.hosts) == ["onprem"]
    assert all(text in warned.error for _, text in cases)


def test_an_unreadable_file_is_named(inventory: Inventory, config: Config, tmp_path: Path) -> None:
    path = Path(write(tmp_path, "closed", config))
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("root reads every file")
    assert "cannot be read: Permission denied" in inventory(path).error
    path.chmod(stat.S_IRUSR)


def test_a_context_in_two_files_is_ambiguous(inventory: Inventory, config: Config) -> None:
    answer = inventory(config, config)
    assert answer.status != 0
    assert "The host name onprem would mean the contexts" in answer.error
    other = changed(
        config, cluster=lambda each: {**each, "insecure-skip-tls-verify": True, "certificate-authority": ""}
    )
    other["clusters"][0]["name"] = other["contexts"][0]["context"]["cluster"] = "d"
    apart = inventory(config, other, hostnames=["context+cluster"])
    assert sorted(apart.hosts) == ["onprem-c", "onprem-d"], apart.error


def test_files_that_are_merged_and_differ_are_named(inventory: Inventory, config: Config, tmp_path: Path) -> None:
    other = changed(config, cluster=lambda each: {**each, "server": "https://other.invalid"})
    paths = [write(tmp_path, "one", config), write(tmp_path, "two", other)]
    answer = inventory(kubeconfigs=[os.pathsep.join(paths)], on_error="warn")
    assert list(answer.hosts) == ["onprem"], answer.error
    assert "cluster 'c' of" in answer.error
    assert "which counts" in answer.error


@pytest.mark.parametrize(
    ("name", "why"), [("-", "a host's name has"), ("///", "a host's name has"), ("managed", "the name of a group")]
)
def test_a_context_that_names_no_host(inventory: Inventory, config: Config, name: str, why: str) -> None:
    config["contexts"][0]["name"] = name
    answer = inventory(config)
    assert answer.status != 0
    assert why in answer.error
    assert "kubectl config rename-context" in answer.error


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"quer": "x"}, "quer is not an option of dataplatform.fleet.kubeconfig. Did you mean query?"),
        ({"query": "a ||"}, "query is not a JMESPath expression"),
        ({"query": "length(none)"}, "query cannot be applied to cluster 'onprem' of"),
        ({"hostnames": ["nam"]}, "hostnames: nam is none of context"),
        ({"workers": 0}, "workers must be at least 1"),
        ({"timeout": 0}, "timeout must be at least 1"),
        ({"groups": {"managed": "true"}}, "would put onprem into the group managed"),
    ],
)
def test_options_that_cannot_be_used(inventory: Inventory, config: Config, options: dict[str, Any], text: str) -> None:
    answer = inventory(config, **options)
    assert answer.status != 0
    assert text in answer.error


def test_credentials_of_an_exec_plugin(inventory: Inventory, config: Config, tmp_path: Path) -> None:
    """The plugin is found beside the kubeconfig, gets the cluster, and returns a client certificate."""
    user = config["users"][0]["user"]
    credential = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {
            "clientCertificateData": Path(user["client-certificate"]).read_text(),
            "clientKeyData": Path(user["client-key"]).read_text(),
        },
    }
    (tmp_path / "credential.json").write_text(json.dumps(credential))
    script = tmp_path / "login"
    script.write_text(
        f'#!/bin/sh\nprintf %s "$KUBERNETES_EXEC_INFO" > {tmp_path}/told\n'
        f'test "$MODE" = quiet && cat {tmp_path}/credential.json\n'
    )
    script.chmod(0o755)
    spec = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": "./login",
        "env": [{"name": "MODE", "value": "quiet"}],
        "provideClusterInfo": True,
        "interactiveMode": "IfAvailable",
    }
    answer = inventory(changed(config, user=lambda _each: {"exec": spec}))
    assert answer.status == 0, answer.error
    assert list(answer.hosts) == ["onprem"]
    told = json.loads((tmp_path / "told").read_text())
    assert told["spec"]["interactive"] is False
    assert told["spec"]["cluster"]["server"] == config["clusters"][0]["cluster"]["server"]


def test_nothing_is_left_in_the_temporary_directory(inventory: Inventory, config: Config, tmp_path: Path) -> None:
    """Neither the discovery that the client caches by the server's name, nor certificates and keys."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    assert inventory(config, env={"TMPDIR": str(folder)}).status == 0
    assert not [each for each in folder.rglob("*") if each.is_file()]
