"""Who is served next: requests take turns, whatever number of texts each asks for."""

from __future__ import annotations

from collections.abc import Iterator

from baco_server.desk_orders import Order


class Rota:
    """The requests on a desk, in the order in which they will have their next turn.

    A place goes to the request whose turn it is. Where all places are taken and a request has none, one
    that has several gives one up: its youngest text is paused, and goes on when it has another turn. So the
    first word of a short request never waits for the end of somebody's hundred texts.
    """

    def __init__(self, places: int) -> None:
        self._places = places
        self._orders: dict[Order, None] = {}

    def __iter__(self) -> Iterator[Order]:
        """Yield all requests; they may be removed meanwhile."""
        return iter(list(self._orders))

    def __len__(self) -> int:
        """Return how many requests there are."""
        return len(self._orders)

    def add(self, order: Order) -> None:
        """Take in a request."""
        self._orders[order] = None

    def remove(self, order: Order) -> None:
        """Forget a request."""
        self._orders.pop(order, None)

    @property
    def taken(self) -> int:
        """How many places are taken."""
        return sum(order.places for order in self._orders)

    @property
    def untouched(self) -> int:
        """How many requests wait for their first turn; for any thread."""
        return sum(order.untouched for order in self)

    @property
    def paused(self) -> int:
        """How many texts are paused."""
        return sum(len(order.paused) for order in self._orders)

    def next(self) -> Order | None:
        """Return whose turn it is to take a free place; None when none is free or nobody wants one."""
        if self.taken >= self._places:
            return None
        order = next((order for order in self._orders if order.waits), None)
        if order is not None:
            self._had_its_turn(order)
        return order

    def change(self) -> tuple[Order, Order] | None:
        """Return who has several places and gives up one, and who has none and takes it; None if nobody.

        No more texts are ever paused than there are places: they keep what they have read.
        """
        poor = next((order for order in self._orders if order.waits and not order.places), None)
        rich = max(self._orders, key=lambda order: len(order.writing), default=None)
        if poor is None or rich is None or len(rich.writing) < 2 or self.paused >= self._places:
            return None
        self._had_its_turn(poor)
        return rich, poor

    def _had_its_turn(self, order: Order) -> None:
        del self._orders[order]
        self._orders[order] = None
