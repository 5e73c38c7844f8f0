# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the dashboards to the role grafana, and remove those without a definition."""

from __future__ import annotations

import sys
from pathlib import Path

from observability.dashboards import DASHBOARDS, generate
from observability.dashboards.model import DashboardError

ROOT = Path(__file__).parents[2]


def main() -> int:
    try:
        wanted = generate.files(DASHBOARDS)
    except DashboardError as error:
        print(error, file=sys.stderr)
        return 1
    for path in generate.stale(ROOT, wanted):
        path.unlink()
        print(f"removed {path.relative_to(ROOT)}")
    for path, text in wanted.items():
        target = ROOT / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.is_file() or target.read_text(encoding="utf-8") != text:
            target.write_text(text, encoding="utf-8")
            print(f"wrote {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
