# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans in the format of results, with requests validated against botocore's models of EKS and EC2."""

from __future__ import annotations

from functools import cache
from typing import Any

import botocore.session
from ansible_collections.dataplatform.fleet.plugins.module_utils._aws.plan import Plan
from botocore.model import ServiceModel
from botocore.validate import ParamValidator


@cache
def _service(name: str) -> ServiceModel:
    return botocore.session.get_session().get_service_model(name)


def steps(plan: Plan, service: str = "eks") -> list[tuple[str, dict[str, Any], dict[str, tuple[Any, Any]]]]:
    """Return each call: its operation, its request, and the changed fields with their values before and after."""
    for step in plan:
        shape = _service(service).operation_model(step.operation).input_shape
        report = ParamValidator().validate(dict(step.request), shape)
        assert not report.has_errors(), f"{step.operation}: {report.generate_report()}"
        assert not step.request.keys() - shape.members.keys(), step.operation
    return [
        (step.operation, dict(step.request), {name: (c.before, c.after) for name, c in step.changes.items()})
        for step in plan
    ]
