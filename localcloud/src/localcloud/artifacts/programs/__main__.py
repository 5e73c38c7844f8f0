# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build programs before the tests: ``python -m localcloud.artifacts.programs [name ...]``."""

from __future__ import annotations

import sys

from localcloud.artifacts.programs import PROGRAMS, go_program

for wanted in sys.argv[1:] or PROGRAMS:
    print(go_program(wanted))
