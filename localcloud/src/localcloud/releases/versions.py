# Copyright: the dataplatform.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Kubernetes versions and node images that the emulated EKS offers.

Support dates follow EKS's rule: 14 months of standard and 12 of extended support after the release.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass

DEFAULT = "1.36"


@dataclass(frozen=True)
class KubernetesVersion:
    minor: str
    patch: str
    platform: str
    released: str
    end_of_standard: str
    end_of_extended: str
    ami_releases: tuple[str, ...]
    """AL2023 release versions, oldest first."""
    bottlerocket_releases: tuple[str, ...]


VERSIONS = {
    version.minor: version
    for version in (
        KubernetesVersion(
            "1.34", "1.34.9", "eks.21", "2025-10-02", "2026-12-02", "2027-12-02",
            ("1.34.7-20260904", "1.34.9-20261106"), ("1.52.0-6f1a2b3c", "1.54.0-0b9e4d27"),
        ),
        KubernetesVersion(
            "1.35", "1.35.6", "eks.14", "2026-01-27", "2027-03-27", "2028-03-27",
            ("1.35.4-20260904", "1.35.6-20261106"), ("1.52.0-6f1a2b3c", "1.54.0-0b9e4d27"),
        ),
        KubernetesVersion(
            "1.36", "1.36.3", "eks.7", "2026-06-02", "2027-08-02", "2028-08-02",
            ("1.36.1-20260904", "1.36.3-20261106"), ("1.52.0-6f1a2b3c", "1.54.0-0b9e4d27"),
        ),
        KubernetesVersion(
            "1.37", "1.37.2", "eks.2", "2026-10-06", "2027-12-06", "2028-12-06",
            ("1.37.1-20261016", "1.37.2-20261106"), ("1.53.0-51c7d8e9", "1.54.0-0b9e4d27"),
        ),
    )
}  # fmt: skip

_ARM_INSTANCE = re.compile(r"(a1|[a-z]+\d+g[a-z]*)(-\w+)?\..+")


def number(version: str) -> int:
    """Return the minor version as a number: ``1.36`` → 36."""
    return int(version.split(".")[1])


def timestamp(date: str) -> float:
    return dt.datetime.fromisoformat(date).replace(tzinfo=dt.UTC).timestamp()


def support_status(version: KubernetesVersion, at: float) -> str:
    """Return STANDARD_SUPPORT, EXTENDED_SUPPORT or UNSUPPORTED."""
    if at < timestamp(version.end_of_standard):
        return "STANDARD_SUPPORT"
    return "EXTENDED_SUPPORT" if at < timestamp(version.end_of_extended) else "UNSUPPORTED"


def releases(version: str, ami_type: str) -> tuple[str, ...]:
    """Return the release versions of an AMI type for a Kubernetes version, oldest first; none for custom images."""
    if ami_type == "CUSTOM" or version not in VERSIONS:
        return ()
    known = VERSIONS[version]
    return known.bottlerocket_releases if ami_type.startswith("BOTTLEROCKET") else known.ami_releases


def is_arm(instance_type: str) -> bool:
    return _ARM_INSTANCE.fullmatch(instance_type) is not None


def describe(version: KubernetesVersion, at: float) -> dict[str, object]:
    status = support_status(version, at)
    return {
        "clusterVersion": version.minor,
        "clusterType": "eks",
        "defaultPlatformVersion": version.platform,
        "defaultVersion": version.minor == DEFAULT,
        "releaseDate": timestamp(version.released),
        "endOfStandardSupportDate": timestamp(version.end_of_standard),
        "endOfExtendedSupportDate": timestamp(version.end_of_extended),
        "status": status.lower().replace("_", "-"),
        "versionStatus": status,
        "kubernetesPatchVersion": version.patch,
    }
