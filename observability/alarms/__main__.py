# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Update the generated parts of the runbook pages and their index; hand-written parts are kept."""

from __future__ import annotations

import sys
from pathlib import Path

from observability.alarms import ALARMS, TOPICS
from observability.alarms.pages import FOLDER, INDEX, PageError, index, refreshed

ROOT = Path(__file__).parents[2]


def main() -> int:
    wanted = {}
    for alarm in ALARMS:
        path = ROOT / FOLDER / f"{alarm.name}.md"
        try:
            wanted[path] = refreshed(path.read_text(encoding="utf-8"), alarm)
        except (OSError, PageError) as error:
            print(f"{path.relative_to(ROOT)}: {error}", file=sys.stderr)
            return 1
    wanted[ROOT / INDEX] = index((ROOT / INDEX).read_text(encoding="utf-8"), TOPICS)
    for path, text in wanted.items():
        if path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(f"wrote {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
