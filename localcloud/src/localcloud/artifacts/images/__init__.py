# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Container images built from package registries, for machines that cannot reach an image registry.

Real nodes import them under the references that the roles use, as if they had been pulled. They contain the same
programs in the same versions, built from Go modules, Maven artifacts and Debian packages. They are not the official
images: a reference with a digest identifies an image of the registry, and no image built here has that digest.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from localcloud.artifacts.cache import Cache, say, system
from localcloud.artifacts.images.oci import write_archive, write_layer
from localcloud.artifacts.images.recipes import SANDBOX, UNAVAILABLE, Recipe, every_recipe
from localcloud.artifacts.images.sources import Build
from localcloud.host.files import home
from localcloud.model import REGION, LocalCloudError

__all__ = ["SANDBOX", "UNAVAILABLE", "Recipe", "archive", "available", "cached", "repository"]

_ECR = re.compile(r"\d+\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com/")


def available(region: str = REGION) -> Mapping[str, Recipe]:
    """Return the images that can be built, by full reference.

    :param region: region of the registry of EKS add-ons
    """
    return every_recipe(region)


def repository(reference: str) -> str:
    """Return a reference without its tag and digest."""
    name = reference.partition("@")[0]
    head, slash, last = name.rpartition("/")
    return head + slash + last.partition(":")[0]


def archive(
    reference: str, progress: Callable[[str], None] = say, *, environment: Mapping[str, str] | None = None
) -> Path:
    """Return an image's OCI archive for this machine's architecture, built on first use.

    :raises LocalCloudError: there is no such image, or it cannot be built
    """
    environment = os.environ if environment is None else environment
    recipe = _recipe(reference)
    name, target = _place(recipe, environment)

    def make(made: Path) -> None:
        if system()[0] != "linux":
            raise LocalCloudError("its programs can be built on Linux only")
        progress(f"Making the image {reference}")
        layer = made.with_name("layer.tar")
        with contextlib.ExitStack() as files:
            build = Build(made.parent, system()[1], environment, progress, files)
            write_layer((entry for source in recipe.sources for entry in source.entries(build)), layer)
        write_archive(reference, layer, recipe.config, build.architecture, made)

    try:
        return Cache(target.parent, progress).get(name, target.name, make)
    except (LocalCloudError, ValueError) as error:
        raise LocalCloudError(f"The image {reference} cannot be made: {error}") from None


def cached(reference: str, environment: Mapping[str, str] | None = None) -> Path | None:
    """Return an image's archive if it is in the cache."""
    _, path = _place(_recipe(reference), os.environ if environment is None else environment)
    return path if path.exists() else None


def _place(recipe: Recipe, environment: Mapping[str, str]) -> tuple[str, Path]:
    architecture = system()[1]
    name = re.sub(r"[^A-Za-z0-9.-]", "_", recipe.reference)
    return name, home(environment) / "images" / f"{name}-{recipe.key(architecture)[:12]}-{architecture}.tar"


def _recipe(reference: str) -> Recipe:
    found = _ECR.match(reference)
    known = every_recipe(found[1] if found else REGION)
    if reference in known:
        return known[reference]
    if reason := UNAVAILABLE.get(repository(reference)):
        raise LocalCloudError(f"The image {reference} cannot be made: {reason}")
    if "@" in reference:
        raise LocalCloudError(f"The image {reference} cannot be made: a digest identifies an image of a registry")
    raise LocalCloudError(
        f"There is no recipe for the image {reference}: localcloud images lists the images that can be built"
    )
