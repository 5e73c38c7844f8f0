# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fake of the part of Kibana's API that the reconciler and the exporter speak.

It is no Kibana: it keeps data views and saved objects as they are given, adds what Kibana adds to them, and answers in
the forms of Kibana's API reference. It requires a password and, for writes, the header kbn-xsrf.
"""

from __future__ import annotations

import email
import email.policy
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.dataplatform.fleet.tests.integration.fake_https import Request, serving

Json = dict[str, Any]


@dataclass
class FakeKibana:
    """The state, which a test reads and changes, and the log of what changed it."""

    url: str = ""
    passwords: dict[str, str] = field(default_factory=dict)
    data_views: dict[str, Json] = field(default_factory=dict)
    default_data_view: str = ""
    saved_objects: dict[tuple[str, str], Json] = field(default_factory=dict)
    writes: list[tuple[str, str]] = field(default_factory=list)
    status: Json = field(default_factory=dict)
    not_ready: int = 0
    """How often it responds that it is not ready."""
    refuse_import: bool = False

    def answer(self, method: str, path: str, text: str, who: str | None, headers: Json) -> tuple[int, str]:
        if path == "/api/status":
            known = {"status": self.status["status"]} if who is None and self.status else self.status
            return (200, json.dumps(known)) if self.status else (503, "{}")
        if who is None:
            return 401, problem(401, "Unauthorized")
        if method != "GET" and "kbn-xsrf" not in headers:
            return 400, problem(400, "Request must contain a kbn-xsrf header.")
        self.not_ready -= 1
        if self.not_ready >= 0:
            return 503, "Kibana server is not ready yet."
        if path == "/api/saved_objects/_export":
            return self._export(json.loads(text))
        if method != "GET":
            self.writes.append((method, path))
        if path == "/api/saved_objects/_import":
            return self._import(headers["content-type"], text)
        if path == "/api/data_views":
            return 200, json.dumps({"data_view": [{"id": name, **view} for name, view in self.data_views.items()]})
        if path == "/api/data_views/default":
            if method == "POST":
                self.default_data_view = json.loads(text)["data_view_id"]
            return 200, json.dumps({"data_view_id": self.default_data_view})
        if path == "/api/data_views/data_view":
            view = json.loads(text)["data_view"]
            self.data_views[view["id"]] = {"version": "WzEsMV0=", "fields": {}, **view}
            return 200, json.dumps({"data_view": view})
        if found := re.fullmatch(r"/api/data_views/data_view/(.+)", path):
            return self._one(self.data_views, found[1], method, "data_view")
        if found := re.fullmatch(r"/api/saved_objects/([^/]+)/(.+)", path):
            return self._one(self.saved_objects, (found[1], found[2]), method, "object")
        return 404, problem(404, "Not Found")

    @staticmethod
    def _one(place: Any, name: Any, method: str, key: str) -> tuple[int, str]:
        if name not in place:
            return 404, problem(404, "Not Found")
        if method == "DELETE":
            del place[name]
            return 200, "{}"
        return 200, json.dumps({key: place[name]})

    def _export(self, wanted: Json) -> tuple[int, str]:
        found = [json.dumps(item) for (kind, _id), item in self.saved_objects.items() if kind in wanted["type"]]
        return 200, "\n".join(found)

    def _import(self, kind: str, text: str) -> tuple[int, str]:
        if self.refuse_import:
            errors = [{"type": "search", "id": "platform-errors", "error": {"type": "missing_references"}}]
            return 200, json.dumps({"success": False, "errors": errors})
        form = email.message_from_string(f"Content-Type: {kind}\r\n\r\n{text}", policy=email.policy.HTTP)
        (part,) = form.iter_parts()
        assert part.get_filename() == "platform.ndjson"
        lines = [line for line in part.get_content().decode().splitlines() if line.strip()]
        for item in map(json.loads, lines):
            # Kibana migrates imported objects and records the version.
            kept = {**item, "typeMigrationVersion": "10.9.0", "updated_at": "2026-11-25T00:00:00Z", "managed": False}
            self.saved_objects[item["type"], item["id"]] = kept
        return 200, json.dumps({"success": True, "successCount": len(lines)})


def problem(status: int, message: str) -> str:
    return json.dumps({"statusCode": status, "error": "Error", "message": message})


@contextmanager
def running(folder: Path) -> Iterator[FakeKibana]:
    """A fake on a free port of the loopback; in ``folder`` are ca.crt, tls.crt and tls.key."""
    state = FakeKibana()

    def answer(request: Request) -> tuple[int, str]:
        return state.answer(request.method, request.path, request.text, request.who, request.headers)

    with serving(folder, state.passwords, answer) as (url, _ca):
        state.url = url
        yield state
