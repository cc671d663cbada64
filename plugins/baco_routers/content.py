"""Content rules: what the next token would be says who writes it."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from baco_core.router import Decider, Decision, DecisionPoint, Generation
from baco_core.source import Source
from baco_core.vocabulary import Vocabulary
from baco_routers.constant import ConstantDecider
from baco_routers.options import FiresOn, Language, Probe, Words, require_choice
from baco_routers.token_classes import Formatting, FunctionWords, TokenClass, belongs, require_language

_PROBED = {
    "base": (Source.BASE,),
    "aligned": (Source.ALIGNED,),
    "either": (Source.BASE, Source.ALIGNED),
}


class ContentRule(ABC):
    """A rule that fires, and says aligned, when the probed top-1 token is of a class.

    Alone it says base where it does not fire; within a `chain` it then has no opinion. Ties for the
    top-1 go to the lowest token id.
    """

    __slots__ = ()
    label: ClassVar[str]
    probe: Probe
    fires_on: FiresOn

    @property
    @abstractmethod
    def token_class(self) -> TokenClass:
        """The tokens it fires on."""

    @property
    def needs(self) -> frozenset[Source]:
        """The rows of the probed sources; none at the end points."""
        return frozenset(_PROBED[self.probe]) if self.fires_on == "class" else frozenset()

    def start(self, generation: Generation) -> Decider:
        """Return a decider that says base where the rule does not fire."""
        return self._decider(generation, otherwise=Source.BASE)

    def opinion(self, generation: Generation) -> Decider:
        """Return a decider that has no opinion where the rule does not fire."""
        return self._decider(generation, otherwise=None)

    def _decider(self, generation: Generation, otherwise: Source | None) -> Decider:
        if self.fires_on == "all":
            return ConstantDecider(Decision(Source.ALIGNED, "fires on all tokens"))
        if self.fires_on == "none":
            return ConstantDecider(Decision(otherwise, "fires on no token") if otherwise else None)
        vocabularies = {source: generation.vocabularies[source] for source in _PROBED[self.probe]}
        return ContentDecider(self.label, vocabularies, self.token_class, otherwise)

    def _check(self) -> None:
        require_choice("probe", self.probe, tuple(_PROBED))
        require_choice("fires_on", self.fires_on, ("class", "all", "none"))


@dataclass(frozen=True, slots=True)
class Punc(ContentRule):
    """Aligned if the probed top-1 is punctuation or formatting, else base: BACo-PUNC."""

    label: ClassVar[str] = "punctuation or formatting"
    probe: Probe = "base"
    fires_on: FiresOn = "class"

    def __post_init__(self) -> None:
        self._check()

    @property
    def token_class(self) -> TokenClass:
        """Punctuation, line breaks, list marks, Markdown."""
        return Formatting()


@dataclass(frozen=True, slots=True)
class Fc(ContentRule):
    """Aligned if the probed top-1 is a function word, else base: BACo-FC.

    A token counts as the word it writes, though it may be the beginning of a longer one.
    """

    label: ClassVar[str] = "a function word"
    probe: Probe = "base"
    fires_on: FiresOn = "class"
    language: Language = "en"
    words: Words = ()

    def __post_init__(self) -> None:
        self._check()
        require_language(self.language)

    @property
    def token_class(self) -> TokenClass:
        """The function words of the language, and the further words."""
        return FunctionWords(self.language, self.words)


@dataclass(frozen=True, slots=True)
class ContentDecider:
    """Decides for one generation by the class of the probed top-1 tokens; pure."""

    label: str
    vocabularies: Mapping[Source, Vocabulary]
    token_class: TokenClass
    otherwise: Source | None

    def decide(self, point: DecisionPoint) -> Decision | None:
        """Return aligned if a probed top-1 is of the class, else `otherwise`."""
        tops = {source: int(point.rows[source].argmax()) for source in self.vocabularies}
        for source, token_id in tops.items():
            if belongs(self.token_class, self._piece(source, token_id), point.text):
                return Decision(Source.ALIGNED, f"top-1 {self._shown(source, token_id)} is {self.label}")
        if self.otherwise is None:
            return None
        shown = " and ".join(self._shown(source, token_id) for source, token_id in tops.items())
        return Decision(self.otherwise, f"top-1 {shown}: not {self.label}")

    def _piece(self, source: Source, token_id: int) -> bytes:
        """Return what a token writes; nothing for ids beyond the tokenizer's."""
        vocabulary = self.vocabularies[source]
        return vocabulary.pieces[token_id] if token_id < vocabulary.size else b""

    def _shown(self, source: Source, token_id: int) -> str:
        """Return what a token writes, quoted; its id if it writes nothing."""
        text = self._piece(source, token_id).decode("utf-8", errors="replace")
        return json.dumps(text, ensure_ascii=False) if text else f"token {token_id}"
