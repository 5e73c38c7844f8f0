# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Definitions of the dashboards, the catalogue of shipped metrics, and the alarms' fixtures and runbook pages."""

import sys
from pathlib import Path

# Alarms are loaded with the roles' own loader, which is imported by the collection's name.
sys.path.append(str(Path(__file__).parents[1] / "collections"))
