from functions.remembering import Lately, Memory


def test_what_was_used_longest_ago_is_forgotten_first() -> None:
    memory: Memory[int] = Memory(2)
    memory.put("a", 1)
    memory.put("b", 2)
    memory.get("a")

    memory.put("c", 3)

    assert [memory.get(key) for key in "abc"] == [1, None, 3]
    assert len(memory) == 2


def test_what_is_heavy_takes_the_place_of_more() -> None:
    memory: Memory[str] = Memory(10)
    for key in "abcde":
        memory.put(key, key)

    memory.put("heavy", "heavy", 8)

    assert [memory.get(key) for key in "abcde"] == [None, None, None, "d", "e"]
    assert memory.get("heavy") == "heavy"


def test_what_is_too_heavy_is_not_remembered() -> None:
    memory: Memory[str] = Memory(10)

    assert memory.put("a", "a", 11) == "a"

    assert memory.get("a") is None
    memory.put("b", "b", 10)
    assert memory.get("b") == "b"


def test_the_same_key_weighs_once() -> None:
    memory: Memory[int] = Memory(3)
    memory.put("other", 0)

    for number in range(10):
        memory.put("a", number)
    memory.put("b", 1)

    assert [memory.get(key) for key in ("other", "a", "b")] == [0, 9, 1]


def test_what_is_dropped_weighs_nothing() -> None:
    memory: Memory[int] = Memory(1)
    memory.put("a", 1)
    memory.drop("a")
    memory.drop("never")

    memory.put("b", 2)

    assert (memory.get("a"), memory.get("b"), len(memory)) == (None, 2, 1)


def test_what_was_put_a_moment_ago_is_there_until_it_is_forgotten() -> None:
    memory: Lately[int] = Lately(2)

    assert memory.put("a", 1) == memory.get("a") == 1

    memory.forget("a")
    assert memory.get("a") is None
