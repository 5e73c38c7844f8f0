# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The type of decoded JSON, whose structure the service model defines."""

from __future__ import annotations

from typing import Any

Json = Any
JsonObject = dict[str, Any]
