"""What the routes of one server share."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request

from baco_server.api.listening import Listening
from baco_server.api.pairs import Pairs
from baco_server.config import ServerConfig
from baco_server.edge.keys import Keys
from baco_server.edge.record import Record


@dataclass(frozen=True, slots=True)
class State:
    """The pairs, and who may ask them."""

    pairs: Pairs
    keys: Keys

    @property
    def server(self) -> ServerConfig:
        """How requests are taken on."""
        return self.pairs.config.server


def state_of(request: Request) -> State:
    """Return the state of the server that got a request."""
    found: State = request.app.state.baco
    return found


def record_of(request: Request) -> Record:
    """Return the record of a request."""
    found: Record = request.scope["baco"]
    return found


def listening_for(state: State, *, stream: bool) -> Listening:
    """Return ears for a request."""
    return Listening(state.server.stream_buffer, tokens=stream)
