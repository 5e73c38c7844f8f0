# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the generated files into the checkout; with `--check` only say which differ."""

from __future__ import annotations

import sys
from pathlib import Path

from observability.alarms import ALARMS, TOPICS
from observability.alarms.generate import files, severities, stale

ROOT = Path(__file__).parents[2]


def main(arguments: list[str]) -> int:
    wanted = files(TOPICS)
    old = stale(ROOT, wanted)
    different = [
        ROOT / path
        for path, text in wanted.items()
        if not (ROOT / path).exists() or (ROOT / path).read_text(encoding="utf-8") != text
    ]
    if "--check" in arguments:
        for path in [*different, *old]:
            print(f"{path.relative_to(ROOT)} differs from the definitions: run python -m observability.alarms")
        return 1 if different or old else 0
    for path in different:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(wanted[path.relative_to(ROOT)], encoding="utf-8")
    for path in old:
        path.unlink()
    counts = ", ".join(f"{count} {level.value}" for level, count in severities(TOPICS).items())
    print(f"{len(ALARMS)} alarms ({counts}); {len(different)} files written, {len(old)} removed")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
