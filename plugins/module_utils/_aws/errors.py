# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors with messages for the reader of a task's output."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .aliases import Value


class AwsError(Exception):
    """An error whose message is shown unchanged; *details* become additional keys of the failed task's result."""

    def __init__(self, message: str, **details: Value) -> None:
        super().__init__(message)
        self.message = message
        self.details: dict[str, Any] = details


class ClusterNotFoundError(AwsError):
    """There is no cluster of that name in the region."""


class ImmutableError(AwsError):
    """EKS cannot change the fields that differ."""

    def __init__(self, resource: str, fields: Iterable[ImmutableField]) -> None:
        found = list(fields)
        lines = [f"{f.name} is {f.current!r} and cannot become {f.wanted!r}: {f.remedy}" for f in found]
        super().__init__(
            f"{resource}: {'; '.join(lines)} Nothing was changed.",
            immutable=[{"field": f.name, "current": f.current, "wanted": f.wanted} for f in found],
        )


class ImmutableField:
    """One field of an :class:`ImmutableError`."""

    def __init__(self, name: str, current: Value, wanted: Value, remedy: str) -> None:
        self.name = name
        self.current = current
        self.wanted = wanted
        self.remedy = remedy


class VersionError(AwsError):
    """A Kubernetes version that cannot be reached from the current one, or that EKS does not offer."""


class FailedError(AwsError):
    """A resource or update ended in a failed state; the message carries the API's own reasons."""


class WaitTimeoutError(AwsError):
    """The wanted state was not reached in time."""


def issues_text(issues: Iterable[Mapping[str, Any]]) -> str:
    """Return one line for the API's health issues or update errors.

    >>> issues_text([{"code": "AccessDenied", "message": "no", "resourceIds": ["r"]}])
    'AccessDenied: no (r)'
    """
    parts = []
    for issue in issues:
        code = issue.get("code") or issue.get("errorCode") or "Unknown"
        text = issue.get("message") or issue.get("errorMessage") or ""
        resources = ", ".join(issue.get("resourceIds") or [])
        parts.append(f"{code}: {text}" + (f" ({resources})" if resources else ""))
    return "; ".join(parts)
