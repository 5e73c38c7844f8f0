# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Elasticsearch's own classes make of a body. Its server's library is in Maven's repository, its modules are not.

So there is no server to run, but parsers, lists of settings and the rule who manages an index are the real ones.
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

# The newest of the minor version that is run, see the role elasticsearch.
VERSION: Final = "9.5.3"
_MAIN: Final = Path(__file__).with_name("ElasticsearchRules.java")


def rules(asked: Mapping[str, Any], environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return what ElasticsearchRules.java says of what it is asked; both forms are described there.

    :raises LocalCloudError: without Maven or a JDK, or with Elasticsearch's words, if it refuses a body
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
