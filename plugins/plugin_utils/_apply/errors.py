# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors for users: one sentence each, with the file, object or cluster."""

from __future__ import annotations

from collections.abc import Sequence


class ApplyError(Exception):
    """An error that the user can fix. Several findings are shown on one line each."""

    def __init__(self, *findings: str) -> None:
        super().__init__("\n".join(findings))
        self.findings: Sequence[str] = findings


class RenderError(ApplyError):
    """A template or definition is wrong."""


class ApiError(ApplyError):
    """The API server refused a request."""

    def __init__(self, message: str, status: int, reason: str = "", details: dict[str, object] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.reason = reason
        self.details = details or {}


class UnreachableError(ApplyError):
    """The API server does not answer."""


class LockLostError(ApplyError):
    """The run no longer holds the cluster's lock."""


class ClusterMissingError(ApplyError):
    """The EKS cluster does not exist."""


class PlanError(ApplyError):
    """The requested change of the set is refused; nothing was changed."""


class WaitError(ApplyError):
    """The objects are applied but did not become ready."""
