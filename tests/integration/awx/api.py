# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fake of AWX's API: stores objects that conform to the API description of AWX 24.6.1.

api.json has the fields of each endpoint, with type, choices, default and whether they are required, as AWX answers to
OPTIONS; of workflow nodes and approvals, as its serializers have them. Refused as AWX refuses them: a missing or
malformed value, a reference to what is not there, a second object of a name, a playbook that the project does not have,
a prompted value that the template does not ask for, a schedule without a start or an interval, and a wrong survey.
Unlike AWX it refuses unknown fields too. It checks no permissions, runs nothing, and synchronizes no project.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

FIELDS: Mapping[str, Mapping[str, Mapping[str, Any]]] = json.loads(Path(__file__).with_suffix(".json").read_text())
# What a field that holds an identifier refers to, where it is not the plural of the field's name.
REFERS = {
    "credential_type": "credential_types",
    "default_environment": "execution_environments",
    "inventory": "inventories",
    "source_project": "projects",
    "signature_validation_credential": "credentials",
    "webhook_credential": "credentials",
}
TEMPLATES = ("job_templates", "workflow_job_templates", "projects", "inventory_sources", "workflow_approval_templates")
# The prompts of a launch, by the template's field that allows them.
PROMPTS = {
    "inventory": "ask_inventory_on_launch",
    "limit": "ask_limit_on_launch",
    "job_type": "ask_job_type_on_launch",
    "job_tags": "ask_tags_on_launch",
    "diff_mode": "ask_diff_mode_on_launch",
    "verbosity": "ask_verbosity_on_launch",
    "scm_branch": "ask_scm_branch_on_launch",
}
TYPES = {"string": str, "boolean": bool, "integer": int, "json": (dict, str), "id": int}
QUESTIONS = ("text", "textarea", "password", "integer", "float", "multiplechoice", "multiselect")
SECRET = "$encrypted$"
# The modules send them, and AWX ignores them.
READ_ONLY = {
    "credential_types": ("managed",),
    "job_templates": ("organization",),
    "workflow_job_template_nodes": ("type",),
}
# Which part of a notification's configuration AWX hides.
HIDDEN = {"email": "password", "grafana": "grafana_key", "pagerduty": "token", "slack": "token", "webhook": "password"}
# The built-in types of AWX that a fleet uses, with the fields that it hides.
MANAGED = {
    "Amazon Web Services": ("cloud", ["password", "security_token"]),
    "Container Registry": ("registry", ["password"]),
    "Source Control": ("scm", ["password", "ssh_key_data", "ssh_key_unlock"]),
    "Vault": ("vault", ["vault_password"]),
}
PLAYBOOK = re.compile(r"^\s*?-?\s*?(?:hosts|(ansible\.builtin\.)?include|(ansible\.builtin\.)?import_playbook):")


class RefusedError(Exception):
    """An answer of 400."""

    def __init__(self, **problems: str) -> None:
        super().__init__(problems)
        self.problems = {name: [text] for name, text in problems.items()}


