# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fake of the part of Elasticsearch's API that the reconciler speaks.

It is no Elasticsearch: it keeps what it is given under the path it was given for, and answers in the forms of the API
reference of 9.x: settings as text under their full names, unrequested defaults, passwords that cannot be
read, 404 for what is not there. It holds every request to the user's password. What a body means, it does not know.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from ansible_collections.dataplatform.fleet.tests.integration.fake_https import Request, serving

Json = dict[str, Any]
Answer = tuple[int, Json]
Place = Callable[[str, str | None, Json], Answer]


@dataclass
class FakeElasticsearch:
    """The state, which a test reads and changes, and the log of what changed it."""

    url: str = ""
    settings: Json = field(default_factory=dict)
    component_templates: dict[str, Json] = field(default_factory=dict)
    index_templates: dict[str, Json] = field(default_factory=dict)
    data_streams: dict[str, Json] = field(default_factory=dict)
    indices: dict[str, Json] = field(default_factory=dict)
    """The settings of backing indices, under their full names."""
    roles: dict[str, Json] = field(default_factory=dict)
    users: dict[str, Json] = field(default_factory=dict)
    repositories: dict[str, Json] = field(default_factory=dict)
    policies: dict[str, Json] = field(default_factory=dict)
    passwords: dict[str, str] = field(default_factory=dict)
    writes: list[tuple[str, str]] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    broken: dict[str, int] = field(default_factory=dict)
    """Beginnings of paths that answer with a status instead."""
    not_ready: int = 0
    """How often it responds that it is not ready."""

    def answer(self, method: str, path: str, body: Json, who: str | None) -> Answer:
        if who is None:
            return 401, error("unable to authenticate")
        if path == "/_cluster/health":
            self.not_ready -= 1
            return (408, {"timed_out": True}) if self.not_ready >= 0 else (200, {"status": "green"})
        for beginning, status in self.broken.items():
            if path.startswith(beginning) and method != "GET":
                return status, error(f"it is broken: {path}")
        if method != "GET":
            self.writes.append((method, path))
        if path == "/_security/_authenticate":
            return 200, {"username": who}
        if path == "/_cluster/settings":
            if method == "PUT":
                self.settings |= as_text(body["persistent"])
            return 200, {"persistent": self.settings, "transient": {}}
        if found := re.fullmatch(r"/_data_stream/([^/]+)(?:/_(lifecycle|options))?", path):
            return self._data_stream(method, found[1], found[2], body)
        if found := re.fullmatch(r"/([^/_]+)/_settings", path):
            return self._index_settings(method, found[1], body)
        if found := re.fullmatch(r"/_security/user/([^/]+)/_password", path):
            self.passwords[found[1]] = body["password"]
            return 200, {}
        for pattern, place in (
            (r"/_component_template(?:/(.+))?", self._templates("component_template", self.component_templates)),
            (r"/_index_template(?:/(.+))?", self._templates("index_template", self.index_templates)),
            (r"/_security/role(?:/(.+))?", self._named(self.roles, role)),
            (r"/_security/user(?:/(.+))?", self._named(self.users, self._user)),
            (r"/_snapshot(?:/(.+))?", self._named(self.repositories, lambda _name, given: {**given, "uuid": "x"})),
            (
                r"/_slm/policy(?:/(.+))?",
                self._named(self.policies, lambda _name, given: {"version": 1, "policy": given}),
            ),
        ):
            if found := re.fullmatch(pattern, path):
                return place(method, unquote(found[1]) if found[1] else None, body)
        return 400, error(f"no handler found for uri [{path}] and method [{method}]")

    def _data_stream(self, method: str, name: str, part: str | None, body: Json) -> Answer:
        if method == "PUT" and part:
            self.data_streams[name][part] = {"enabled": True, **body} if part == "lifecycle" else body
            return 200, {"acknowledged": True}
        wanted = re.compile(name.replace("*", ".*"))
        return 200, {"data_streams": [self._shown(n) for n in self.data_streams if wanted.fullmatch(n)]}

    def _index_settings(self, method: str, name: str, body: Json) -> Answer:
        if method == "PUT":
            self.indices[name] |= as_text(flat(body))
            return 200, {"acknowledged": True}
        return 200, {index: {"settings": self.indices[index]} for index in self.data_streams[name]["indices"]}

    def _shown(self, name: str) -> Json:
        """A data stream as GET shows it, in the form and by the rules that test_rules.py reads off Elasticsearch."""
        stream = self.data_streams[name]
        lifecycle = stream.get("lifecycle", {})
        return {
            "name": name,
            "indices": [
                {"index_name": index, "managed_by": managed_by(self.indices[index], lifecycle)}
                for index in stream["indices"]
            ],
            "template": stream["template"],
            "next_generation_managed_by": managed_by(self._next(stream["template"]), lifecycle),
            "lifecycle": lifecycle,
            "failure_store": {"enabled": False, "rollover_on_write": False, "indices": []}
            | stream.get("options", {}).get("failure_store", {}),
        }

    def _next(self, name: str) -> Json:
        """The settings of a data stream's next index: the built-in component's, and those that come after it."""
        if name == "metrics-prometheus@template":
            ours = self.component_templates.get("metrics-prometheus@custom", {})
            return {"index.lifecycle.name": "metrics"} | ours.get("template", {}).get("settings", {})
        return dict(self.index_templates.get(name, {}).get("template", {}).get("settings", {}))

    def add_data_stream(self, name: str, template: str, *settings: Json, **more: Json) -> list[str]:
        """Return the names of its backing indices, one for each given settings, of which the last is written to."""
        indices = [f".ds-{name}-{number:06}" for number in range(1, len(settings) + 1)]
        self.indices |= {index: dict(given) for index, given in zip(indices, settings, strict=True)}
        self.data_streams[name] = {"template": template, "indices": indices, **more}
        return indices

    @staticmethod
    def _templates(key: str, place: dict[str, Json]) -> Place:
        def handle(method: str, name: str | None, body: Json) -> Answer:
            if method == "PUT" and name:
                place[name] = template(body)
                return 200, {"acknowledged": True}
            if name is not None and name not in place:
                return 404, error(f"{key} matching [{name}] not found")
            if method == "DELETE" and name:
                del place[name]
                return 200, {"acknowledged": True}
            found = [{"name": n, key: t} for n, t in place.items() if name in (None, n)]
            return 200, {f"{key}s": found}

        return handle

    @staticmethod
    def _named(place: dict[str, Json], stored: Callable[[str, Json], Json]) -> Place:
        def handle(method: str, name: str | None, body: Json) -> Answer:
            if method == "PUT" and name:
                place[name] = stored(name, body)
                return 200, {}
            if name is not None and name not in place:
                return 404, {}
            if method == "DELETE" and name:
                del place[name]
                return 200, {}
            return 200, {n: o for n, o in place.items() if name in (None, n)}

        return handle

    def _user(self, name: str, body: Json) -> Json:
        if "password" in body:
            self.passwords[name] = body["password"]
        return {"username": name, "email": None, **{k: v for k, v in body.items() if k != "password"}}


