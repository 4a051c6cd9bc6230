"""Keys that jobs share: by one contract only, for a while, a few jobs, and then they are gone."""

import weakref
from collections.abc import Callable
from dataclasses import dataclass, field

from cleanroom.ids import Digest
from runner.attest.wrapping import JOBS, LASTS, WrappingKeys, for_one_job, wrapping_key

CONTRACT, OTHER = Digest.of(b"contract"), Digest.of(b"another")


class Key:
    """Something that can be watched."""


@dataclass
class Keys:
    """Keys under a clock that the test moves."""

    now: float = 0.0
    looks: list[tuple[float, Callable[[], None]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.keys = WrappingKeys(
            Key, lambda: self.now, lambda seconds, act: self.looks.append((self.now + seconds, act))
        )

    def of(self, contract: Digest) -> Key:
        return self.keys.of(contract)

    def pass_time(self, seconds: float) -> None:
        """Let time pass, and whatever was to be looked at be looked at."""
        self.now += seconds
        due = [look for look in self.looks if look[0] <= self.now]
        self.looks = [look for look in self.looks if look[0] > self.now]
        for _, act in due:
            act()


def test_jobs_of_one_contract_share_a_key() -> None:
    keys = Keys()

    assert keys.of(CONTRACT) is keys.of(CONTRACT)


def test_each_contract_has_its_own() -> None:
    keys = Keys()

    assert keys.of(CONTRACT) is not keys.of(OTHER)


def test_a_key_serves_so_many_jobs_and_no_more() -> None:
    keys = Keys()

    given = [keys.of(CONTRACT) for _ in range(JOBS + 1)]

    assert set(given[:JOBS]) == {given[0]}
    assert given[JOBS] is not given[0]


def test_a_key_serves_so_long_and_no_longer() -> None:
    keys = Keys()
    first = keys.of(CONTRACT)

    keys.now = LASTS - 1
    later = keys.of(CONTRACT)
    keys.now = LASTS
    last = keys.of(CONTRACT)

    assert later is first
    assert last is not first


def test_a_key_that_nobody_asks_for_again_is_let_go() -> None:
    keys = Keys()
    first = weakref.ref(keys.of(CONTRACT))
    keys.pass_time(LASTS - 1)
    second = weakref.ref(keys.of(OTHER))

    keys.pass_time(1)
    gone_after_one = first() is None, second() is None
    keys.pass_time(LASTS - 1)

    assert gone_after_one == (True, False)
    assert second() is None
    assert keys.looks == []


def test_a_key_is_let_go_with_the_last_job_that_may_have_it() -> None:
    keys = Keys()
    given = [weakref.ref(keys.of(CONTRACT)) for _ in range(JOBS)]

    assert given[0]() is None


def test_keys_of_many_contracts_push_the_oldest_out() -> None:
    keys = Keys()
    first = weakref.ref(keys.of(CONTRACT))

    for number in range(100):
        keys.of(Digest.of(bytes([number])))

    assert first() is None


def test_one_timer_runs_at_a_time() -> None:
    keys = Keys()

    for number in range(3 * JOBS):
        keys.of(Digest.of(bytes([number % 5])))

    assert len(keys.looks) == 1


def test_a_runners_own_keys_need_nothing_but_a_way_to_make_them() -> None:
    keys = WrappingKeys(wrapping_key)

    assert keys.of(CONTRACT) is keys.of(CONTRACT)
    assert keys.of(CONTRACT).key_size == 2048
    assert for_one_job(CONTRACT) is not for_one_job(CONTRACT)
