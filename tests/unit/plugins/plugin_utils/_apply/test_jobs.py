# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.jobs import (
    FINISHED,
    fingerprints,
    finished,
    recorded,
    removed_later,
)
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.objects import (
    Json,
    Member,
    Resource,
    Source,
    key_of,
)

RESOURCE = Resource("batch", "v1", "Job", "jobs", namespaced=True)


def member(ttl: int | None = 60, kind: str = "Job", image: str = "c:1") -> Member:
    spec: dict[str, Any] = {"template": image} | ({} if ttl is None else {"ttlSecondsAfterFinished": ttl})
    body = {"apiVersion": "batch/v1", "kind": kind, "metadata": {"name": "x", "namespace": "n"}, "spec": spec}
    return Member(key_of(body), RESOURCE, body, Source("f", 1))


def job(condition: str) -> Json:
    return {"metadata": {"name": "x"}, "status": {"conditions": [{"type": condition, "status": "True"}]}}


@pytest.mark.parametrize(
    "spec", ["text", None, [1], {"ttlSecondsAfterFinished": "1h"}, {"ttlSecondsAfterFinished": True}]
)
def test_invalid_values_are_sent_to_the_server(spec: Any) -> None:
    body = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "x"}, "spec": spec}
    assert removed_later(key_of(body), body) is None


def test_only_jobs_that_kubernetes_removes_are_remembered() -> None:
    assert fingerprints([member(None), member(kind="CronJob")]) == {}
    assert len(fingerprints([member(0)])) == 1


def test_a_job_is_finished_when_it_was_seen_to_succeed_as_it_is_rendered() -> None:
    prints = fingerprints([member()])
    (key,) = prints
    assert finished(prints, {}, {}) == {}
    assert finished(prints, {}, {key: job("Failed")}) == {}
    done = finished(prints, {}, {key: job("Complete")})
    assert finished(prints, done, {}) == done, "it is gone, and known"
    assert finished(prints, done, {key: job("Failed")}) == {}, "it was created again, and failed"
    assert finished(fingerprints([member(image="c:2")]), done, {}) == {}, "another template is another Job"
    assert finished({}, done, {}) == {}, "it is no longer rendered"


@pytest.mark.parametrize("text", ["", "{", "[1]", "null"])
def test_an_invalid_record_is_ignored(text: str) -> None:
    assert recorded({"metadata": {"annotations": {FINISHED: text}}}) == {}
    assert recorded(None) == {}
    assert recorded({"metadata": {"annotations": {FINISHED: json.dumps({"n/x": "1"})}}}) == {"n/x": "1"}
