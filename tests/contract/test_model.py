"""Random histories, compared with a store made of dictionaries."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from lreg.errors import (
    BlobUnknown,
    ManifestBlobUnknown,
    ManifestUnknown,
    NameUnknown,
    RegistryError,
)
from lreg.oci.reference import RepositoryName, Tag
from tests.contract.conftest import STORES
from tests.contract.making import (
    EMPTY,
    image,
    index,
    push,
    read,
    referrers_of,
)
from tests.contract.model import Model

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from lreg.oci.digest import Digest
    from lreg.oci.manifest import Manifest
    from lreg.store.caching import CachingStore

NAMES = [RepositoryName(name) for name in ("a", "a-b", "a/b")]
TAGS = [Tag(tag) for tag in ("1", "latest")]
BLOBS = [EMPTY, b"layer", b"large" * 20_000]
BASE = image(b"layer")
MANIFESTS = [
    BASE,
    image(BLOBS[2]),
    image(b"layer", subject=BASE),
    index(BASE),
    index(subject=BASE),
]


class Histories(RuleBasedStateMachine):
    """Pushes, deletes, mounts and restarts, in any order."""

    make: Callable[[Path], CachingStore]

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.root = Path(tempfile.mkdtemp(prefix="lreg-model-"))
        self.models = {name: Model() for name in NAMES}
        self.stored: set[Digest] = set()
        self.start()

    def start(self) -> None:
        """Open a store where the last one was."""
        self.store = type(self).make(self.root)
        self.run(self.store.open())

    def run(self, call: Coroutine[Any, Any, Any]) -> Any:
        """Return what a coroutine returns, or the error that it raises."""
        try:
            return self.runner.run(call)
        except RegistryError as error:
            return type(error)

    @rule(name=st.sampled_from(NAMES), content=st.sampled_from(BLOBS))
    def push_blob(self, name: RepositoryName, content: bytes) -> None:
        """Push a blob."""
        digest = self.run(push(self.store.repository(name), content))
        self.models[name].push_blob(digest, content)
        self.stored.add(digest)

    @rule(
        name=st.sampled_from(NAMES),
        source=st.sampled_from(NAMES),
        content=st.sampled_from(BLOBS),
    )
    def mount(self, name: RepositoryName, source: RepositoryName, content: bytes) -> None:
        """Mount a blob."""
        digest = image(content).layers[0].digest
        expected = digest in self.models[source].blobs
        assert self.run(self.store.repository(name).mount(digest, source)) == expected
        if expected:
            self.models[name].push_blob(digest, content)

    @rule(name=st.sampled_from(NAMES), content=st.sampled_from(BLOBS))
    def delete_blob(self, name: RepositoryName, content: bytes) -> None:
        """Delete a blob."""
        model = self.models[name]
        digest = image(content).layers[0].digest
        there = model.delete_blob(digest)
        missing = BlobUnknown if model.exists else NameUnknown
        outcome = self.run(self.store.repository(name).delete_blob(digest))
        assert outcome == (None if there else missing)

    @rule(
        name=st.sampled_from(NAMES),
        manifest=st.sampled_from(MANIFESTS),
        tags=st.lists(st.sampled_from(TAGS), unique=True),
    )
    def push_manifest(self, name: RepositoryName, manifest: Manifest, tags: list[Tag]) -> None:
        """Push a manifest."""
        model = self.models[name]
        complete = all(blob.digest in model.blobs for blob in manifest.blobs)
        outcome = self.run(self.store.repository(name).put_manifest(manifest, tags))
        assert outcome == (None if complete else ManifestBlobUnknown)
        if complete:
            model.push_manifest(manifest, tags)

    @rule(name=st.sampled_from(NAMES), manifest=st.sampled_from(MANIFESTS))
    def delete_manifest(self, name: RepositoryName, manifest: Manifest) -> None:
        """Delete a manifest."""
        model = self.models[name]
        there = model.delete_manifest(manifest.digest)
        missing = ManifestUnknown if model.exists else NameUnknown
        outcome = self.run(self.store.repository(name).delete_manifest(manifest.digest))
        assert outcome == (None if there else missing)

    @rule(name=st.sampled_from(NAMES), tag=st.sampled_from(TAGS))
    def delete_tag(self, name: RepositoryName, tag: Tag) -> None:
        """Delete a tag."""
        model = self.models[name]
        there = model.meanings.pop(tag, None) is not None
        missing = ManifestUnknown if model.exists else NameUnknown
        assert self.run(self.store.repository(name).delete_manifest(tag)) == (
            None if there else missing
        )

    @rule()
    def restart(self) -> None:
        """Close the store and open it again."""
        self.run(self.store.close())
        self.start()

    @invariant()
    def same(self) -> None:
        """Everything that can be read is what the model holds."""
        page = self.run(self.store.repositories(10))
        assert list(page.items) == [name for name in NAMES if self.models[name].exists]
        for name, model in self.models.items():
            self.compare(name, model)

    def compare(self, name: RepositoryName, model: Model) -> None:
        """Compare one repository with its model."""
        repository = self.store.repository(name)
        unknown = ManifestUnknown if model.exists else NameUnknown
        for content in BLOBS:
            digest = image(content).layers[0].digest
            found = self.run(repository.blob(digest))
            if digest in model.blobs:
                assert read(found) == content
            else:
                assert found is (BlobUnknown if model.exists else NameUnknown)
        wants: list[Tag | Digest] = [*TAGS, *(manifest.digest for manifest in MANIFESTS)]
        for want in wants:
            now = model.meanings.get(want) if isinstance(want, Tag) else None
            target = now.digest if now else want
            held = repository.held(want) or self.run(repository.manifest(want))
            if target in model.manifests:
                assert held.data == model.manifests[target].raw
            else:
                assert held is unknown
        tags = self.run(repository.tags(10))
        assert (list(tags.items) if model.exists else tags) == (
            sorted(model.meanings) if model.exists else NameUnknown
        )
        assert self.run(referrers_of(repository, BASE.digest)) == [
            model.manifests[digest].as_referrer()
            for digest in sorted(model.manifests)
            if model.manifests[digest].subject is not None
        ]

    def teardown(self) -> None:
        """Remove the store."""
        self.run(self.store.close())
        self.runner.close()
        shutil.rmtree(self.root)


def run_histories(kind: str, histories: type[Histories], examples: int) -> None:
    """Run random histories on the stores of one kind; fewer where fewer of all are tried."""
    chosen = type("Chosen", (histories,), {"make": staticmethod(STORES[kind])})
    run_state_machine_as_test(
        chosen,
        settings=settings(
            max_examples=examples * settings().max_examples // 100,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.parametrize("kind", sorted(STORES))
def test_histories(kind: str) -> None:
    """A store behaves as a few dictionaries would, whatever happens to it in whatever order."""
    run_histories(kind, Histories, 15)
