"""What `images lreg_inspect` prints: the fields of `skopeo inspect`, which scripts read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lreg.cli.looking.facts import find_facts
from lreg.cli.ls import tags_of
from lreg.cli.registries.remote import Registries
from lreg.errors import LregError

if TYPE_CHECKING:
    from lreg.cli.looking.facts import ImageFacts
    from lreg.oci.descriptor import Descriptor


async def described(image: str) -> dict[str, Any]:
    """Return what skopeo says of an image (skopeo-inspect(1)): of an index, of one image in it.

    Args:
        image: a reference, as commands take them.

    Raises:
        ManifestUnknown: there is no such image.
        LregError: it is an index of no image.
    """
    async with Registries() as registries:
        reference = registries.parse(image).tagged()
        repository = await registries.repository(reference)
        facts = await find_facts(repository, reference.selector, None)
        if facts.image is None:
            raise LregError(f"{image} is an index that names no image")
        return {
            "Name": f"{_called(reference.host or '')}/{reference.repository}",
            "Digest": str(facts.top.digest),
            "RepoTags": await tags_of(repository),
            **_of_image(facts.image),
        }


def _called(host: str) -> str:
    # As `images lreg_ip` has it.
    return host.removesuffix(":80")


def _of_image(image: ImageFacts) -> dict[str, Any]:
    config, layers = image.config, image.manifest.layers
    inner = config.get("config")
    run = inner if isinstance(inner, dict) else {}
    labels = run.get("Labels")
    return {
        "Created": config.get("created"),
        "DockerVersion": config.get("docker_version", ""),
        "Labels": dict(sorted(labels.items())) if isinstance(labels, dict) else None,
        "Architecture": config.get("architecture", ""),
        "Os": config.get("os", ""),
        "Layers": [str(layer.digest) for layer in layers],
        "LayersData": list(map(_of_layer, layers)),
        "Env": run.get("Env"),
    }


def _of_layer(layer: Descriptor) -> dict[str, Any]:
    return {
        "MIMEType": layer.media_type,
        "Digest": str(layer.digest),
        "Size": layer.size,
        "Annotations": dict(layer.annotations) or None,
    }
