# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The objects that a role applies, rendered without a run."""

from __future__ import annotations

import datetime
import functools
import json
import pickle
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._ansible.templates import Templates
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

CHECKOUT = Path(__file__).parents[3]
ROLES = CHECKOUT / "roles"
# Parameters of the controlplane's run, in the format that a role reads.
PARAMETERS = {
    "controlplane/vpc": json.dumps(
        {"account_id": "111122223333", "cidr": "10.40.0.0/16", "region": "eu-central-1", "vpc_id": "vpc-1"}
    ),
    "kafka/bootstrap": "kafka-bootstrap.dataplatform.internal:9094",
    "members": json.dumps({"controlplane": "10.40.0.0/16", "former": "10.49.0.0/16", "staging": "10.42.0.0/16"}),
}
# Roles whose secrets and parameters no other member has.
CONTROLPLANE = frozenset({"alarms", "elasticsearch", "grafana", "kafka", "kibana", "logstash"})

Objects = list[dict[str, Any]]


def role_names() -> list[str]:
    return sorted(path.name for path in ROLES.iterdir() if (path / "tasks").is_dir())


def usual_host(role: str) -> str:
    return "controlplane" if role in CONTROLPLANE else "staging"


def template_files(role: str) -> list[Path]:
    return sorted((ROLES / role / "templates").glob("*.yaml.j2"))


@functools.cache
def certificate() -> tuple[str, str]:
    """Return a certificate that is its own issuer, and its private key, the same ones in every run."""
    key = ec.derive_private_key(20261123, ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    start = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, start, start.replace(year=2036))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("platform-metrics")]), critical=False)
        .sign(key, hashes.SHA256(), ecdsa_deterministic=True)
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return made.public_bytes(serialization.Encoding.PEM).decode(), private.decode()


@functools.cache
def shared_values() -> dict[str, str]:
    """Return a value for every secret that the role pki makes and for every parameter, by its path.

    A path that is not among them fails as in a run: pki has to know it.
    """
    loader = DataLoader()
    members = loader.load_from_file(str(CHECKOUT / "inventories" / "fleet.yml"))["fleet_members"]
    internals = loader.load_from_file(str(ROLES / "pki" / "vars" / "main.yml"), trusted_as_template=True)
    templar = Templar(loader, variables={**internals, "pki_fleet": "dataplatform", "pki_kafka_nodes": 9})
    made = templar.template({name: internals[name] for name in ("__pki_certificates", "__pki_passwords")})
    public, private = certificate()
    found = dict(PARAMETERS)
    for member, settings in members.items():
        found |= {f"{member}/issuer/{key}": public for key in ("ca", "certificate", "issuers")}
        found |= {f"{member}/issuer/private_key": private}
        found |= {f"{member}/kafka/username": member, f"{member}/kafka/password": f"test-{member}-kafka"}
        found |= {f"{member}/kafka/previous_{key}": "" for key in ("username", "password", "until")}
        for group in ("every", settings["purpose"]):
            for name in made["__pki_certificates"][group]:
                found |= {f"{member}/tls/{name}/certificate": public, f"{member}/tls/{name}/private_key": private}
            for name, kind in made["__pki_passwords"][group].items():
                found[f"{member}/passwords/{name}"] = _generated(name, kind)
    return found


def _generated(name: str, kind: str) -> str:
    if kind == "id":  # 16 bytes as Kafka writes them
        return f"Test{name.replace('-', '')[-17:]:A<17}A"
    return f"test-{name}".ljust(32, "x")


@functools.cache
def _files(role: str) -> dict[str, Any]:
    """Return the fleet's values, the role's defaults and internals, untemplated."""
    found: dict[str, Any] = {}
    for path in (
        CHECKOUT / "inventories" / "fleet.yml",
        ROLES / role / "defaults" / "main.yml",
        ROLES / role / "vars" / "main.yml",
    ):
        if path.exists():
            found.update(DataLoader().load_from_file(str(path), cache="none", trusted_as_template=True) or {})
    return found


