# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of request bodies by Elasticsearch's classes. Maven has the library of its server, but not its modules.

So no server can run, but parsers, lists of settings and the rule that selects the manager of an index are real.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from localcloud.artifacts.programs.opensearch import compiled, jdk
from localcloud.model import LocalCloudError

# The newest patch of the minor version that the role elasticsearch runs.
VERSION: Final = "9.5.3"
_MAIN: Final = Path(__file__).with_name("ElasticsearchRules.java")


def rules(asked: Mapping[str, Any], environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the output of ElasticsearchRules.java for an input; that file describes both formats.

    :raises LocalCloudError: without Maven or a JDK; or with Elasticsearch's message, if it rejects a body
    """
    environment = os.environ if environment is None else environment
    made = compiled(f"elasticsearch-{VERSION}", ("org.elasticsearch", "elasticsearch", VERSION), _MAIN, environment)
    classes = os.pathsep.join((str(made / "classes"), str(made / "libs" / "*")))
    options = ["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "--enable-native-access=ALL-UNNAMED"]
    run = subprocess.run(
        [str(jdk(environment) / "bin" / "java"), *options, "-cp", classes, _MAIN.stem],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode:
        raise LocalCloudError(f"Elasticsearch {VERSION} refuses it: {run.stderr.strip()}")
    return dict(json.loads(run.stdout))
