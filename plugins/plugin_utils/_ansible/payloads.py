# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Payloads of modules, kept for later runs.

Ansible sends a module as an archive with every module utility that it imports. To find them it parses the source of
each one, once a run for each module. An archive is used again while the sources of all its files are unchanged.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import hashlib
import json
import os
import re
import shutil
import sys
import time
import zipfile
import zlib
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import Final

import ansible
from ansible.executor.module_common import _CachedModule
from ansible.release import __version__
from ansible.utils.collection_loader import AnsibleCollectionConfig
from ansible.utils.collection_loader._collection_finder import _get_collection_path

from . import cache, run

_GENERATED: Final = re.compile(
    r"ansible/(module_utils/)?__init__\.py"
    r"|ansible_collections/([^/]+/){,2}(plugins/(module_utils/|modules/(.+/)?)?)?__init__\.py"
)
"""Files whose content Ansible's version determines: it does not send those of a collection's packages."""
_OF_COLLECTIONS: Final = ("ansible.modules.", "ansible_collections.")
"""How the names of payloads begin; a module of a role or a playbook has another name."""
_KEPT_SECONDS: Final = 14 * 24 * 3600

_Sum = tuple[int, int]
"""Length and CRC-32 of a file, as in the directory of an archive."""
_known: set[str] = set()
"""Names of this run's payloads that are kept already."""


class _Sources:
    """The files that archives are made of, each read once."""

    def __init__(self) -> None:
        self._sums: dict[str, _Sum | None] = {}

    def sum_of(self, name: str) -> _Sum | None:
        """Return the sum of the file that has this name in an archive, or None if there is no such file."""
        if name not in self._sums:
            try:
                content = _source(name).read_bytes()
                self._sums[name] = (len(content), zlib.crc32(content))
            except (OSError, ValueError):
                self._sums[name] = None
        return self._sums[name]

    def agree(self, sums: dict[str, _Sum]) -> bool:
        """Whether the sources are what the archive has. What Ansible generates has no source."""
        return all(
            self.sum_of(name) in (None, tuple(each)) for name, each in sums.items() if not _GENERATED.fullmatch(name)
        )


def restore() -> None:
    """Copy the payloads of earlier runs whose sources are unchanged into this run."""
    kept, sources = _kept(), _Sources()
    if not cache.is_own(kept):
        return
    # A payload that cannot be restored is made.
    with contextlib.suppress(OSError, ValueError, KeyError):
        _of_this_run().mkdir(exist_ok=True, mode=0o700)
        for description in kept.glob("*.json"):
            about = json.loads(description.read_bytes())
            if about["name"] not in _known and sources.agree(about["sums"]):
                shutil.copyfile(description.with_suffix(""), _of_this_run() / about["name"])
                os.utime(description)
                _known.add(about["name"])


def save() -> None:
    """Keep the payloads that this run has made, and delete those that no run has used for two weeks."""
    kept, sources = _kept(), _Sources()
    # With an extension, for example a debugger, a payload's name has another end.
    for payload in _of_this_run().glob("ansible*-none"):
        if payload.name in _known or not payload.name.startswith(_OF_COLLECTIONS):
            continue
        sums = _sums(payload)
        # Redirections of module utilities are generated from these.
        sums |= {name: found for name in _routing(sums) if (found := sources.sum_of(name))}
        if sources.agree(sums):
            about = json.dumps({"name": payload.name, "sums": sums}, sort_keys=True).encode()
            file = kept / hashlib.blake2b(about, digest_size=16).hexdigest()
            cache.write(file, payload.read_bytes())
            cache.write(file.with_suffix(".json"), about)
            _known.add(payload.name)
    with contextlib.suppress(OSError):
        for description in kept.glob("*.json"):
            if description.stat().st_mtime < time.time() - _KEPT_SECONDS:
                description.unlink()
                description.with_suffix("").unlink()


@functools.cache
def _kept() -> Path:
    """The folder for these versions of Ansible and Python, and these installed collections."""
    found = [path for folder in AnsibleCollectionConfig.collection_paths for path in Path(folder).glob("*/*")]
    key = repr((__version__, sys.version, sorted(f"{path.parent.name}.{path.name}" for path in found)))
    return cache.folder("payloads") / hashlib.blake2b(key.encode(), digest_size=8).hexdigest()


def _of_this_run() -> Path:
    return run.directory() / "ansiballz_cache"


def _sums(payload: Path) -> dict[str, _Sum]:
    content = base64.b64decode(_CachedModule.load(str(payload)).zip_data)
    with zipfile.ZipFile(BytesIO(content)) as archive:
        return {info.filename: (info.file_size, info.CRC) for info in archive.infolist()}


def _source(name: str) -> Path:
    """Where the file of an archive comes from. Raises ValueError if its collection is not installed."""
    package, *rest = name.split("/")
    if package == "ansible":
        return Path(ansible.__file__).parent.joinpath(*rest)
    namespace, collection, *rest = rest
    return Path(_get_collection_path(f"{namespace}.{collection}")).joinpath(*rest)


def _routing(names: Iterable[str]) -> set[str]:
    collections = {tuple(name.split("/")[:3]) for name in names if name.startswith("ansible_collections/")}
    return {"/".join((*collection, "meta", "runtime.yml")) for collection in collections if len(collection) == 3}
