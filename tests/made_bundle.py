"""A bundle without weights, and the plugin whose backend `made` opens it: for tests of all that is around."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import made_plugins
import msgspec

from baco_core.bundle import FileRecord, KvLayout, Manifest, MemberRecord, SourceRecord, sha256_of
from baco_core.testing.fakes import WORDS
from baco_core.tokenizer_file import byte_alphabet

END = "<end>"
VOCAB_SIZE = 256 + len(WORDS) + 1
TEMPLATE = "{% for message in messages %}[{{ message.role }}] {{ message.content }}\n{% endfor %}"

PLUGIN = """
from __future__ import annotations
from dataclasses import dataclass
from pathlib import Path
from baco_core.hookspecs import hookimpl
from baco_core.testing.fakes import FakeModel

@dataclass(frozen=True)
class Made:
    lift: float = 6.0
    exact: bool = True
    def load(self, files):
        seed = 1 if files.onnx.parent.name == "base" else 2
        words = range(256, files.vocab_size - 1)
        return FakeModel(seed, files.vocab_size, files.context_limit, words, self.lift, exact=self.exact)

@hookimpl
def register_backends(register):
    register("made", Made)

@hookimpl
def register_bundles(register):
    register("made", Path(FOLDER))
"""


def tokenizer_json(words: Sequence[str] = WORDS) -> str:
    """Return a byte-level tokenizer whose tokens are those of `fake_vocabulary(words)`."""
    alphabet = byte_alphabet()
    texts = [*alphabet, *("".join(alphabet[value] for value in word.encode()) for word in words)]
    vocab = {text: number for number, text in enumerate(texts)}
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
    added = {"id": len(texts), "content": END, "special": True, "normalized": False}
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip"), False)
    return json.dumps(
        {
            "version": "1.0",
            "added_tokens": [{**added, **flags}],
            "normalizer": None,
            "pre_tokenizer": level,
            "post_processor": None,
            "decoder": level,
            "model": {"type": "BPE", "vocab": vocab, "merges": []},
        }
    )


def write_bundle(
    folder: Path,
    *,
    context_limit: int | None = 4096,
    template: str = TEMPLATE,
    base_words: Sequence[str] = WORDS,
) -> Path:
    """Write a bundle with a base and an aligned member, whose models are empty files."""
    members = {}
    for name, words in (("base", base_words), ("aligned", WORDS)):
        size = 256 + len(words) + 1
        files = {"model.onnx": "", "tokenizer.json": tokenizer_json(words), "chat_template.jinja": template}
        (folder / name).mkdir(parents=True)
        for file, text in files.items():
            (folder / name / file).write_text(text, "utf-8")
        members[name] = MemberRecord(
            model=f"{name}/model.onnx",
            tokenizer=f"{name}/tokenizer.json",
            vocab_size=size,
            precision="fp32",
            kv=KvLayout(1, 1, 4, "float32"),
            source=SourceRecord("made"),
            end_ids=(size - 1,),
            context_limit=context_limit,
            chat_template=f"{name}/chat_template.jinja" if name == "aligned" else None,
        )
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    records = {
        path.relative_to(folder).as_posix(): FileRecord(path.stat().st_size, sha256_of(path))
        for path in paths
    }
    (folder / "baco.json").write_bytes(msgspec.json.encode(Manifest(1, members, records)))
    return folder


def install(site: Path, folder: Path) -> Path:
    """Install the plugin `acme-made` into `site`; its bundle `made` is in `folder`."""
    return made_plugins.install(site, "acme-made", PLUGIN.replace("FOLDER", repr(str(folder))))
