# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Dashboards as typed definitions, the metrics that are shipped, and what is beside the alarms' definitions."""

import sys
from pathlib import Path

# Alarms are read by what the roles read them with, which is found by the collection's name.
sys.path.append(str(Path(__file__).parents[1] / "collections"))
