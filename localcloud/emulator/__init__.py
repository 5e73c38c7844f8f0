# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ministack's account lacks of AWS: the EKS API's full behaviour, and the rules of the services around it."""

from __future__ import annotations

from localcloud.emulator.asgi import install
from localcloud.emulator.settings import EmulatorSettings

__all__ = ["EmulatorSettings", "install"]
