"""One prompt, two contexts: as a chat for the aligned model, as a text to be continued for the base.

**The space at the end.** `Answer: ` ends with a space, and words of nearly all vocabularies begin with
theirs: ` Paris` is one token. After a token that is only a space a model expects what is never written
with one: measured on 23 questions, SmolLM2-135M and Gemma-3-270M gave a digit as the next token with
probability 0.58 and 0.44, and the true answer's first token cost 13.7 and 18.3 nats; after `Answer:`, a
space being granted, it cost 5.9 and 5.5. What follows the first token hardly changes (by 1.3 of about
80 nats). So the base context leaves its last space to the first word: `base_context` ends with
`Answer:`, and `base_lead` says which bytes of the generated text belong to the context. Aligned contexts
are encoded as they stand: a chat template was trained as it is written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Literal

from msgspec import Meta

from baco_core.chat import ChatTemplate
from baco_core.errors import PromptError
from baco_core.tokenizer import Tokenizer

Role = Literal["system", "user", "assistant"]
ROLES: tuple[Role, ...] = ("system", "user", "assistant")
SLOT = "{prompt}"
QUESTION_ANSWER = "Question: {prompt}\nAnswer: "
SPACE = " "


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class TokenIds:
    """A prompt as token ids of the aligned model, to be read as they are."""

    token_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Example:
    """A prompt and a good answer to it, shown to the base model before the prompt."""

    prompt: Annotated[str, Meta(description="What was asked.", min_length=1)]
    answer: Annotated[str, Meta(description="What a good answer is.", min_length=1)]


@dataclass(frozen=True, slots=True)
class PromptsConfig:
    """How each model reads the prompt."""

    base: Annotated[
        Literal["question-answer", "plain", "few-shot", "template"],
        Meta(
            description="What the base model continues: a question and 'Answer: ', the plain prompt, the "
            "question after 'examples' with their answers, or 'base_template'."
        ),
    ] = "question-answer"
    examples: Annotated[
        tuple[Example, ...], Meta(description="For base few-shot or template: prompts with good answers.")
    ] = ()
    base_template: Annotated[
        str | None,
        Meta(description="For base template: any text with {prompt} in it; other braces stay as they are."),
    ] = None
    aligned: Annotated[
        Literal["chat", "plain"],
        Meta(description="What the aligned model reads: its chat template, or the plain prompt."),
    ] = "chat"
    system: Annotated[
        str | None,
        Meta(
            description="System message of both contexts, unless a conversation brings its own.", min_length=1
        ),
    ] = None
    special_text: Annotated[
        Literal["parse", "refuse"],
        Meta(
            description="Text in a prompt that spells a special token: read as that token, as is usual, or "
            "refused."
        ),
    ] = "parse"
    today: Annotated[
        date | None,
        Meta(description="The date chat templates are told (YYYY-MM-DD); left out, the clock's."),
    ] = None

    def __post_init__(self) -> None:
        if (self.base == "template") != (self.base_template is not None):
            raise ValueError("'base_template' and 'base: template' go together: give both or neither")
        if self.base_template is not None and SLOT not in self.base_template:
            raise ValueError(f"base_template must contain {SLOT}")
        if self.base == "few-shot" and not self.examples:
            raise ValueError("'base: few-shot' needs 'examples', a list of {prompt, answer}")
        if self.examples and self.base not in ("few-shot", "template"):
            raise ValueError("'examples' are only shown with 'base: few-shot' or 'base: template'")


def as_messages(prompt: str | Sequence[Message]) -> tuple[Message, ...]:
    """Return a prompt as a conversation: system message or none, then user and assistant in turn, user last.

    Raises PromptError, naming the message, for any other order, an unknown role and an empty prompt.
    """
    if isinstance(prompt, str):
        prompt = [Message("user", prompt)]
    if not prompt:
        raise PromptError("the conversation is empty; give at least one user message.")
    system = 1 if prompt[0].role == "system" else 0
    for index, message in enumerate(prompt):
        _check(message, index, index - system)
    if prompt[-1].role != "user":
        raise PromptError(
            f"message {len(prompt) - 1} is from {prompt[-1].role!r}; the last must be the user's."
        )
    return tuple(prompt)


def text_of(prompt: TokenIds, tokenizer: Tokenizer) -> str:
    """Return what token ids write; PromptError when there are none, or one is not the model's."""
    if not prompt.token_ids:
        raise PromptError("the prompt has no token ids; give at least one.")
    size = tokenizer.vocabulary.size
    wrong = next((number for number in prompt.token_ids if not 0 <= number < size), None)
    if wrong is not None:
        raise PromptError(
            f"the prompt's token id {wrong} is outside the aligned model's vocabulary, 0 to {size - 1}."
        )
    return tokenizer.vocabulary.bytes_of(prompt.token_ids).decode("utf-8", errors="replace")


