# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A running OpenSearch node and its client."""

from __future__ import annotations

import contextlib
import json
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ansible_collections.dataplatform.fleet.tests.integration.prometheus.real import running
from ansible_collections.dataplatform.fleet.tests.integration.search.logstash_pipeline import Action

from localcloud.artifacts.programs.opensearch import address, command
from localcloud.host.loopback import ready_timeout
from localcloud.testing import eventually

Json = dict[str, Any]


class Node:
    """The API of one node."""

    def __init__(self, where: str) -> None:
        self._url = f"http://{where}"
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def ask(self, method: str, path: str, body: Json | str | None = None) -> tuple[int, Json]:
        """Return status and response."""
        data = None if body is None else (body if isinstance(body, str) else json.dumps(body)).encode()
        kind = "application/x-ndjson" if isinstance(body, str) else "application/json"
        request = urllib.request.Request(  # noqa: S310 - our own URL
            self._url + path, data, {"Content-Type": kind}, method=method
        )
        try:
            with self._opener.open(request, timeout=120) as answer:
                return answer.status, dict(json.loads(answer.read()))
        except urllib.error.HTTPError as error:
            with error:
                return error.code, dict(json.loads(error.read()))

    def do(self, method: str, path: str, body: Json | str | None = None) -> Json:
        """Return the response of a request that must succeed."""
        status, answer = self.ask(method, path, body)
        assert status == 200, answer
        return answer

    def bulk(self, actions: Iterable[Action]) -> list[Json]:
        """Return the result of each item, with its ``status``; accepted documents are searchable immediately."""
        sent = "".join(action.lines() for action in actions)
        items = self.do("POST", "/_bulk?refresh=true", sent)["items"]
        return [dict(item["create"]) for item in items]

    def search(self, stream: str, *filters: Json) -> list[Json]:
        """Return the documents that all filters match."""
        query = {"size": 1000, "query": {"bool": {"filter": list(filters)}}}
        return [dict(hit["_source"]) for hit in self.do("GET", f"/{stream}/_search", query)["hits"]["hits"]]

    def count(self, stream: str) -> int:
        return int(self.do("GET", f"/{stream}/_count")["count"])

    def fields(self, stream: str) -> dict[str, Json]:
        """Return each field with its only type, as ``type``, and whether it is searchable and aggregatable."""
        found = self.do("GET", f"/{stream}/_field_caps?fields=*")["fields"]
        only = {name: list(types.values()) for name, types in found.items() if not name.startswith("_")}
        assert all(len(types) == 1 for types in only.values())
        return {name: types[0] for name, types in only.items() if types[0]["type"] != "object"}


@contextlib.contextmanager
def node(folder: Path) -> Iterator[Node]:
    """Run a node with its files in ``folder`` until the end of the block."""
    folder.mkdir()
    data, log = folder / "data", folder / "opensearch.log"
    with running(command(data), folder, "opensearch") as process:

        def listening() -> str:
            assert process.poll() is None, log.read_text(errors="replace")[-3000:]
            return address(data)

        yield Node(eventually(listening, ready_timeout(), log=log))
