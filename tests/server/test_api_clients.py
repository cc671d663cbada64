"""Clients of others, as they come: NoveltyBench's way of asking, LangChain, and the `llm` command."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import openai
import pytest
from api_world import STORY, Api


@pytest.mark.slow
def test_noveltybench_gets_ten_texts_of_each_prompt_at_temperature_one(api: Api) -> None:
    prompts = ["Tell me a story in three sentences about a dog.", "Write a short love poem.", STORY]

    async def generations() -> list[list[str]]:
        """Ask as NoveltyBench's client does: all prompts at the same time, n texts in one request."""
        async with openai.AsyncOpenAI(base_url=f"{api.url}/v1", api_key="EMPTY", timeout=600) as client:

            async def of(prompt: str) -> list[str]:
                answer = await client.chat.completions.create(
                    model="tiny",
                    messages=[{"role": "user", "content": prompt}],
                    n=10,
                    temperature=1.0,
                    max_tokens=512,
                )
                return [choice.message.content or "" for choice in answer.choices]

            return list(await asyncio.gather(*(of(prompt) for prompt in prompts)))

    for texts in asyncio.run(generations()):
        assert len(texts) == 10
        assert all(texts)
        assert len(set(texts)) >= 9


def test_langchain_answers_and_streams(api: Api) -> None:
    langchain = pytest.importorskip("langchain_openai", reason="not installed; pip install langchain-openai")
    given: Any = {"model": "tiny", "base_url": f"{api.url}/v1", "api_key": "x", "seed": 1, "max_tokens": 8}
    model = langchain.ChatOpenAI(**given, temperature=0)
    whole = model.invoke(STORY)
    assert whole.content
    assert whole.usage_metadata["output_tokens"] <= 8
    assert "".join(chunk.content for chunk in model.stream(STORY)) == whole.content
    counted = langchain.ChatOpenAI(**given, temperature=0, stream_usage=True).stream(STORY)
    usages = [chunk.usage_metadata for chunk in counted if chunk.usage_metadata]
    assert [usage["output_tokens"] for usage in usages] == [whole.usage_metadata["output_tokens"]]
    assert [answer.content for answer in model.batch([STORY] * 3)] == [whole.content] * 3


def test_the_llm_command_answers_and_streams(api: Api, tmp_path: Path) -> None:
    pytest.importorskip("llm", reason="not installed; pip install llm")
    (tmp_path / "extra-openai-models.yaml").write_text(
        f"- {{model_id: baco, model_name: tiny, api_base: {api.url}/v1, api_key_name: baco}}\n"
    )
    environment = {**os.environ, "LLM_USER_PATH": str(tmp_path), "OPENAI_API_KEY": "x"}
    told = []
    for more in ([], ["--no-stream"]):
        command = [
            sys.executable,
            "-m",
            "llm",
            "-m",
            "baco",
            "--key",
            "x",
            "-o",
            "seed",
            "1",
            "-o",
            "max_tokens",
            "8",
        ]
        done = subprocess.run(
            [*command, *more, STORY], capture_output=True, text=True, env=environment, timeout=120, check=True
        )
        told.append(done.stdout)
    assert told[0].strip()
    assert told[0] == told[1]
