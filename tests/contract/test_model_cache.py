"""Random histories of a cache's store: clients, upstreams, evictions and restarts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from lreg.errors import DigestInvalid, ManifestUnknown
from lreg.oci.digest import Digest
from tests.contract.conftest import STORES
from tests.contract.making import bring, source
from tests.contract.model import evictable
from tests.contract.test_model import BLOBS, MANIFESTS, NAMES, TAGS, Histories, run_histories

if TYPE_CHECKING:
    from lreg.oci.manifest import Manifest
    from lreg.oci.reference import RepositoryName, Tag

TIMES = st.sampled_from([1.0, 2.5, 1e9])


class CacheHistories(Histories):
    """What clients do, and what comes from upstream meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: dict[Digest, set[RepositoryName]] = {}

    @rule(name=st.sampled_from(NAMES), content=st.sampled_from(BLOBS))
    def fetch_blob(self, name: RepositoryName, content: bytes) -> None:
        """Bring a blob from upstream, for all who asked for it."""
        digest = self.run(bring(self.store.repository(name), content))
        for each in {name, *self.asked.pop(digest, ())}:
            self.models[each].fetch_blob(digest, content)
        self.stored.add(digest)

    @rule(name=st.sampled_from(NAMES), content=st.sampled_from(BLOBS))
    def begin(self, name: RepositoryName, content: bytes) -> None:
        """Bring half of a blob, which shows nowhere."""
        digest = Digest.of(content)
        partial = self.store.repository(name).partial(digest)
        self.run(partial.ready())
        self.run(partial.append(source(content[partial.offset : len(content) // 2])))
        self.asked.setdefault(digest, set()).add(name)

    @rule(content=st.sampled_from(BLOBS), wrong=st.booleans())
    def give_up(self, content: bytes, wrong: bool) -> None:
        """Throw away what came of a blob."""
        digest = Digest.of(content)
        if names := self.asked.pop(digest, None):
            partial = self.store.repository(names.pop()).partial(digest)
            if wrong:
                self.run(partial.append(source(b"wrong")))
                assert self.run(partial.commit()) is DigestInvalid
            else:
                self.run(partial.discard())

    @rule(content=st.sampled_from(BLOBS))
    def let_go(self, content: bytes) -> None:
        """Leave what came of a blob for later: who asked for it has to ask again."""
        digest = Digest.of(content)
        if names := self.asked.pop(digest, None):
            self.run(self.store.repository(names.pop()).partial(digest).release())

    @rule()
    def restart(self) -> None:
        """Close the store and open it again: who asked for a blob has to ask again."""
        self.asked.clear()
        super().restart()

    @rule(
        name=st.sampled_from(NAMES),
        manifest=st.sampled_from(MANIFESTS),
        tag=st.sampled_from([None, *TAGS]),
        checked=TIMES,
    )
    def fetch_manifest(
        self, name: RepositoryName, manifest: Manifest, tag: Tag | None, checked: float
    ) -> None:
        """Bring a manifest from upstream."""
        model, repository = self.models[name], self.store.repository(name)
        outcome = self.run(repository.put_fetched(manifest, tag, checked))
        assert outcome == model.fetch_manifest(manifest, tag, checked)
        for content in BLOBS:
            digest = Digest.of(content)
            if digest in {blob.digest for blob in manifest.blobs} and digest in self.stored:
                model.fetch_blob(digest, content)

    @rule(name=st.sampled_from(NAMES), content=st.sampled_from(BLOBS))
    def adopt(self, name: RepositoryName, content: bytes) -> None:
        """Link a blob that the store has."""
        model, digest = self.models[name], Digest.of(content)
        named = any(
            digest in {blob.digest for blob in manifest.blobs}
            for manifest in model.manifests.values()
        )
        expected = digest in model.blobs or (named and digest in self.stored)
        assert self.run(self.store.repository(name).adopt(digest)) == expected
        if expected:
            model.fetch_blob(digest, content)

    @rule(
        name=st.sampled_from(NAMES),
        tag=st.sampled_from(TAGS),
        manifest=st.sampled_from(MANIFESTS),
        checked=TIMES,
    )
    def revalidate(
        self, name: RepositoryName, tag: Tag, manifest: Manifest, checked: float
    ) -> None:
        """Learn what upstream has."""
        noting = self.store.repository(name).note_checked(tag, manifest.digest, checked)
        assert self.run(noting) is None
        self.note(name, tag, upstream=manifest.digest, checked=checked)

    @rule(name=st.sampled_from(NAMES), tag=st.sampled_from(TAGS), until=TIMES | st.none())
    def set_until(self, name: RepositoryName, tag: Tag, until: float | None) -> None:
        """Let a pushed version end."""
        now = self.models[name].meanings.get(tag)
        outcome = self.run(self.store.repository(name).set_until(tag, until))
        if now and not now.record.cached:
            assert outcome is None
            self.note(name, tag, until=until)
        else:
            assert outcome is ManifestUnknown

    @rule(name=st.sampled_from(NAMES), tag=st.sampled_from(TAGS))
    def undo(self, name: RepositoryName, tag: Tag) -> None:
        """Return to upstream's version."""
        there = tag in self.models[name].meanings
        outcome = self.run(self.store.repository(name).undo(tag))
        assert outcome == (self.models[name].undo(tag) if there else ManifestUnknown)

    @rule(name=st.sampled_from(NAMES), tag=st.sampled_from(TAGS), moment=TIMES)
    def expire(self, name: RepositoryName, tag: Tag, moment: float) -> None:
        """Return to upstream's version where the own one has ended."""
        now = self.models[name].meanings.get(tag)
        expected = now and now.digest
        if now and now.record.until is not None and now.record.until <= moment:
            expected = self.models[name].undo(tag)
        assert self.run(self.store.repository(name).expire(tag, moment)) == expected

    @rule(name=st.sampled_from(NAMES), tag=st.sampled_from(TAGS), pinned=st.booleans())
    def pin(self, name: RepositoryName, tag: Tag, pinned: bool) -> None:
        """Pin or unpin a tag."""
        outcome = self.run(self.store.repository(name).pin(tag, pinned))
        assert outcome == (None if tag in self.models[name].meanings else ManifestUnknown)
        self.note(name, tag, pinned=pinned)

    @rule(numbers=st.sets(st.integers(0, len(BLOBS) - 1)))
    def evict(self, numbers: set[int]) -> None:
        """Evict some blobs."""
        contents = [BLOBS[number] for number in numbers]
        going = evictable(self.models) & set(map(Digest.of, contents))
        sizes = {Digest.of(content): len(content) for content in contents}
        freed = self.run(self.store.evict([Digest.of(content) for content in contents], idle=0))
        assert freed == sum(sizes[digest] for digest in going)
        for model in self.models.values():
            for digest in going:
                model.delete_blob(digest)
        self.stored -= going

    def note(self, name: RepositoryName, tag: Tag, **known: Any) -> None:
        """Change what the model knows of a tag, if there is one."""
        if now := self.models[name].meanings.get(tag):
            record = replace(now.record, **known)
            self.models[name].meanings[tag] = replace(now, record=record)

    @invariant()
    def same_meanings(self) -> None:
        """What is known of tags, and what may be evicted, is what the model says."""
        holdings = {holding.repository: holding for holding in self.run(self.store.holdings())}
        may_go = evictable(self.models)
        assert holdings.keys() == {name for name in NAMES if self.models[name].exists}
        for name, model in self.models.items():
            repository = self.store.repository(name)
            for tag in TAGS:
                expected = model.meanings.get(tag)
                held = repository.held_tag(tag)
                assert held in (None, expected)
                assert self.run(repository.tagged(tag)) == expected
                assert repository.has_tag(tag) == (expected is not None)
            if model.exists:
                holding = holdings[name]
                assert holding.tags == model.meanings
                assert holding.blobs == {digest: len(c) for digest, c in model.blobs.items()}
                assert holding.cached == may_go & model.blobs.keys()
                assert holding.manifests == {
                    digest: len(manifest.raw) for digest, manifest in model.manifests.items()
                }


@pytest.mark.long
@pytest.mark.parametrize("kind", sorted(STORES))
def test_histories_of_a_cache(kind: str) -> None:
    """What was pushed, fetched, pinned, undone and evicted is so, in whatever order."""
    run_histories(kind, CacheHistories, 40)
