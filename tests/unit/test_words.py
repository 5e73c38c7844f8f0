# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts use the words of Kubernetes' and Ansible's documentation; WORDS has those to use instead."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
# A word that readers of those do not know, and the word for it.
WORDS = {
    r"mend(s|ed|ing)?": "fix",
    r"anew": "again",
    r"precious": "protected",
    r"strangers?": "unmanaged objects",
    r"stand-?ins?": "placeholder, or fake",
    r"nobody's": "of no one, or that no run has",
    r"takes no notice": "ignores",
    r"make sure of": "create, or check",
    r"the bridges?": "Telegraf, or the remote-write bridge",
    r"(cannot|could|to) be had": "is (not) available",
    r"for want of": "because ... is missing, or full",
    r"in vain": "until its timeout, or without effect",
    r"heed(s|ed|ing)?": "honours, applies, or evaluates",
    r"ought to": "should",
    r"the way (in|out)": "ingress, or egress",
    r"knows? (no|nothing)": "has no, or does not depend on",
    r"if need be": "optionally, or where it is needed",
    r"anybody's": "anyone can",
    r"(and|And) it is told": "is reported",
    r"be(ing)? asked for( it)?": "be requested, or be queried",
}
# Released texts stay as they are, lock files and data are not ours to word, and this file has the words.
EXCEPT = (
    "CHANGELOG.rst",
    "changelogs/",
    "LICENSE",
    "uv.lock",
    "localcloud/src/localcloud/artifacts/programs/",
    "tests/unit/test_words.py",
)


def test_words_that_readers_know() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout
    pattern = re.compile(rf"\b({'|'.join(WORDS)})\b", re.IGNORECASE)
    found, count = [], 0
    for name in listed.splitlines():
        path = CHECKOUT / name
        if name.startswith(EXCEPT) or path.suffix not in (".md", ".py", ".yml", ".yaml", ".j2", ".sh", ".toml", ".go"):
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            count += 1
            found += [f"{name}:{number}: {match[0]}" for match in pattern.finditer(line)]
    assert count > 50_000, "the texts were not read"
    assert not found, "\n".join(["Words to replace (see WORDS):", *found])
