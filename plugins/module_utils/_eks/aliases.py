# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names for what botocore makes at run time and therefore has no static type."""

from __future__ import annotations

from typing import Any, TypeAlias

Client: TypeAlias = Any
"""An EKS client: botocore's, or amazon.aws' wrapper around it."""

Session: TypeAlias = Any
"""A boto3 or botocore session."""

Value: TypeAlias = Any
"""Whatever JSON can hold."""