class Awx:
    """The objects, by endpoint and identifier."""

    def __init__(self, playbooks: set[str]) -> None:
        self.playbooks = playbooks
        self.objects: dict[int, dict[str, Any]] = {}
        self.links: dict[tuple[int, str], list[int]] = {}
        self.surveys: dict[int, dict[str, Any]] = {}
        self.hidden: dict[int, dict[str, Any]] = {}
        self.writes: list[str] = []
        for name, (kind, secret) in MANAGED.items():
            fields = [{"id": field, "secret": True} for field in secret]
            self._store("credential_types", {"name": name, "kind": kind, "managed": True, "inputs": {"fields": fields}})

    def all(self, endpoint: str) -> list[dict[str, Any]]:
        kinds = TEMPLATES if endpoint == "unified_job_templates" else (endpoint,)
        return [each for each in self.objects.values() if each["endpoint"] in kinds]

    def named(self, endpoint: str, name: str) -> dict[str, Any]:
        (found,) = [each for each in self.all(endpoint) if name in (each.get("name"), each.get("identifier"))]
        return found

    def linked(self, thing: Mapping[str, Any], kind: str) -> list[str]:
        found = [self.objects[each] for each in self.links.get((thing["id"], kind), [])]
        return sorted(each.get("name") or each["identifier"] for each in found)

    def create(self, endpoint: str, given: Mapping[str, Any]) -> dict[str, Any]:
        fields = FIELDS[endpoint]
        for name, about in fields.items():
            if about.get("required") and given.get(name) in (None, ""):
                raise RefusedError(**{name: "This field is required."})
        value = {name: about.get("default") for name, about in fields.items()} | self._checked(endpoint, given)
        same = [each for each in self.all(endpoint) if _identity(each) == _identity(value)]
        if same:
            raise RefusedError(__all__=f"An object of this name exists: {value.get('name')}")
        self._check_whole(endpoint, value)
        if endpoint == "job_templates":
            value["organization"] = self.objects[value["project"]]["organization"]
        return self._store(endpoint, value)

    def change(self, number: int, given: Mapping[str, Any]) -> dict[str, Any]:
        thing = self.objects[number]
        value = {**thing, **self._checked(thing["endpoint"], given)}
        self._check_whole(thing["endpoint"], value)
        self.objects[number] = self._hide(value)
        return self.objects[number]

    def _store(self, endpoint: str, value: Mapping[str, Any]) -> dict[str, Any]:
        number = len(self.objects) + 1
        url = f"/api/v2/{endpoint}/{number}/"
        related = {"survey_spec": f"{url}survey_spec/"}
        self.objects[number] = self._hide(
            {
                "managed": False,
                **value,
                "id": number,
                "url": url,
                "endpoint": endpoint,
                "type": endpoint.rstrip("s"),
                "related": related,
                "summary_fields": {},
                "scm_revision": "",
            }
        )
        return self.objects[number]

    def _hide(self, value: dict[str, Any]) -> dict[str, Any]:
        """Hide secrets in responses."""
        if value["endpoint"] == "credentials":
            fields = self.objects[value["credential_type"]]["inputs"].get("fields", [])
            secret = {field["id"] for field in fields if field.get("secret")}
            self.hidden.setdefault(value["id"], {}).update(
                {name: text for name, text in value["inputs"].items() if name in secret and text != SECRET}
            )
            value["inputs"] = {name: SECRET if name in secret else text for name, text in value["inputs"].items()}
        if value["endpoint"] == "notification_templates" and value["notification_type"] in HIDDEN:
            hidden = {HIDDEN[value["notification_type"]]: SECRET}
            value["notification_configuration"] = {**value["notification_configuration"], **hidden}
        if value["endpoint"] == "workflow_job_template_nodes" and value["unified_job_template"]:
            template = self.objects[value["unified_job_template"]]
            value["related"] = {**value["related"], "unified_job_template": template["url"]}
        return value

    def _checked(self, endpoint: str, given: Mapping[str, Any]) -> dict[str, Any]:
        fields = FIELDS[endpoint]
        for name, value in given.items():
            if name in READ_ONLY.get(endpoint, ("type",)):
                continue
            if name not in fields:
                raise RefusedError(**{name: f"{endpoint} has no such field."})
            about = fields[name]
            if "choices" in about:
                if str(value) not in map(str, about["choices"]):
                    raise RefusedError(**{name: f'"{value}" is not a valid choice.'})
            elif value is not None and (
                not isinstance(value, TYPES[about["type"]]) or (isinstance(value, bool) and about["type"] != "boolean")
            ):
                raise RefusedError(**{name: f"{value!r} is not of the type {about['type']}."})
            if about["type"] == "id" and value is not None:
                target = REFERS.get(name, f"{name}s")
                if value not in [each["id"] for each in self.all(target)]:
                    raise RefusedError(**{name: f'Invalid pk "{value}" - object does not exist.'})
        return {name: _typed(fields[name], value) for name, value in given.items() if name in fields}

    def _check_whole(self, endpoint: str, value: Mapping[str, Any]) -> None:
        if endpoint == "job_templates" and value["playbook"] not in self.playbooks:
            raise RefusedError(playbook="Playbook not found for project.")
        if endpoint == "schedules":
            rules = re.findall(r"RULE:\S*", value["rrule"])
            if not re.search(r"DTSTART(;[^:]+)?:[0-9]+T[0-9]+Z?", value["rrule"]):
                raise RefusedError(rrule="Valid DTSTART required in rrule.")
            if re.search(r"DTSTART:[0-9]+T[0-9]+ ", value["rrule"]):
                raise RefusedError(rrule="DTSTART cannot be a naive datetime.")
            if not rules or any("INTERVAL" not in rule for rule in rules):
                raise RefusedError(rrule="INTERVAL required in rrule")
        if endpoint in ("schedules", "workflow_job_template_nodes") and value["unified_job_template"]:
            template = self.objects[value["unified_job_template"]]
            for name, ask in PROMPTS.items():
                if value.get(name) not in (None, "") and not template.get(ask):
                    raise RefusedError(**{name: "Field is not configured to prompt on launch."})
            asked = {each["variable"] for each in self.surveys.get(template["id"], {}).get("spec", [])}
            if set(value["extra_data"]) - asked and not template.get("ask_variables_on_launch"):
                raise RefusedError(extra_data="Variables are not allowed on launch.")

    def survey(self, number: int, spec: Mapping[str, Any]) -> None:
        if {"name", "description", "spec"} - spec.keys():
            raise RefusedError(error="A survey has a name, a description and a spec.")
        for question in spec["spec"]:
            if {"type", "question_name", "variable", "required"} - question.keys() or question["type"] not in QUESTIONS:
                raise RefusedError(error=f"The question {question} is incomplete.")
            if question["type"].startswith("multi") and not question.get("choices"):
                raise RefusedError(error=f"The question {question['question_name']} has no choices.")
            if question["type"] == "multiplechoice" and question.get("default", "") not in ("", *question["choices"]):
                raise RefusedError(error=f"The default of {question['question_name']} is none of its choices.")
        self.surveys[number] = dict(spec)


