# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names for values without a static type: botocore creates its classes at run time, and JSON can hold any value."""

from __future__ import annotations

from typing import Any

Client = Any  # an EKS client: botocore's, or amazon.aws' wrapper around it
Session = Any  # a boto3 or botocore session
Value = Any  # whatever JSON can hold
State = dict[str, Any]  # a resource, flattened: option name -> canonical value
Document = dict[str, Any]  # a resource as the API returns it
