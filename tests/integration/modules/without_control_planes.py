# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Serves the local cloud's AWS API alone: clusters become ACTIVE at once, and nothing answers behind them."""

from __future__ import annotations

import sys

from localcloud.daemon import server

if __name__ == "__main__":
    server.wanted = lambda: False
    sys.exit(server.main())