def _identity(value: Mapping[str, Any]) -> tuple[Any, ...]:
    keys = ("name", "identifier", "organization", "inventory", "credential_type", "workflow_job_template")
    return tuple(
        value.get(key) for key in (*keys, "unified_job_template") if key != "unified_job_template" or value.get("rrule")
    )


def _typed(about: Mapping[str, Any], value: Any) -> Any:
    """Numbers among the choices are numbers, however they are given."""
    numbers = [each for each in about.get("choices", []) if isinstance(each, int)]
    return int(value) if numbers and isinstance(value, str) and value else value


def playbooks_of(project: Path) -> set[str]:
    """The files that AWX offers as playbooks; it leaves out folders of some names."""
    found = set()
    for path in project.rglob("*.y*ml"):
        folders = path.relative_to(project).parts[:-1]
        hidden = any(each.startswith(".") for each in folders)
        if hidden or {"roles", "tasks", "group_vars", "host_vars"} & set(folders) or not path.is_file():
            continue
        if any(PLAYBOOK.match(line) for line in path.read_text(errors="ignore").splitlines()):
            found.add(str(path.relative_to(project)))
    return found


class Handler(BaseHTTPRequestHandler):
    """One request."""

    awx: Awx
    token: str

    def do_GET(self) -> None:
        self._answer(self._get)

    def do_POST(self) -> None:
        self._answer(self._post)

    def do_PATCH(self) -> None:
        self._answer(lambda parts, given: (200, self.awx.change(int(parts[1]), given)))

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def _answer(self, act: Any) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        given = json.loads(self.rfile.read(length) or b"{}") if length else {}
        path = urlsplit(self.path)
        parts = path.path.removeprefix("/api/v2/").strip("/").split("/")
        if self.headers.get("Authorization") != f"Bearer {self.token}":
            return self._send(401, {"detail": "Authentication credentials were not provided."})
        try:
            if self.command != "GET":
                self.awx.writes.append(f"{self.command} {path.path}")
            return self._send(*act(parts, given or dict(parse_qsl(path.query))))
        except RefusedError as refusal:
            return self._send(400, refusal.problems)
        except (KeyError, ValueError):
            return self._send(404, {"detail": f"Not found: {self.path}"})

    def _get(self, parts: list[str], asked: Mapping[str, str]) -> tuple[int, Any]:
        if len(parts) == 1:
            found = self.awx.all(parts[0])
            for name, value in asked.items():
                found = [each for each in found if str(each.get(name)) == value]
        elif len(parts) == 2:
            return 200, self.awx.objects[int(parts[1])]
        elif parts[2] == "survey_spec":
            return 200, self.awx.surveys.get(int(parts[1]), {})
        else:
            found = [self.awx.objects[each] for each in self.awx.links.get((int(parts[1]), parts[2]), [])]
        return 200, {"count": len(found), "next": None, "previous": None, "results": found}

    def _post(self, parts: list[str], given: Mapping[str, Any]) -> tuple[int, Any]:
        if len(parts) == 1:
            return 201, self.awx.create(parts[0], given)
        number = int(parts[1])
        if parts[2] == "survey_spec":
            self.awx.survey(number, given)
            return 200, {}
        if parts[2] == "create_approval_template":
            approval = self.awx.create("workflow_approval_templates", given)
            self.awx.change(number, {})
            self.awx.objects[number]["unified_job_template"] = approval["id"]
            self.awx.objects[number]["related"]["unified_job_template"] = approval["url"]
            return 201, approval
        links = self.awx.links.setdefault((number, parts[2]), [])
        if given.get("disassociate"):
            links.remove(given["id"])
        else:
            links.append(self.awx.objects[given["id"]]["id"])
        return 204, None

    def _send(self, status: int, content: Any) -> None:
        body = b"" if content is None else json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"X-API-Product-Name": "AWX", "X-API-Product-Version": "24.6.1"}.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def serving(awx: Awx, token: str) -> Iterator[str]:
    """Serve the API; its address."""
    handler = type("Bound", (Handler,), {"awx": awx, "token": token})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
