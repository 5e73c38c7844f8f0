# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ends a module that an old Python runs in one sentence.

Each module imports it before its other module utilities, whose syntax an old Python cannot read. This file and the
modules themselves have the syntax of the oldest Python that Ansible starts modules with.
"""

from __future__ import annotations

import json
import os
import sys

if sys.version_info < (3, 12):  # noqa: UP036
    _version = ".".join(str(part) for part in sys.version_info[:3])
    _text = (
        "The modules of the collection dataplatform.fleet need Python 3.12 or later. "
        f"This is Python {_version}, {sys.executable}, on {os.uname().nodename}. "
        "Set ansible_python_interpreter of the host to a later Python, or, if the host is a cluster, to "
        "'{{ ansible_playbook_python }}': the modules of a cluster run where Ansible runs."
    )
    print(json.dumps({"failed": True, "msg": _text}))
    sys.exit(1)
