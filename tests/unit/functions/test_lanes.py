import asyncio

import pytest

from cleanroom.errors import Unavailable
from functions.lanes import Lanes


def join(one: str, other: str) -> str:
    return one + other


def test_those_who_wait_are_answered_by_one_look() -> None:
    done: list[tuple[str, str]] = []

    async def work(key: str, wish: str) -> str:
        await asyncio.sleep(0)
        done.append((key, wish))
        return wish

    async def main() -> list[str]:
        lanes = Lanes(work, join)
        first = asyncio.create_task(lanes.run("room", "a"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)  # it has begun
        return await asyncio.gather(first, *(lanes.run("room", letter) for letter in "bcd"))

    assert asyncio.run(main()) == ["a", "bcd", "bcd", "bcd"]
    assert done == [("room", "a"), ("room", "bcd")]


def test_keys_do_not_wait_for_each_other() -> None:
    async def main() -> str:
        open_door = asyncio.Event()

        async def work(key: str, _wish: str) -> str:
            if key == "slow":
                await open_door.wait()
            return key

        lanes = Lanes(work, join)
        slow = asyncio.create_task(lanes.run("slow", ""))
        quick = await lanes.run("quick", "")
        open_door.set()
        return quick + await slow

    assert asyncio.run(main()) == "quickslow"


def test_an_error_is_for_those_who_waited_and_the_lane_goes_on() -> None:
    async def work(_key: str, wish: str) -> str:
        if wish == "bad":
            raise Unavailable("no")
        return wish

    async def main() -> str:
        lanes = Lanes(work, join)
        with pytest.raises(Unavailable):
            await lanes.run("room", "bad")
        return await lanes.run("room", "good")

    assert asyncio.run(main()) == "good"


def test_who_no_longer_waits_stops_nothing() -> None:
    done: list[str] = []

    async def main() -> None:
        begun, open_door = asyncio.Event(), asyncio.Event()

        async def work(_key: str, wish: str) -> str:
            begun.set()
            await open_door.wait()
            done.append(wish)
            return wish

        lanes = Lanes(work, join)
        gone = asyncio.create_task(lanes.run("room", "a"))
        await begun.wait()
        gone.cancel()
        open_door.set()
        await lanes.run("room", "b")

    asyncio.run(main())

    assert done == ["a", "b"]


def test_a_look_that_is_ended_from_outside_keeps_nobody_waiting() -> None:
    class Ended(BaseException):
        pass

    async def main() -> str:
        begun, end = asyncio.Event(), asyncio.Event()

        async def work(_key: str, wish: str) -> str:
            begun.set()
            if wish == "doomed":
                await end.wait()
                raise Ended
            return wish

        lanes = Lanes(work, join)
        doomed = asyncio.create_task(lanes.run("room", "doomed"))
        await begun.wait()
        waiting = asyncio.create_task(lanes.run("room", "waiting"))
        await asyncio.sleep(0)
        end.set()
        found = await asyncio.wait_for(
            asyncio.gather(doomed, waiting, return_exceptions=True), timeout=10
        )
        assert [type(one) for one in found] == [Ended, asyncio.CancelledError]
        return await lanes.run("room", "next")

    assert asyncio.run(main()) == "next"
