# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests to Elasticsearch that the fake does not receive, checked with the official client's types and code.

The reconciler's and the probe's are held in their own tests, by the fixture ``sent``. Logstash, Kibana, Grafana and the
exporter speak to Elasticsearch by themselves: their requests are not ours. The types leave open what a setting of the
cluster is called, and which privileges on an application there are.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._verify import canary
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._verify.pods import Answer, Place, User
from ansible_collections.dataplatform.fleet.tests.integration.elasticsearch.client import OfficialClient, Sent
from ansible_collections.dataplatform.fleet.tests.integration.fake_https import Request
from ansible_collections.dataplatform.fleet.tests.unit.roles.rendering import CHECKOUT, evaluate

from localcloud.artifacts.programs import HERE

pytestmark = pytest.mark.integration

# As documentation writes a request: its path begins with _, or with an index or a data stream and goes on with _.
_WRITTEN = re.compile(r"\b(GET|PUT|POST|DELETE) +/?((?:[\w.*-]+/)?_[a-z][^\s`]*)(?: +(\{.*\}))?")
_PAGES = sorted([*(CHECKOUT / "docs").rglob("*.md"), *(CHECKOUT / "roles").glob("*/README.md")])


@pytest.fixture(scope="module")
def official() -> OfficialClient:
    return OfficialClient()


def sent(method: str, path: str, body: Any = None) -> Sent:
    path, _, query = path.partition("?")
    values = dict(part.partition("=")[::2] for part in query.split("&") if part)
    # A parameter without a value is one that is true.
    return Sent(method, f"/{path.lstrip('/')}", {name: value or "true" for name, value in values.items()}, body)


def written(page: Path) -> list[Sent]:
    found = _WRITTEN.findall(page.read_text(encoding="utf-8"))
    return [sent(method, path.rstrip(".,:;)"), json.loads(body) if body else None) for method, path, body in found]


def test_requests_of_runbooks_and_pages_exist(official: OfficialClient) -> None:
    found = [request for page in _PAGES for request in written(page)]
    assert {"GET /_cluster/allocation/explain", "PUT /_cluster/settings"} <= set(map(str, found))
    problems = official.problems(found)
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("log", [True, False])
def test_the_canary_is_searched_for_as_the_client_would(official: OfficialClient, log: bool) -> None:
    asked: list[Sent] = []

    class Pods:
        def https(self, _place: Place, method: str, path: str, *, user: User, body: Any) -> Answer:
            assert user.name == "grafana_reader"
            asked.append(sent(method, path, body))
            return Answer(200, b'{"hits": {"total": {"value": 1}}}')

    pods: Any = Pods()
    followed = canary.Canary("canary1", "staging", 0.0)
    place = Place("elasticsearch", "elasticsearch-0")
    canary.in_elasticsearch(pods, place, followed, User("grafana_reader", "x"), log=log)
    assert official.problems(asked) == []


def test_privileges_are_elasticsearchs(official: OfficialClient) -> None:
    """An unknown name is refused, unless it is an action name, which contains colons."""
    roles = evaluate("elasticsearch", "__elasticsearch_declared.roles")
    cluster = {name for role in roles.values() for name in role.get("cluster", [])}
    indices = {name for role in roles.values() for grant in role.get("indices", []) for name in grant["privileges"]}
    for names, known in ((cluster, "SecurityClusterPrivilege"), (indices, "SecurityIndexPrivilege")):
        assert {name for name in names if ":" not in name} <= official.literals(known)


def test_the_client_is_of_the_minor_that_runs() -> None:
    wanted = json.loads((HERE / "elasticsearch_client" / "package.json").read_text())["dependencies"]
    runs = evaluate("elasticsearch", "elasticsearch_version")
    assert wanted["@elastic/elasticsearch"].rpartition(".")[0] == runs.rpartition(".")[0]


TEMPLATE = {"index_patterns": ["a"], "template": {"settings": {"index": {"refresh_interval": "5s"}}}}
REFRESH = TEMPLATE | {"template": {"settings": {"index": {"refresh": "5s"}}}}
RIGHT = (
    sent("PUT", "/_index_template/a", TEMPLATE),
    sent("GET", "/_nodes/stats/breaker,jvm?human"),
    sent("POST", "/logs-*/_search?ignore_unavailable=true", {"query": {"match_all": {}}, "size": 0}),
)
WRONG = {
    sent("PUT", "/_index_templates/a", TEMPLATE): "the client has no function",
    sent("GET", "/_cluster/health?wait_for_status=amber"): "not assignable to type 'HealthStatus'",
    sent("PUT", "/_index_template/b?priority=1", TEMPLATE): "the client's indices.putIndexTemplate sends",
    sent("PUT", "/_index_template/c", TEMPLATE | {"component": []}): "'\"component\"' does not exist",
    sent("PUT", "/_index_template/d", REFRESH): "'\"refresh\"' does not exist",
    sent("PUT", "/_slm/policy/e", {"schedule": 1}): "Type 'number' is not assignable to type 'string'",
    sent("PUT", "/_snapshot/f", {"type": "s3", "settings": {"bucket": "b", "path": "c"}}): "'\"path\"' does not exist",
}


def test_only_errors_are_found(official: OfficialClient) -> None:
    found = official.problems([*RIGHT, *WRONG])
    assert len(found) == len(WRONG), "\n".join(found)
    for request, problem in WRONG.items():
        assert any(line.startswith(f"{request}: ") and problem in line for line in found), (request, found)


def test_the_output_of_a_fake_is_parsed() -> None:
    request = Request("PUT", "/_slm/policy/a", '{"name": "b"}', "elastic", {}, {"timeout": "1s"})
    assert vars(Sent.of(request)) == vars(sent("PUT", "/_slm/policy/a?timeout=1s", {"name": "b"}))
