"""Places go round among requests, whatever number of texts each asks for."""

from __future__ import annotations

from desk_world import World, config
from hypothesis import given
from hypothesis import strategies as st

from baco_core.schedules import lazy
from baco_server.desk import Ask
from baco_server.desk_orders import Order, Writing
from baco_server.desk_rota import Rota

WORLD = World()


def order(texts: int) -> Order:
    ask = Ask("A cat", config(f"decode.n={texts}"))
    pipeline = WORLD.pipeline.using(ask.config)
    return Order(ask, pipeline, pipeline.read(ask.prompt), lazy, lambda told: None, 0.0)


def begin(order: Order) -> None:
    """Do what the desk does with a place, without a model."""
    if order.paused:
        order.writing.append(order.paused.popleft())
        return
    order.writing.append(Writing(order, order.pipeline.text(order.begun, order.reading)))
    order.begun += 1


def seat(rota: Rota) -> None:
    while (next_one := rota.next()) is not None:
        begin(next_one)
    while (change := rota.change()) is not None:
        rich, poor = change
        rich.paused.append(rich.writing.pop())
        begin(poor)


def test_one_who_comes_late_gets_the_place_of_one_of_many_texts() -> None:
    rota, many, one = Rota(4), order(100), order(1)
    rota.add(many)
    seat(rota)
    assert len(many.writing) == 4
    rota.add(one)
    seat(rota)
    assert (len(many.writing), len(many.paused), len(one.writing)) == (3, 1, 1)
    one.writing.clear()
    rota.remove(one)
    seat(rota)
    assert (len(many.writing), len(many.paused), many.begun) == (4, 0, 4)


def test_free_places_go_round() -> None:
    rota, orders = Rota(6), [order(9), order(9), order(1)]
    for one in orders:
        rota.add(one)
    seat(rota)
    assert [len(one.writing) for one in orders] == [3, 2, 1]


@given(st.lists(st.integers(1, 5), min_size=1, max_size=6), st.integers(1, 4), st.randoms())
def test_every_request_gets_all_its_turns_and_no_place_is_taken_twice(
    sizes: list[int], places: int, random: object
) -> None:
    rota, coming, ended, done = Rota(places), [order(size) for size in sizes], 0, 0
    for turn in range(200):
        if coming and turn % 2 == 0:
            rota.add(coming.pop())
        seat(rota)
        assert rota.taken <= places
        assert rota.paused <= places
        busy = [one for one in rota if one.writing]
        assert busy or not len(rota)
        if busy:
            one = random.choice(busy)  # type: ignore[attr-defined]
            one.writing.pop()
            ended += 1
            if one.complete:
                rota.remove(one)
                done += 1
    assert (ended, done, len(rota)) == (sum(sizes), len(sizes), 0)
