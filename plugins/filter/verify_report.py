# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Summarise the results of all clusters in a verdict on the run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.dataplatform.fleet.plugins.plugin_utils._verify.hops import (
    Finding,
    Readiness,
    Status,
    verdict,
)

# The worst verdict of a cluster is the verdict of the run.
_ORDER = ("verified", "not_verified", "failed")
_WORDS = {"verified": "verified", "not_verified": "NOT VERIFIED", "failed": "FAILED"}


def verify_report(results: Mapping[str, Mapping[str, Any]], accept_not_run: bool = False) -> dict[str, Any]:
    """Return the verdict on each cluster and on the run.

    ``results`` has for each cluster either ``error``, or ``components`` (of component_info) and ``hops`` (of canary).
    """
    clusters = {name: _cluster(name, result, accept_not_run) for name, result in results.items()}
    worst = max((cluster["verdict"] for cluster in clusters.values()), key=_ORDER.index, default="not_verified")
    return {
        "verdict": worst,
        "passed": bool(clusters) and all(cluster["passed"] for cluster in clusters.values()),
        "clusters": clusters,
        "text": "\n".join(cluster["text"] for cluster in clusters.values()) or "There is no cluster in this run.",
    }


def _cluster(name: str, result: Mapping[str, Any], accept_not_run: bool) -> dict[str, Any]:
    readiness = Readiness.of(result.get("components") or ())
    hops = [_finding(hop) for hop in result.get("hops") or ()]
    found, reasons = verdict(readiness, hops)
    if result.get("error"):
        found, reasons = "failed", [str(result["error"])]
    return {
        "verdict": found,
        "passed": found == "verified" or (found == "not_verified" and accept_not_run),
        "reasons": reasons,
        "text": f"{name}: {_WORDS[found]}" + "".join(f"\n  {reason}" for reason in reasons),
        "run": str(result.get("run") or ""),
        "readiness": {
            "total": readiness.total,
            "ready": readiness.ready,
            "simulated": readiness.simulated,
            "not_ready": list(readiness.not_ready),
        },
        "hops": [hop.public() for hop in hops],
    }


def _finding(hop: Mapping[str, Any]) -> Finding:
    seconds = hop.get("seconds")
    return Finding(
        str(hop["signal"]),
        str(hop["hop"]),
        Status(str(hop["status"])),
        None if seconds is None else float(seconds),
        str(hop.get("text") or ""),
        str(hop.get("look") or ""),
    )


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"verify_report": verify_report}