def _check(message: Message, index: int, turn: int) -> None:
    if message.role not in ROLES:
        raise PromptError(f"message {index} has the role {message.role!r}; allowed: {', '.join(ROLES)}.")
    expected = "system" if turn < 0 else "user" if turn % 2 == 0 else "assistant"
    if message.role != expected:
        raise PromptError(
            f"message {index} is from {message.role!r} where {expected!r} is due: a system message or none "
            "comes first, then user and assistant in turn."
        )
    if message.role == "user" and not message.content.strip():
        which = "the prompt" if index == 0 else f"message {index}"
        raise PromptError(f"{which} is empty; say what to write about.")


def base_context(messages: Sequence[Message], config: PromptsConfig, tokenizer: Tokenizer) -> list[int]:
    """Return the tokens the base model reads first; the last space is left to `base_lead`."""
    text = base_text(messages, config)
    read = text.removesuffix(SPACE) if _lead(text, tokenizer) else text
    return _plain_context(read, messages, config, tokenizer)


def base_lead(messages: Sequence[Message], config: PromptsConfig, tokenizer: Tokenizer) -> bytes:
    """Return what `base_context` left out at its end: a space, which the first word brings along, or nothing.

    When the base writes first, its first token should begin with these bytes (`Vocabulary.opens_with`),
    and they are not part of the text; when it hears first, they come before what it hears.
    """
    return _lead(base_text(messages, config), tokenizer)


def aligned_context(
    messages: Sequence[Message],
    config: PromptsConfig,
    tokenizer: Tokenizer,
    chat_template: str | None,
    special_tokens: Mapping[str, str],
) -> list[int]:
    """Return the tokens the aligned model reads first.

    Raises PromptError when a chat is asked for and the model has no template, or its template fails.
    """
    if config.aligned == "plain":
        return _plain_context(_plain_text(messages, config), messages, config, tokenizer)
    if chat_template is None:
        raise PromptError(
            f"{tokenizer.path}: the aligned model has no chat template; set prompts.aligned: plain, or "
            "export it with a template."
        )
    _check_special(messages, config, tokenizer)
    turns = [{"role": turn.role, "content": turn.content} for turn in _with_system(messages, config)]
    text = ChatTemplate(chat_template, special_tokens).render(turns, today=config.today)
    token_ids = tokenizer.encode_context(text)
    if not token_ids:
        raise PromptError("chat template: it writes nothing for these messages; set prompts.aligned: plain.")
    return token_ids


def base_text(messages: Sequence[Message], config: PromptsConfig) -> str:
    """Return what the base model continues, as text: blocks with a blank line between them."""
    if config.base == "plain":
        return _plain_text(messages, config)
    return "\n\n".join(_blocks(_with_system(messages, config), config))


def _blocks(messages: Sequence[Message], config: PromptsConfig) -> Iterator[str]:
    template = config.base_template or QUESTION_ANSWER
    if messages[0].role == "system" and messages[0].content:
        yield messages[0].content
    for example in config.examples:
        yield template.replace(SLOT, example.prompt) + example.answer
    turns = [message.content for message in messages if message.role != "system"]
    for index in range(0, len(turns), 2):
        yield template.replace(SLOT, turns[index]) + "".join(turns[index + 1 : index + 2])


def _plain_text(messages: Sequence[Message], config: PromptsConfig) -> str:
    return "\n\n".join(turn.content for turn in _with_system(messages, config) if turn.content)


def _with_system(messages: Sequence[Message], config: PromptsConfig) -> list[Message]:
    if config.system is None or messages[0].role == "system":
        return list(messages)
    return [Message("system", config.system), *messages]


def _plain_context(
    text: str, messages: Sequence[Message], config: PromptsConfig, tokenizer: Tokenizer
) -> list[int]:
    _check_special(messages, config, tokenizer)
    token_ids = [*tokenizer.bos_ids, *tokenizer.encode_context(text)]
    if not token_ids:
        raise PromptError("the prompt writes no text that could be continued; say what to write about.")
    return token_ids


def _lead(text: str, tokenizer: Tokenizer) -> bytes:
    """Return the last space of a text when the vocabulary has words that bring theirs along."""
    if not text.endswith(SPACE):
        return b""
    space = SPACE.encode()
    pieces = tokenizer.vocabulary.pieces
    return space if any(piece.startswith(space) and piece.strip() for piece in pieces) else b""


def _check_special(messages: Sequence[Message], config: PromptsConfig, tokenizer: Tokenizer) -> None:
    if config.special_text == "parse":
        return
    for index, message in enumerate(messages):
        found = next((text for text in sorted(tokenizer.special_texts) if text in message.content), None)
        if found is not None:
            raise PromptError(
                f"message {index} spells the special token {found!r}; take it out, or set "
                "prompts.special_text: parse."
            )
