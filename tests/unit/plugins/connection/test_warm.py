# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which commands the connection `warm` takes for modules, and what it finds in them."""

from __future__ import annotations

import base64
import io
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from ansible_collections.dataplatform.fleet.plugins.connection.warm import python_invocation
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._warm.server import Libraries, payload_of


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("/bin/sh -c /usr/bin/python3", ("/usr/bin/python3", {})),
        ("/bin/sh -c '/usr/bin/python3 && sleep 0'", ("/usr/bin/python3", {})),
        ("""/bin/sh -c 'A='"'"'b c'"'"' D=1=2 /usr/bin/python3'""", ("/usr/bin/python3", {"A": "b c", "D": "1=2"})),
        ("/bin/sh -c 'A=$HOME /usr/bin/python3'", None),
        ("/bin/sh -c 'A=`id` /usr/bin/python3'", None),
        ("/bin/sh -c 'python3'", None),
        ("/bin/sh -c '/usr/bin/python3 /tmp/AnsiballZ_ping.py'", None),
        ("/bin/sh -c '/usr/bin/python3 && rm -rf /tmp/x'", None),
        ("/bin/sh -c 'sudo /usr/bin/python3'", None),
        ("/bin/bash -c /usr/bin/python3", None),
        ("/bin/sh -c ''", None),
        ("/bin/sh -c 'unbalanced", None),
        ("/usr/bin/python3", None),
    ],
)
def test_only_a_module_from_standard_input_is_taken(command: str, expected: object) -> None:
    assert python_invocation(command) == expected


def wrapped(files: dict[str, str]) -> bytes:
    """A module as Ansible wraps it, as far as the server looks at it."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    data = base64.b64encode(content.getvalue()).decode()
    return f"if __name__ == '__main__':\n    _ansiballz_main(\nprofile='legacy',\nzip_data={data!r},\n)\n".encode()


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


def test_the_server_needs_nothing_but_python() -> None:
    """It runs in the modules' interpreter, which need not have Ansible."""
    path = Path(sys.modules[Libraries.__module__].__file__ or "")
    code = f"import runpy; runpy.run_path({str(path)!r})"
    subprocess.run([sys.executable, "-S", "-I", "-c", code], check=True)
