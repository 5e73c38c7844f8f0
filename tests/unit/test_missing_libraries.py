# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each plugin without each library that Ansible does not require: Ansible's error, no traceback."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PLUGINS = ROOT / "plugins"
# The beginning of every process of Python: nothing below these packages can be imported.
BLOCKER = """
import os, sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in os.environ.get("BLOCKED", "").split(","):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocker())
"""
# What requirements.txt names, by the package that is imported. Without PyYAML there is no Ansible.
PACKAGES = {"pyyaml": "yaml", "websocket-client": "websocket"}
REGION = {"region": "eu-central-1"}
CLUSTER = {"cluster": "none", **REGION}
KUBECONFIG = {"kubeconfig": "{{ playbook_dir }}/kubeconfig"}
CONNECTION = {"access_key": "AKIAIOSFODNN7EXAMPLE", "secret_key": "wJalrXUtnFEMI", **REGION}
CANARY = {"run": "a", "member": "a", "since": 1, "ca": "a"}
AWS = "boto3|botocore|botocore and boto3"
# Arguments of each action plugin, and what it needs. A kubeconfig's user may need the Kubernetes client.
ACTIONS: dict[str, list[tuple[dict[str, Any], str]]] = {
    "apply": [
        ({"name": "a", "namespace": "a", "definition": [], **CLUSTER}, AWS),
        ({"name": "a", "namespace": "a", "definition": [], **KUBECONFIG}, "urllib3"),
        ({"name": "a", "namespace": "a", "definition": [], **KUBECONFIG, "context": "provider"}, "kubernetes"),
    ],
    "canary": [({**CANARY, **CLUSTER}, AWS), ({**CANARY, **KUBECONFIG}, "urllib3")],
    "check_alarms": [({"cluster": "a"}, "")],
    "check_conditions": [({"conditions": []}, "")],
    "check_role_options": [({"roles": ["vpc"]}, "")],
    "component_info": [(CLUSTER, AWS), (KUBECONFIG, "urllib3")],
    "render": [({"playbook": "{{ playbook_dir }}/none.yml", "dest": "{{ playbook_dir }}/rendered"}, "")],
    "x509_certificates": [
        ({"certificates": [{"name": "a", "not_after": "20360101000000Z"}], "self_signed": True}, "cryptography")
    ],
    "run_lock": [({"name": "a", "table": "a", **REGION}, AWS)],
}
LOOKUPS = {
    "fleet_members": AWS,
    "fleet_parameter": AWS,
    "fleet_secret": AWS,
    "held_lock": "",  # reads files; that no lock is held is another error
}
MODULES = {
    "eks_cluster_info": CONNECTION,
    "kubeconfig": {"path": "a", "clusters": [{"context": "a", **CLUSTER}]},
    "s3_versioned_bucket": {"name": "abc", **CONNECTION},
}
CONFIG = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "key",
    "clusters": [{"name": "a", "cluster": {"server": "https://127.0.0.1:9"}}],
    "users": [
        {"name": "key", "user": {"token": "a"}},
        {"name": "provider", "user": {"auth-provider": {"name": "oidc", "config": {}}}},
    ],
    "contexts": [
        {"name": "key", "context": {"cluster": "a", "user": "key"}},
        {"name": "provider", "context": {"cluster": "a", "user": "provider"}},
    ],
}


def names(folder: str) -> set[str]:
    return {path.stem for path in (PLUGINS / folder).glob("[!_]*.py")}


def tasks() -> list[tuple[dict[str, Any], str]]:
    """Tasks, each with what it needs."""
    found = [({f"dataplatform.fleet.{name}": args}, needs) for name, all_ in ACTIONS.items() for args, needs in all_]
    for name, needs in LOOKUPS.items():
        term = "" if name == "fleet_members" else "'a/b/c', "
        text = f"{{{{ lookup('dataplatform.fleet.{name}', {term}connection=connection) }}}}"
        found.append(({"ansible.builtin.debug": {"msg": text}}, needs))
    return [*found, *(({f"dataplatform.fleet.{name}": args}, AWS) for name, args in MODULES.items())]


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("libraries")
    (folder / "sitecustomize.py").write_text(BLOCKER)
    (folder / "kubeconfig").write_text(yaml.safe_dump(CONFIG))
    (folder / "none.yml").write_text("[]\n")
    (folder / "fleet.eks.yml").write_text(
        yaml.safe_dump({"plugin": "dataplatform.fleet.eks", "query": "a", **CONNECTION})
    )
    (folder / "a.kubeconfig.yml").write_text(yaml.safe_dump({"plugin": "dataplatform.fleet.kubeconfig"}))
    steps = [
        {**action, "register": f"answer_{number}", "ignore_errors": True, "tags": needs.split("|")[0] or "always"}
        for number, (action, needs) in enumerate(tasks())
    ]
    answers = {str(number): f"{{{{ answer_{number}.msg | default('') }}}}" for number in range(len(steps))}
    written = {"content": "{{ answers | to_json }}", "dest": "{{ playbook_dir }}/answers"}
    steps.append({"ansible.builtin.copy": written, "tags": "always"})
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "vars": {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "connection": CONNECTION,
            "fleet_name": "a",
            "fleet_region": "eu-central-1",
            "fleet_connection": CONNECTION,
            "fleet_members": {},
            "answers": answers,
        },
        "tasks": steps,
    }
    (folder / "play.yml").write_text(yaml.safe_dump([play]))
    return folder


