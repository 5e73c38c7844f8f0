# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutation testing of the unit tests: ``python -m tests.mutants [FILE...]``.

mutmut makes the changes (https://mutmut.readthedocs.io). A mutant that no test kills has to be explained in
``survivors.yml``, by the lines that it changes; an explanation whose mutant is killed or gone has to be taken out.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).parents[2]
SURVIVORS: Final = Path(__file__).with_name("survivors.yml")
COLLECTION: Final = "ansible_collections/dataplatform/fleet"
LEAST_KILLED: Final = 0.9
# The mutated files, and their tests.
FILES: Final = {
    "plugins/plugin_utils/_apply/plan.py": "plugins/plugin_utils/_apply",
    "plugins/plugin_utils/_apply/drift.py": "plugins/plugin_utils/_apply",
    "plugins/module_utils/_aws/plan.py": "plugins/module_utils/_aws/test_plan.py",
    "plugins/module_utils/_vpc/plan.py": "plugins/module_utils/_vpc/test_plan.py",
    **{
        f"plugins/module_utils/_eks/{name}.py": f"plugins/module_utils/_eks/test_{name}.py"
        for name in ("access_plan", "addon_plan", "cluster_plan", "launch_template_plan", "nodegroup_plan")
    },
    "plugins/filter/alarm_routing.py": "plugins/filter/test_alarm_routing.py",
}
_CONFTEST: Final = """\
from pathlib import Path
from ansible.plugins.loader import init_plugin_loader
init_plugin_loader([str(Path(__file__).parent)])
"""
# mutmut shows one mutant at a time, and takes seconds to begin with.
_SHOW: Final = """\
import json, sys
from mutmut.mutation.diff_apply import get_diff_for_mutant
print(json.dumps({name: get_diff_for_mutant(name) for name in sys.argv[1:]}))
"""
_RESULT: Final = re.compile(r"\s*(?P<name>\S+__mutmut_\d+): (?P<state>.+)")
_KILLED: Final = frozenset({"killed", "timeout", "segfault"})


@dataclass(frozen=True, order=True)
class Mutant:
    """One change of one function, by what it changes: mutmut's numbers move with every other change."""

    file: str
    function: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.file}: {self.function}\n- {self.before}\n+ {self.after}".replace("\n", "\n    ")


def prepare(folder: Path, file: str) -> None:
    """A copy of the collection in which mutmut changes one file."""
    home = folder / COLLECTION
    unused = shutil.ignore_patterns("__pycache__", ".*")
    shutil.copytree(ROOT / "plugins", home / "plugins", ignore=unused)
    # Helpers of tests are imported from the collection; tests are collected beside it, as in a checkout.
    for place in (folder, home):
        shutil.copytree(ROOT / "tests/unit/plugins", place / "tests/unit/plugins", ignore=unused)
    shutil.copytree(ROOT / "meta", home / "meta")
    shutil.copy(ROOT / "galaxy.yml", home)
    (folder / "conftest.py").write_text(_CONFTEST)
    (folder / "pytest.ini").write_text("[pytest]\naddopts = --import-mode=importlib -p no:cacheprovider\n")
    (folder / "setup.cfg").write_text(
        "[mutmut]\n"
        "source_paths = ansible_collections\n"
        f"only_mutate = {COLLECTION}/{file}\n"
        "also_copy =\n    conftest.py\n    pytest.ini\n"
        f"pytest_add_cli_args_test_selection = tests/unit/{FILES[file]}\n"
        "use_git_change_detection = false\n"
    )


def python(folder: Path, *arguments: str) -> str:
    """The output of a Python program; what it says of an error goes to the terminal."""
    # Each mutant's run reads the same tests: compiled once, they take a third of the time.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    program = [sys.executable, *arguments]
    done = subprocess.run(program, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, check=False)
    if done.returncode:
        raise SystemExit(f"{done.stdout[-4000:]}\n{' '.join(arguments[:3])} ended with {done.returncode}")
    return done.stdout


def changed(diff: str) -> tuple[str, str]:
    """The lines that a mutant changes, without their indentation."""
    lines = [line for line in diff.splitlines() if not line.startswith(("---", "+++", "#"))]
    before, after = (
        "\n".join(line[1:].strip() for line in lines if line.startswith(sign) and line[1:].strip()) for sign in "-+"
    )
    return before, after


def function_of(name: str) -> str:
    """``a.b.xǁClassǁmethod__mutmut_1`` → Class.method, ``a.b.x_function__mutmut_2`` → function."""
    mangled = name.rpartition(".")[2].rpartition("__mutmut_")[0]
    return ".".join(mangled.split("ǁ")[1:]) if "ǁ" in mangled else mangled.removeprefix("x_")


def survivors(folder: Path, file: str) -> tuple[list[Mutant], int]:
    """Return the surviving mutants, and the number of all mutants."""
    python(folder, "-m", "mutmut", "run", "--max-children", str(os.cpu_count() or 1))
    results = python(folder, "-m", "mutmut", "results", "--all", "true").splitlines()
    found = [line.groupdict() for line in map(_RESULT.fullmatch, results) if line]
    alive = [one["name"] for one in found if one["state"] not in _KILLED]
    diffs: dict[str, str] = json.loads(python(folder, "-c", _SHOW, *alive))
    return [Mutant(file, function_of(name), *changed(diff)) for name, diff in diffs.items()], len(found)


def explained() -> dict[Mutant, str]:
    entries: list[dict[str, Any]] = yaml.safe_load(SURVIVORS.read_text()) or []
    return {
        Mutant(entry["file"], entry["function"], entry["before"].strip(), entry["after"].strip()): entry["why"]
        for entry in entries
    }


def findings(files: Iterable[str]) -> Iterator[str]:
    """Return the errors by file; results are printed."""
    known = explained()
    for file in files:
        started = time.monotonic()
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            prepare(folder, file)
            alive, total = survivors(folder, file)
        killed = total - len(alive)
        seconds = time.monotonic() - started
        print(f"{file}: {killed} of {total} killed ({killed / max(total, 1):.1%}), {seconds:.0f} s", flush=True)
        if killed < LEAST_KILLED * total or not total:
            yield f"{file}: less than {LEAST_KILLED:.0%} of its mutants are killed."
        yield from (
            f"No test notices, and no explanation is in {SURVIVORS.name}: {one}"
            for one in sorted({*alive} - known.keys())
        )
        stale = {one for one in known if one.file == file} - {*alive}
        yield from (f"Explained in {SURVIVORS.name}, but killed or gone: {one}" for one in sorted(stale))


def main(arguments: list[str]) -> int:
    unknown = [file for file in arguments if file not in FILES]
    if unknown:
        raise SystemExit(f"No mutants are made of {', '.join(unknown)}. There are {', '.join(FILES)}.")
    wrong = list(findings(arguments or FILES))
    print("\n".join(wrong), file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
