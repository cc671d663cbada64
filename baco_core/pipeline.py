"""From a config to texts: the door for Python users and for the command line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property

from baco_core.config import Config, DecodeConfig
from baco_core.decode import Rules
from baco_core.decoding import Decoding
from baco_core.errors import ConfigError, ContextError
from baco_core.events import Sample, TokenEvent
from baco_core.lane import Prefix
from baco_core.noise import GumbelNoise, UniformStream
from baco_core.opening import open_pair
from baco_core.pair import Pair
from baco_core.pick import Picker
from baco_core.plan import Plan, make_plan, would_run_at_once
from baco_core.plugins import Plugins
from baco_core.prefixes import PrefixCache
from baco_core.prompts import (
    Message,
    PromptsConfig,
    TokenIds,
    aligned_context,
    as_messages,
    base_context,
    base_lead,
    text_of,
)
from baco_core.router import Generation, Router, asks_everywhere, is_blocking, speakers_of
from baco_core.sampler import Sampler
from baco_core.samples import Samples, Text
from baco_core.scheduler import Scheduler
from baco_core.source import Source
from baco_core.where import Where
from baco_core.writer import Writer

Prompt = str | Sequence[Message] | TokenIds


@dataclass(frozen=True, slots=True)
class Reading:
    """A prompt as both models read it; the samples of one prompt share it."""

    messages: Sequence[Message]
    contexts: Mapping[Source, Sequence[int]]
    prefixes: Mapping[Source, Prefix]
    lead: bytes
    most: int
    """Tokens that a text after it may have."""


@dataclass(frozen=True)
class Pipeline:
    """A pair with router, sampler and rules, ready to write.

    config = load_config(None)
    pipeline = Pipeline.from_config(config, load_plugins(config.plugins))
    print(pipeline.generate("Tell me a story about a lighthouse.")[0].text)
    """

    pair: Pair
    router: Router
    sampler: Sampler
    decode: DecodeConfig
    prompts: PromptsConfig
    plugins: Plugins
    router_label: str = "router"
    kept: PrefixCache | None = None
    """Contexts that were read, shared by those who have the same; None: its own, `decode.keep_prompts`."""

    @cached_property
    def plan(self) -> Plan:
        """The schedule this pair is written with, and why; ConfigError when it cannot be."""
        return make_plan(self.decode, self.pair, speakers_of(self.router))

    @cached_property
    def _contexts_read(self) -> PrefixCache:
        return PrefixCache(self.decode.keep_prompts) if self.kept is None else self.kept

    @classmethod
    def from_config(cls, config: Config, plugins: Plugins, texts: int | None = None) -> Pipeline:
        """Build router and sampler, then open the pair.

        Give `texts`, how many are written at once, where other routers than the config's will be asked for
        with `using`; else the pair is opened for that router and as many texts as the config wants.
        Raises BacoError, before any model is loaded when a name or an option is wrong.
        """
        router = plugins.routers.build(config.router, "router")
        sampler = plugins.samplers.build(config.sampler, "sampler")
        backend = plugins.backends.build(config.backend, "backend")
        speakers, where = speakers_of(router), str(Where(config.origin, "pair"))
        if texts is not None:
            speakers = frozenset(Source)
        texts = texts or min(config.decode.n, config.decode.batch)
        at_once = would_run_at_once(config.decode, speakers)
        pair = open_pair(config.pair, backend, plugins.bundles, where, texts, at_once=at_once)
        if at_once and not make_plan(config.decode, pair, speakers).concurrent:
            # rows turned out to be inexact, or the models to be one: then each may have all cores
            pair = open_pair(config.pair, backend, plugins.bundles, where, texts)
        _check_switching(config.decode, router, pair)
        label = plugins.routers.entry(config.router.use).describe()
        make_plan(config.decode, pair, speakers)  # refuses, before anything is written, what cannot be kept
        return cls(pair, router, sampler, config.decode, config.prompts, plugins, label)

    def using(self, config: Config) -> Pipeline:
        """Return a pipeline on the same open pair with the router, sampler, decode and prompts of a config.

        Raises BacoError for what the pair cannot do. Contexts that were read are kept apart, unless this
        pipeline shares its own (`kept`).
        """
        router = self.plugins.routers.build(config.router, "router")
        sampler = self.plugins.samplers.build(config.sampler, "sampler")
        label = self.plugins.routers.entry(config.router.use).describe()
        return replace(self, router=router, sampler=sampler, router_label=label).asked(
            config.decode, config.prompts
        )

    def asked(self, decode: DecodeConfig, prompts: PromptsConfig) -> Pipeline:
        """Return a pipeline with the same router and sampler; raises ConfigError as `using` does."""
        _check_switching(decode, self.router, self.pair)
        make_plan(decode, self.pair, speakers_of(self.router))
        return replace(self, decode=decode, prompts=prompts)

    def stream(self, prompt: Prompt, *, trace: bool = False) -> Iterator[TokenEvent | Sample]:
        """Yield the token events of sample 0, then Sample 0, then those of sample 1, and so on.

        Raises PromptError or ContextError before any model runs. With `trace`, events carry both
        models' likeliest tokens, for which both models run at every token.
        """
        reading = self.read(prompt)
        with closing(self.scheduler()) as scheduler:
            samples = Samples(
                scheduler,
                lambda index: self.text(index, reading, self.decode.top if trace else 0),
                self.decode.n,
                self.decode.batch,
            )
            for item in samples.items():
                self._observe(item)
                yield item

    def generate(self, prompt: Prompt) -> list[Sample]:
        """Return the finished samples."""
        return [item for item in self.stream(prompt) if isinstance(item, Sample)]

    def read(self, prompt: Prompt) -> Reading:
        """Return the prompt in both models' tokens; no model runs yet.

        Token ids are read by the aligned model as they are, and by the base model too where both have one
        vocabulary; else that reads their text. Raises PromptError or ContextError.
        """
        if isinstance(prompt, TokenIds):
            return self._read_ids(prompt)
        messages = as_messages(prompt)
        self._check_length(messages)
        base = self.pair.members[Source.BASE].tokenizer
        return self._reading(messages, self._contexts(messages), base_lead(messages, self.prompts, base))

    def _check_length(self, messages: Sequence[Message]) -> None:
        """Refuse what is many times too long before it is encoded; the base reads every turn of it."""
        base = self.pair.members[Source.BASE]
        limit = base.model.context_limit
        if limit is not None and base.tokenizer.exceeds("\n".join(turn.content for turn in messages), limit):
            raise ContextError(
                f"{Source.BASE} model: the prompt has more than {2 * limit} tokens, and its context is "
                f"{limit}; shorten the prompt."
            )

    def _read_ids(self, prompt: TokenIds) -> Reading:
        base, aligned = (self.pair.members[source].tokenizer for source in (Source.BASE, Source.ALIGNED))
        messages, lead = (Message("user", text_of(prompt, aligned)),), b""
        contexts = {source: list(prompt.token_ids) for source in Source}
        if self.pair.exchange == "text":
            plain = PromptsConfig(base="plain")
            contexts[Source.BASE] = base_context(messages, plain, base)
            lead = base_lead(messages, plain, base)
        return self._reading(messages, contexts, lead)

    def _reading(
        self, messages: Sequence[Message], contexts: Mapping[Source, Sequence[int]], lead: bytes
    ) -> Reading:
        most = self.decode.max_new_tokens
        if self.decode.overflow == "shorten":
            most = int(min(most, self.pair.room(contexts)))
        prefixes = self.pair.prefixes(contexts, most, self._contexts_read)
        return Reading(messages, contexts, prefixes, lead, most)

    def scheduler(self) -> Scheduler:
        """Return what writes texts of this pair together; to be closed."""
        return Scheduler(self.pair.models, self.plan.schedule, self.plan.engine())

    def text(self, index: int, reading: Reading, top: int = 0) -> Text:
        """Return sample `index` of a prompt, to be written by a scheduler; `top` as in `stream`'s trace."""
        lanes = self.pair.lanes(reading.prefixes, reading.lead)
        decider = self.router.start(self._generation(index, reading.messages))
        picker = Picker(self.sampler, GumbelNoise(self.decode.seed, index))
        decoding = Decoding(lanes, decider, picker, self._rules(reading, watched=top > 0))
        prompt_tokens = len(reading.contexts[Source.ALIGNED])
        return Text(decoding, Writer(index, lanes, self.decode.stop, prompt_tokens, top))

    def _contexts(self, messages: Sequence[Message]) -> dict[Source, list[int]]:
        base, aligned = self.pair.members[Source.BASE], self.pair.members[Source.ALIGNED]
        return {
            Source.BASE: base_context(messages, self.prompts, base.tokenizer),
            Source.ALIGNED: aligned_context(
                messages, self.prompts, aligned.tokenizer, aligned.chat_template, aligned.special_tokens
            ),
        }

    def _observe(self, item: TokenEvent | Sample) -> None:
        if isinstance(item, Sample):
            self.plugins.hook.on_finish(item)
        else:
            self.plugins.hook.on_token(item)

    def _generation(self, index: int, messages: Sequence[Message]) -> Generation:
        def consult(source: Source, question: str, answers: Sequence[str]) -> list[float]:
            context = self._contexts([Message("user", question)])[source]
            return self.pair.consult(source, context, answers)

        uniform = UniformStream(self.decode.seed, index)
        return Generation(messages[-1].content, self.pair.vocabularies, uniform, consult)

    def _rules(self, reading: Reading, *, watched: bool) -> Rules:
        vocabularies = self.pair.vocabularies
        only_aligned_ends = self.decode.end == "aligned"
        return Rules(
            needs=self.router.needs,
            vocabularies=vocabularies,
            banned={Source.BASE: sorted(vocabularies[Source.BASE].end_ids)} if only_aligned_ends else {},
            max_new_tokens=reading.most,
            switch_everywhere=self.decode.switch_at == "token" or asks_everywhere(self.router),
            watched=watched,
            speakers=speakers_of(self.router),
            lead=reading.lead,
            router=self.router_label,
            blocking=is_blocking(self.router),
        )


def _check_switching(decode: DecodeConfig, router: Router, pair: Pair) -> None:
    if pair.exchange == "text" and asks_everywhere(router):
        raise ConfigError(
            "router: this router decides at every token, which needs one vocabulary, but this pair has two "
            "tokenizers; choose another router."
        )
    if decode.switch_at == "token" and pair.exchange == "text":
        raise ConfigError(
            "decode.switch_at: 'token' needs one vocabulary, but this pair has two tokenizers, "
            "which exchange text at word boundaries only; use 'word'."
        )
