# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Alert rules, policies and queries for Grafana, checked with the types of Grafana's SDK.

Its types are those of Grafana's API for provisioning, and of the queries of its data sources; a rule in a file lies in
its group and folder, and a model has what Grafana's editor adds. The SDK has no types of settings of contact points, of
mute timings as files have them and of data sources' options: of those the shapes in the role's unit tests are ours. No
registry has types of Kibana's API, whose reconciler is held against Kibana's reference in prose only.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._verify import canary
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._verify.pods import Answer, Place, User
from ansible_collections.dataplatform.fleet.tests.integration.typescript import mistyped
from ansible_collections.dataplatform.fleet.tests.unit.roles import test_alarms

from localcloud.artifacts.programs.npm import packages

pytestmark = pytest.mark.integration

TYPES = """\
import type * as alerting from '@grafana/grafana-foundation-sdk/alerting';
import type * as prometheus from '@grafana/grafana-foundation-sdk/prometheus';
import type * as elasticsearch from '@grafana/grafana-foundation-sdk/elasticsearch';
import type * as expr from '@grafana/grafana-foundation-sdk/expr';
type Plain<T> = T extends readonly (infer E)[] ? Plain<E>[]
  : T extends string ? T | `${T}`
  : T extends object ? { [K in keyof T as K extends '_implementsDataqueryVariant' ? never : K]: Plain<T[K]> } : T;
type Edited = { intervalMs?: number, maxDataPoints?: number };
type PrometheusQuery = Plain<prometheus.dataquery> & Edited;
type ElasticsearchQuery = Plain<elasticsearch.dataquery> & Edited;
type Reduce = Plain<expr.TypeReduce>;
type Threshold = Plain<expr.TypeThreshold>;
type Query = Omit<alerting.Query, 'model'> & { model: unknown };
type Rule = Omit<Plain<alerting.Rule>, 'orgID' | 'folderUID' | 'ruleGroup' | 'data'> & { data: Query[] };
type Policy = Plain<alerting.NotificationPolicy> & { orgId: number };
"""


@pytest.fixture(scope="module")
def sdk() -> Path:
    return packages("grafana_types")


def typed(model: dict[str, Any]) -> str:
    kind = model["datasource"]["type"]
    return {"prometheus": "PrometheusQuery", "elasticsearch": "ElasticsearchQuery"}.get(kind) or model["type"].title()


def problems(sdk: Path, values: list[tuple[str, Any]]) -> list[str]:
    return [f"{values[number][1]}: {problem}" for number, problem in mistyped(sdk, TYPES, values)]


def test_rules_and_their_models_are_grafanas(sdk: Path) -> None:
    rules = test_alarms.rules(**test_alarms.REACHED)
    models = [query["model"] for rule in rules for query in rule["data"]]
    values = [("Rule", rule) for rule in rules] + [(typed(model), model) for model in models]
    assert {kind for kind, _ in values} == {"Rule", "PrometheusQuery", "ElasticsearchQuery", "Reduce", "Threshold"}
    assert problems(sdk, values) == []


def test_policies_are_grafanas(sdk: Path) -> None:
    documents = test_alarms.files(**test_alarms.REACHED).values()
    policies = [("Policy", policy) for document in documents for policy in document.get("policies", ())]
    assert policies
    assert problems(sdk, policies) == []


@pytest.mark.parametrize("log", [True, False])
def test_the_canarys_queries_are_grafanas(sdk: Path, log: bool) -> None:
    asked: list[tuple[str, Any]] = []

    class Pods:
        def https(self, _place: Place, _method: str, _path: str, *, user: User, body: Any) -> Answer:
            assert user.name == "viewer"
            asked.extend((typed(query), query) for query in body["queries"])
            return Answer(200, b'{"results": {"A": {"frames": []}}}')

    pods: Any = Pods()
    followed = canary.Canary("canary1", "staging", 0.0)
    canary.in_grafana(pods, Place("grafana", "grafana-0"), followed, User("viewer", "x"), log=log)
    assert asked
    assert problems(sdk, asked) == []


def test_errors_are_found(sdk: Path) -> None:
    rule, *_ = test_alarms.rules()
    model = rule["data"][0]["model"]
    wrong = [
        ("Rule", rule | {"noDataState": "Ok"}),
        ("Rule", rule | {"summary": "x"}),
        (typed(model), model | {"expression": "x"}),
        (
            "Threshold",
            {"refId": "C", "type": "threshold", "expression": "A", "conditions": [{"evaluator": {"type": ">"}}]},
        ),
    ]
    assert {number for number, _ in mistyped(sdk, TYPES, wrong)} == set(range(len(wrong)))