def managed_by(settings: Json, lifecycle: Json) -> str:
    """Return the manager of an index of a data stream with this lifecycle."""
    policy, prefer = settings.get("index.lifecycle.name"), settings.get("index.lifecycle.prefer_ilm", "true") == "true"
    if lifecycle.get("enabled") and not (policy and prefer):
        return "Data stream lifecycle"
    return "Index Lifecycle Management" if policy else "Unmanaged"


def error(reason: str) -> Json:
    return {"error": {"type": "exception", "reason": reason}}


def role(_name: str, body: Json) -> Json:
    defaults: Json = {
        "cluster": [],
        "indices": [],
        "applications": [],
        "run_as": [],
        "metadata": {},
        "transient_metadata": {},
    }
    indices = [{"allow_restricted_indices": False, **item} for item in body.get("indices", [])]
    return {**defaults, **body, "indices": indices}


def template(body: Json) -> Json:
    found = json.loads(json.dumps(body))
    inner = found.get("template", {})
    if "settings" in inner:
        inner["settings"] = as_text(flat(inner["settings"]))
    if "lifecycle" in inner:
        inner["lifecycle"] = {"enabled": True, **inner["lifecycle"]}
    if "data_stream" in found:
        found["data_stream"] = {"hidden": False, "allow_custom_routing": False}
    return dict(found)


def flat(settings: Json, path: str = "") -> Json:
    found: Json = {}
    for key, value in settings.items():
        found |= flat(value, f"{path}{key}.") if isinstance(value, dict) else {f"{path}{key}": value}
    return found


def as_text(settings: Json) -> Json:
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in settings.items()}


@contextmanager
def running(folder: Path) -> Iterator[tuple[FakeElasticsearch, Path]]:
    """A fake on a free port of the loopback, and the PEM file to verify it by."""
    state = FakeElasticsearch()

    def answer(request: Request) -> tuple[int, str]:
        state.requests.append(request)
        status, body = state.answer(request.method, request.path, json.loads(request.text or "{}"), request.who)
        return status, json.dumps(body)

    with serving(folder, state.passwords, answer) as (url, ca):
        state.url = url
        yield state, ca