def variables(role: str, host: str | None = None, **options: Any) -> dict[str, Any]:
    """Return the fleet's values, the role's defaults and internals, and ``options`` above them, untemplated.

    Without ``host`` it is a member on which the role runs. Tests share the values: they may not be changed in place.
    """
    return {
        "inventory_hostname": host or usual_host(role),
        "fleet_values": shared_values(),
        # Where lookups of files and templates look, as in a task of the role.
        "ansible_search_path": [str(ROLES / role)],
        "role_path": str(ROLES / role),
        **_files(role),
        **options,
    }


def evaluate(role: str, expression: str, **options: Any) -> Any:
    """Return the value of a Jinja expression as the role's tasks would see it."""
    templar = Templar(DataLoader(), variables=variables(role, **options))
    return templar.template(trust_as_template("{{ " + expression + " }}"))


def conditions(role: str, file: str) -> list[dict[str, Any]]:
    """Return the conditions that the tasks of a file of the role refuse options by."""
    tasks = yaml.safe_load((ROLES / role / "tasks" / file).read_text(encoding="utf-8"))
    return [
        each for task in tasks for each in task.get("dataplatform.fleet.check_conditions", {}).get("conditions", [])
    ]


def imported(task: Mapping[str, Any]) -> list[str]:
    """Return the name of the file of tasks that a task imports or includes, in a list, or an empty list."""
    files = [task[key] for key in ("ansible.builtin.import_tasks", "ansible.builtin.include_tasks") if key in task]
    return [file if isinstance(file, str) else file["file"] for file in files]


def _templates(role: str, host: str | None, **options: Any) -> Templates:
    values = variables(role, host, **options)
    return Templates(Templar(DataLoader()), values, [values["role_path"]])


def _objects(templates: Templates, path: Path) -> Objects:
    text = templates.render(path, path.read_text(encoding="utf-8"))
    return [document for document in yaml.load_all(text, yaml.CSafeLoader) if document]


def rendered(path: Path, host: str | None = None, **options: Any) -> Objects:
    """Return a template's objects, rendered by this call."""
    return _objects(_templates(path.relative_to(ROLES).parts[0], host, **options), path)


def _frozen(value: Any) -> Hashable:
    """Return a key that differs if the values differ, in a type or the order of a dictionary too."""
    if isinstance(value, Mapping):
        return type(value), tuple((_frozen(key), _frozen(part)) for key, part in value.items())
    if isinstance(value, list | tuple):
        return type(value), tuple(_frozen(part) for part in value)
    return type(value), value


_rendered: dict[Hashable, bytes] = {}
# The last rendering: tests use the templates of a role one after the other.
_last: dict[Hashable, Templates] = {}


def render_template(path: Path, host: str | None = None, **options: Any) -> Objects:
    """Return a template's objects. The same options are rendered once in a process; the objects are the caller's."""
    role = path.relative_to(ROLES).parts[0]
    key = (role, host or usual_host(role), _frozen(options))
    if (path, key) not in _rendered:
        if key not in _last:
            _last.clear()
            _last[key] = _templates(role, host, **options)
        _rendered[path, key] = pickle.dumps(_objects(_last[key], path))
    found: Objects = pickle.loads(_rendered[path, key])  # noqa: S301 - written above
    return found


def render_role(role: str, **options: Any) -> Objects:
    return [document for path in template_files(role) for document in render_template(path, **options)]


@functools.cache
def rendered_role(role: str, host: str | None = None) -> Objects:
    """Return a role's objects with its defaults, made once: for tests that only look at them."""
    return render_role(role, host=host)


def select(objects: Objects, kind: str, name: str | None = None, namespace: str | None = None) -> Objects:
    return [
        item
        for item in objects
        if item["kind"] == kind
        and name in (None, item["metadata"]["name"])
        and namespace in (None, item["metadata"].get("namespace"))
    ]


def only(objects: Objects, kind: str, name: str | None = None, namespace: str | None = None) -> dict[str, Any]:
    (found,) = select(objects, kind, name, namespace)
    return found
