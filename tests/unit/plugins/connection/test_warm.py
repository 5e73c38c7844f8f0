# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Recognition and parsing of module commands by the connection `warm`."""

from __future__ import annotations

import base64
import io
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from ansible_collections.dataplatform.fleet.plugins.connection.warm import Connection, python_of
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._warm.server import Libraries, payload_of


@pytest.mark.parametrize(
    ("command", "taken"),
    [
        ("/bin/sh -c {python}", True),
        ("/bin/sh -c '{python} && sleep 0'", True),
        ("/bin/sh -c 'A=1 {python}'", False),
        ("/bin/sh -c 'A=1 DATAPLATFORM_FLEET_LOCK=/x {python}'", False),
        ("/bin/sh -c 'DATAPLATFORM_FLEET_LOCK=/x A=1 {python}'", False),
        ("/bin/sh -c DATAPLATFORM_FLEET_LOCK=/x", False),
        ("/bin/sh -c '{python} /tmp/AnsiballZ_ping.py'", False),
        ("/bin/sh -c '{python} && rm -rf /tmp/x'", False),
        ("/bin/sh -c 'sudo {python}'", False),
        ("/bin/sh -c python3", False),
        ("/bin/sh -c /nowhere/python3", False),
        ("/bin/sh -c {script}", False),
        ("/bin/sh -c $PYTHON", False),
        ("/bin/bash -c {python}", False),
        ("/bin/sh -c ''", False),
        ("/bin/sh -c 'unbalanced", False),
        ("{python}", False),
    ],
)
def test_only_a_module_from_standard_input_is_taken(command: str, taken: bool, tmp_path: Path) -> None:
    script = tmp_path / "python"
    script.write_text(f"#!/bin/sh\nexport A=1\nexec {sys.executable}\n")
    command = command.format(python=sys.executable, script=script)
    assert python_of(command) == ((sys.executable, {}) if taken else None)


def test_the_variable_of_the_lock_is_handed_over() -> None:
    command = f"/bin/sh -c 'DATAPLATFORM_FLEET_LOCK='\"'\"'/a b'\"'\"' {sys.executable} && sleep 0'"
    assert python_of(command) == (sys.executable, {"DATAPLATFORM_FLEET_LOCK": "/a b"})


def test_it_is_local_for_ansible() -> None:
    """With this name, Ansible runs modules in the playbook's directory and does not reboot the controller."""
    assert Connection.transport == "local"


def wrapped(files: dict[str, str], debugged: bool = False) -> bytes:
    """Return a module wrapped like Ansible does, with the parts that the server reads."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    data = base64.b64encode(content.getvalue()).decode()
    extensions = "{'debugger': 1}" if debugged else "{}"
    return (
        f"if __name__ == '__main__':\n    _ansiballz_main(\nextensions={extensions},\nzip_data={data!r},\n)\n".encode()
    )


@pytest.mark.parametrize(
    "source",
    [
        b"",
        b"print('a module of the old kind')",
        b"\n    _ansiballz_main(\nzip_data=1,\n)",
        b"\n    _ansiballz_main(\nzip_data='",
    ],
)
def test_other_programs_have_no_payload(source: bytes) -> None:
    assert payload_of(source) is None


def test_a_payload_is_found() -> None:
    payload = payload_of(wrapped({"a.py": "A = 1"}))
    assert payload is not None
    assert zipfile.ZipFile(io.BytesIO(base64.b64decode(payload))).namelist() == ["a.py"]


def test_a_debuggers_payload_is_not_changed() -> None:
    assert payload_of(wrapped({"a.py": "A = 1"}, debugged=True)) is None


def test_payloads_agree_or_are_refused(tmp_path: Path) -> None:
    libraries = Libraries(tmp_path)
    first = {"ansible/__init__.py": "", "fleet_a.py": "A = 1"}
    assert libraries.load(wrapped(first))
    assert libraries.load(wrapped({**first, "fleet_b.py": "B = 1"}))
    assert not libraries.load(wrapped({**first, "fleet_a.py": "A = 2", "fleet_c.py": ""}))
    assert (tmp_path / "fleet_a.py").read_text() == "A = 1"
    assert not (tmp_path / "fleet_c.py").exists()
    assert not libraries.load(wrapped({"../outside.py": ""}))
    assert not (tmp_path.parent / "outside.py").exists()
    assert not libraries.load(wrapped({"fleet_b/__init__.py": "a package where there is a module"}))


def test_a_later_installation_makes_it_stale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    libraries = Libraries(tmp_path / "lib")
    assert not libraries.stale()
    (tmp_path / "installed.py").touch()
    assert libraries.stale()


def test_the_server_needs_nothing_but_python() -> None:
    """It runs in the modules' interpreter, which need not have Ansible."""
    path = Path(sys.modules[Libraries.__module__].__file__ or "")
    code = f"import runpy; runpy.run_path({str(path)!r})"
    subprocess.run([sys.executable, "-S", "-I", "-c", code], check=True)
