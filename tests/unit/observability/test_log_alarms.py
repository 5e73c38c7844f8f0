# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Alarms on logs fire for one set of documents and not for another.

Elasticsearch and Grafana are not available here. A small evaluator applies Grafana's rule as documented, for the few
features that such rules use, and refuses others.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._alarms.rules import grafana_rule

from observability.alarms import ALARMS, Alarm, Where, alarm_of
from observability.alarms.fixtures import fixtures

LOG_ALARMS = [alarm for alarm in ALARMS if alarm.where is Where.LOGS]
COMPARISONS = {"gt": operator.gt, "gte": operator.ge, "lt": operator.lt, "lte": operator.le}
Document = Mapping[str, object]


def found(query: str, document: Document) -> bool:
    """Return whether a search finds a document.

    ``_exists_:field`` finds what has an indexed value, and ``_ignored`` is searched so, too:
    https://www.elastic.co/docs/reference/query-languages/query-dsl/query-dsl-query-string-query
    https://www.elastic.co/docs/reference/elasticsearch/mapping-reference/mapping-ignored-field
    """
    name = re.fullmatch(r"_exists_:([\w.]+)", query)
    if not name:
        raise NotImplementedError(f"this fake for Elasticsearch does not know the query {query!r}")
    return document.get(name.group(1)) not in (None, [], "")


def fires(rule: dict[str, Any], documents: Sequence[Document]) -> bool:
    """Return whether a rule's condition holds: a query A, reduced to one number B, compared by C."""
    query, reduction, threshold = rule["data"]
    model = query["model"]
    (metric,) = model["metrics"]
    (bucket,) = model["bucketAggs"]
    assert (query["datasourceUid"], metric["type"], bucket["type"]) == ("logs", "count", "date_histogram")
    assert (bucket["field"], model["timeField"]) == ("@timestamp", "@timestamp")
    latest, earliest = (query["relativeTimeRange"][end] / 60 for end in ("to", "from"))
    counted = [one for one in documents if latest <= float(str(one["@age"])) <= earliest and found(model["query"], one)]
    assert (reduction["model"]["expression"], reduction["model"]["reducer"]) == ("A", "sum")
    (condition,) = threshold["model"]["conditions"]
    assert (threshold["model"]["expression"], rule["condition"]) == ("B", "C")
    (limit,) = condition["evaluator"]["params"]
    # The buckets of a count without a document are noughts.
    return bool(COMPARISONS[condition["evaluator"]["type"]](len(counted), limit))


def test_there_is_one() -> None:
    assert LOG_ALARMS


@pytest.mark.parametrize("alarm", LOG_ALARMS, ids=lambda alarm: alarm.name)
def test_it_fires_and_is_silent(alarm: Alarm) -> None:
    rule, both = grafana_rule(alarm, "controlplane", "controlplane"), fixtures()[alarm.name]
    assert both.silent is not None
    assert fires(rule, both.firing.documents)
    assert not fires(rule, both.silent.documents)
    assert not fires(rule, ())


def test_an_ignored_field_of_a_quarter_of_an_hour_ago_does_not_count() -> None:
    rule = grafana_rule(alarm_of("FieldsIgnored"), "controlplane", "controlplane")
    for age, expected in ((0, True), (15, True), (15.1, False)):
        document = {"@age": age, "_ignored": ["a"]}
        assert fires(rule, (document,)) is expected


def test_unknown_values_are_refused() -> None:
    with pytest.raises(NotImplementedError, match="level:error"):
        found("level:error", {"level": "error"})
