# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Convert quantities of Kubernetes to numbers."""

from __future__ import annotations

from collections.abc import Callable

from ansible.errors import AnsibleFilterError
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._apply.normalise import quantity


def amount(value: str | float) -> float:
    """Return the number of a quantity. Raises AnsibleFilterError if ``value`` is not a quantity."""
    found = quantity(value)
    if found is None:
        raise AnsibleFilterError(f"amount: {value!r} is not a Kubernetes quantity, such as 500m, 2, 1k or 10Gi.")
    return float(found)


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., float]]:
        return {"amount": amount}
