"""The judge: another model says who writes the next word."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Literal

import msgspec

from baco_core.errors import ConfigError, PluginError
from baco_core.router import Consult, Decider, Decision, DecisionPoint, Generation
from baco_core.source import Source
from baco_routers.chat_endpoint import ChatEndpoint, require_address
from baco_routers.options import require_choice, require_number

TEMPLATE = """\
Two writers continue one text together, word by word. Writer A is inventive and varied, but careless. \
Writer B is careful and does what is asked, but predictable.

What was asked:
{prompt}

The text so far:
{text}

Who should write the next word? Answer with one letter, A or B.
Answer:"""
"""Our own words; the paper's prompt is not established."""

_ANSWERS = {"a": Source.BASE, "base": Source.BASE, "b": Source.ALIGNED, "aligned": Source.ALIGNED}
_LETTERS = (" A", " B")  # of equal length, so that neither answer is less likely for being longer


@dataclass(frozen=True, slots=True)
class Judge:
    """Another model decides at every decision point: BACo-JUDGE.

    It is either behind an OpenAI-compatible `endpoint` or a `member` of the pair. It reads `template`
    with the prompt and the text so far, and answers A (base) or B (aligned). Each text is asked about
    once in a generation.
    """

    endpoint: Annotated[
        str | None,
        msgspec.Meta(description="Address of an OpenAI-compatible API, such as http://127.0.0.1:8000/v1."),
    ] = None
    model: Annotated[str, msgspec.Meta(description="Name of the model there.")] = ""
    api_key_env: Annotated[
        str | None, msgspec.Meta(description="Name of the environment variable that holds the API key.")
    ] = None
    timeout: Annotated[float, msgspec.Meta(gt=0, description="The most seconds one answer may take.")] = 30.0
    retries: Annotated[
        int, msgspec.Meta(ge=0, description="How often a busy endpoint (429, 502, 503, 504) is asked again.")
    ] = 2
    member: Annotated[
        Literal["base", "aligned"] | None,
        msgspec.Meta(description="Instead of an endpoint: the member of the pair that judges."),
    ] = None
    template: Annotated[
        str, msgspec.Meta(description="The question, with {prompt} and {text}; A means base, B aligned.")
    ] = TEMPLATE

    def __post_init__(self) -> None:
        if (self.endpoint is None) == (self.member is None):
            raise ValueError("judge needs either endpoint and model, or member")
        if self.endpoint is not None:
            require_address(self.endpoint)
            if not self.model:
                raise ValueError("judge needs the name of the model at its endpoint: set model")
        if self.member is not None:
            require_choice("member", self.member, tuple(Source))
        require_number("retries", self.retries, low=0)
        if not 0 < self.timeout < math.inf:
            raise ValueError(f"timeout must be a number of seconds above 0, not {self.timeout}")
        if "{text}" not in self.template:
            raise ValueError("template must contain {text}, the place of the text so far")

    @property
    def needs(self) -> frozenset[Source]:
        """No rows."""
        return frozenset()

    @property
    def blocking(self) -> bool:
        """Whether somebody outside is asked: a member of the pair is read here, by cores that others use."""
        return self.endpoint is not None

    @property
    def replayable(self) -> bool:
        """Whether asking twice costs nothing but time: not at an endpoint."""
        return self.endpoint is None

    def start(self, generation: Generation) -> Decider:
        """Return the decider; ConfigError when the variable of the key is not set."""
        return JudgeDecider(self.template, generation.prompt, self._verdict(generation))

    def _verdict(self, generation: Generation) -> Callable[[str], Decision]:
        if self.endpoint is not None:
            key = _key(self.api_key_env)
            return EndpointJudge(ChatEndpoint(self.endpoint, self.model, key, self.timeout, self.retries))
        return MemberJudge(Source(str(self.member)), generation.consult)


@dataclass(frozen=True, slots=True)
class JudgeDecider:
    """Asks about each text once; a pure function of the text for a judge that answers alike."""

    template: str
    prompt: str
    verdict: Callable[[str], Decision]
    known: dict[str, Decision] = field(default_factory=dict)

    def decide(self, point: DecisionPoint) -> Decision:
        """Return what the judge says of the text so far."""
        if point.text not in self.known:
            self.known[point.text] = self.verdict(self._question(point.text))
        return self.known[point.text]

    def _question(self, text: str) -> str:
        """Fill the template in one pass, so that braces in prompt or text stay what they are."""
        values = {"{prompt}": self.prompt, "{text}": text}
        return re.sub(r"\{prompt\}|\{text\}", lambda place: values[place.group()], self.template)


@dataclass(frozen=True, slots=True)
class MemberJudge:
    """A member of the pair compares the two answers."""

    member: Source
    consult: Consult

    def __call__(self, question: str) -> Decision:
        """Return the likelier answer; the signal is base's share of the two probabilities."""
        base, aligned = self.consult(self.member, question, _LETTERS)
        share = 1 / (1 + math.exp(min(aligned - base, 700.0)))
        source = Source.BASE if share > 0.5 else Source.ALIGNED
        return Decision(source, f"judged by {self.member}", share, 0.5)


@dataclass(frozen=True, slots=True)
class EndpointJudge:
    """A model behind an endpoint answers."""

    endpoint: ChatEndpoint

    def __call__(self, question: str) -> Decision:
        """Return its verdict; PluginError for any answer but A, B, base or aligned."""
        answer = self.endpoint.ask(question)
        source = _ANSWERS.get(answer.strip(" \t\r\n.*\"'`()").casefold())
        if source is None:
            raise PluginError(
                f"judge {self.endpoint.address}: model {self.endpoint.model!r} answered {answer[:60]!r}, "
                "neither A nor B; use another `model`, or say it more clearly in `template`"
            )
        return Decision(source, f"judged by {self.endpoint.model}")


def _key(variable: str | None) -> str | None:
    """Return the key; errors name the variable, never its value."""
    if variable is None:
        return None
    key = os.environ.get(variable, "").strip()
    if not key:
        raise ConfigError(f"judge: environment variable {variable} is not set; put the API key into it")
    if not (key.isascii() and key.isprintable()):
        raise ConfigError(
            f"judge: environment variable {variable} holds characters that no key has; set it anew"
        )
    return key
