# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Public parameters of Systems Manager that ministack lacks: the newest EKS node images."""

from __future__ import annotations

from localcloud.aws import ministack
from localcloud.releases.versions import VERSIONS


def install() -> None:
    ministack.public_parameters.update(node_image_releases())


def node_image_releases() -> dict[str, str]:
    """Return the newest release of each node image by the name of its public parameter.

    Sources: https://docs.aws.amazon.com/eks/latest/userguide/retrieve-ami-id.html and
    https://docs.aws.amazon.com/eks/latest/userguide/retrieve-ami-id-bottlerocket.html
    """
    found: dict[str, str] = {}
    for version in VERSIONS.values():
        amazon_linux = f"/aws/service/eks/optimized-ami/{version.minor}/amazon-linux-2023"
        for variant in ("x86_64/standard", "arm64/standard", "x86_64/nvidia", "arm64/nvidia", "x86_64/neuron"):
            found[f"{amazon_linux}/{variant}/recommended/release_version"] = version.ami_releases[-1]
        for flavour in ("", "-nvidia", "-fips"):
            for architecture in ("x86_64", "arm64"):
                bottlerocket = f"/aws/service/bottlerocket/aws-k8s-{version.minor}{flavour}/{architecture}"
                found[f"{bottlerocket}/latest/image_version"] = version.bottlerocket_releases[-1]
    return found