def run(scratch: Path, blocked: str, *command: str) -> str:
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "AWS_"))},
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections"),
        "ANSIBLE_INVENTORY_ENABLED": "dataplatform.fleet.eks,dataplatform.fleet.kubeconfig,host_list",
        "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "false",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_MAX_ATTEMPTS": "1",
        "BLOCKED": blocked,
        "PYTHONPATH": str(scratch),
    }
    done = subprocess.run(
        [str(Path(sys.executable).with_name(command[0])), *command[1:]],
        cwd=scratch,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return " ".join((done.stdout + done.stderr).split())


def sentence(libraries: str) -> re.Pattern[str]:
    return re.compile(rf"Failed to import the required Python library \(({libraries})\) on ")


# Botocore needs urllib3, and boto3 botocore.
@pytest.mark.parametrize(
    ("blocked", "needing"), [("boto3,botocore", "boto3"), ("urllib3", "urllib3,boto3"), ("kubernetes", "kubernetes")]
)
def test_each_action_lookup_and_module_reports_missing_libraries(scratch: Path, blocked: str, needing: str) -> None:
    (scratch / "answers").unlink(missing_ok=True)
    said = run(scratch, blocked, "ansible-playbook", "play.yml", "-i", "localhost,", "--tags", needing)
    assert "Traceback" not in said and "probably a bug" not in said, said
    answers = json.loads((scratch / "answers").read_text())
    for number, (action, needs) in enumerate(tasks()):
        tried = needs.split("|")[0] in needing.split(",")
        assert bool(sentence(needs or "none").search(answers[str(number)])) is tried, (action, answers[str(number)])


@pytest.mark.parametrize(
    ("source", "blocked", "library"),
    [
        ("fleet.eks.yml", "botocore", "botocore"),
        ("fleet.eks.yml", "jmespath", "jmespath"),
        ("a.kubeconfig.yml", "openshift", "openshift"),
        ("a.kubeconfig.yml", "kubernetes", "openshift"),
    ],
)
def test_each_inventory_plugin_reports_missing_libraries(
    scratch: Path, source: str, blocked: str, library: str
) -> None:
    said = run(scratch, blocked, "ansible-inventory", "-i", source, "--list")
    assert sentence(library).search(said), said
    assert "Traceback" not in said, said


@pytest.mark.parametrize(
    ("blocked", "call", "library"),
    [
        ("cryptography", "_pki.certificates import load; load('a')", "cryptography"),
        ("websocket", "_verify.websocket import connect; connect(None, '', [])", "websocket-client"),
    ],
)
def test_missing_libraries_of_filters_and_streams_are_reported(
    scratch: Path, blocked: str, call: str, library: str
) -> None:
    package = "ansible_collections.dataplatform.fleet.plugins.plugin_utils"
    path = f"import sys; sys.path.insert(0, {str(ROOT / 'collections')!r})"
    said = run(scratch, blocked, "python", "-c", f"{path}; from {package}.{call}")
    assert sentence(library).search(said), said


def test_every_plugin_and_every_library_is_tried() -> None:
    """New plugins and libraries must be added here."""
    assert ACTIONS.keys() == names("action")
    assert LOOKUPS.keys() == names("lookup")
    assert names("inventory") == {"eks", "kubeconfig"}
    required = {
        Requirement(line).name for line in (ROOT / "requirements.txt").read_text().splitlines() if line[0] != "#"
    }
    tried = "boto3 botocore cryptography jmespath kubernetes openshift urllib3 websocket yaml"
    assert {PACKAGES.get(name, name) for name in required} == set(tried.split())
    # The class of amazon.aws looks for boto3 and botocore before it does anything else.
    for name in names("modules") - names("action"):
        text = (PLUGINS / "modules" / f"{name}.py").read_text()
        assert "AnsibleAWSModule(" in text or "import run" in text or "module_utils._eks" in text, name
