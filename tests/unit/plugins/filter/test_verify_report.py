# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.filter.verify_report import verify_report

COMPONENT = {"namespace": "kafka", "name": "kafka", "desired": 3, "ready": 3, "simulated": False}
SEEN = {"signal": "metric", "hop": "exporter", "status": "seen", "seconds": 1.5, "text": "", "look": ""}
NOT_RUN = {**SEEN, "status": "not_run", "seconds": None, "text": "Simulated."}
MISSING = {**SEEN, "status": "missing", "seconds": None, "text": "Not seen.", "look": "The pod."}


def result(*hops: Any, **more: Any) -> dict[str, Any]:
    return {"components": [COMPONENT], "hops": list(hops), **more}


@pytest.mark.parametrize(
    ("results", "accept", "verdict", "passed"),
    [
        ({"a": result(SEEN)}, False, "verified", True),
        ({"a": result(SEEN), "b": result(NOT_RUN)}, False, "not_verified", False),
        ({"a": result(SEEN), "b": result(NOT_RUN)}, True, "not_verified", True),
        ({"a": result(NOT_RUN), "b": result(MISSING)}, True, "failed", False),
        ({"a": result(SEEN), "b": {"error": "The cluster does not exist."}}, True, "failed", False),
        ({}, True, "not_verified", False),
    ],
)
def test_the_worst_cluster_decides(results: dict[str, Any], accept: bool, verdict: str, passed: bool) -> None:
    report = verify_report(results, accept_not_run=accept)
    assert (report["verdict"], report["passed"]) == (verdict, passed)


def test_the_report_has_each_hop_with_its_reason() -> None:
    report = verify_report({"staging": result(SEEN, MISSING, run="canary0abc")})
    staging = report["clusters"]["staging"]
    assert staging["hops"] == [SEEN, MISSING]
    assert staging["run"] == "canary0abc"
    assert staging["readiness"] == {"total": 1, "ready": 1, "simulated": 0, "not_ready": []}
    assert report["text"].splitlines() == [
        "staging: FAILED",
        "  the canary's metric does not arrive at exporter: Not seen. Look at: The pod.",
    ]
