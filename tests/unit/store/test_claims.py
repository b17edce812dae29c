"""Changes and evictions that meet over one blob."""

from __future__ import annotations

import threading
import time

from lreg.oci.digest import Digest
from lreg.store.claims import Claims

ONE, TWO = Digest.of(b"1"), Digest.of(b"2")


def test_held_before() -> None:
    """What a change holds when an eviction begins to judge is spared, also when it is done."""
    claims = Claims()
    change = claims.hold([ONE])
    with change, claims.judging() as spared:
        assert spared == {ONE}
    with claims.judging() as spared:
        assert spared == set()


def test_held_meanwhile() -> None:
    """What a change holds while an eviction judges is spared, the rest is not."""
    claims = Claims()
    with claims.judging() as spared:
        with claims.hold([ONE]), claims.hold([ONE]):
            pass
        with claims.removing(ONE, spared) as alone:
            assert not alone
        with claims.removing(TWO, spared) as alone:
            assert alone


def test_waits_for_the_removal() -> None:
    """A change waits while the very blob that it relies on goes, and for no other."""
    claims = Claims()
    went = threading.Event()

    def change() -> None:
        with claims.hold([ONE, TWO]):
            went.set()

    with claims.judging() as spared, claims.removing(ONE, spared) as alone:
        assert alone
        with claims.hold([TWO]):
            pass
        thread = threading.Thread(target=change)
        thread.start()
        assert not went.wait(0.05)
    thread.join()
    assert went.is_set()


def test_one_eviction_at_a_time() -> None:
    """A second eviction judges when the first is done."""
    claims = Claims()
    order: list[str] = []

    def second() -> None:
        with claims.judging():
            order.append("second")

    with claims.judging():
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.05)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
