# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of values with the types of other software's packages, by the TypeScript compiler."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# Types that are open beside the names that they have ("[property: string]: any") are closed here: without that no
# misspelt name would be found. Records, which name nothing, stay open.
CLOSED = """\
type Names<T> = keyof { [K in keyof T as string extends K ? never : number extends K ? never : K]: 1 };
type Closed<T> = 0 extends 1 & T ? T
  : T extends (...given: never[]) => unknown ? T
  : T extends readonly (infer E)[] ? Closed<E>[]
  : T extends object ? [Names<T>] extends [never] ? { [K in keyof T]: Closed<T[K]> }
    : { [K in keyof T as string extends K ? never : number extends K ? never : K]: Closed<T[K]> }
  : T;
"""
_OPTIONS = {
    "strict": True,
    "noEmit": True,
    "skipLibCheck": True,
    "exactOptionalPropertyTypes": True,
    "module": "nodenext",
    "target": "es2022",
    "types": [],
}


def mistyped(packages: Path, types: str, values: Sequence[tuple[str, Any]]) -> list[tuple[int, str]]:
    """Return the compiler's errors for each value, by the value's number.

    :param packages: a folder with ``node_modules``, the compiler among them
    :param types: imports and declarations in front
    :param values: the type of each value, and the value, of which JSON can be made
    """
    lines = [f"export const _{number}: {type_} = {json.dumps(value)};" for number, (type_, value) in enumerate(values)]
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        (place / "node_modules").symlink_to(packages / "node_modules")
        (place / "tsconfig.json").write_text(json.dumps({"compilerOptions": _OPTIONS, "files": ["values.ts"]}))
        (place / "values.ts").write_text("\n".join([types.rstrip("\n"), *lines, ""]))
        ran = node(packages / "node_modules" / ".bin" / "tsc", "--pretty", "false", cwd=place)
    before = len(types.rstrip("\n").splitlines())
    found: list[tuple[int, str]] = []
    for line in ran.stdout.splitlines():
        error = re.match(r"values\.ts\((\d+),\d+\): error \w+: (.+)", line)
        if error:
            number = int(error[1]) - before - 1
            assert number >= 0, f"the types themselves: {line}"
            found.append((number, error[2]))
        elif found and line.startswith(" "):
            found[-1] = (found[-1][0], f"{found[-1][1]} {line.strip()}")
    assert ran.returncode == 0 or found, ran.stdout + ran.stderr
    return found


def node(program: str | Path, *arguments: str, cwd: Path, text: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program, *arguments],
        cwd=cwd,
        env={"PATH": os.environ["PATH"]},
        input=text,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
