"""Measuring as a plugin of BACo. Nothing heavy is imported before it is used."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from baco_core.hookspecs import hookimpl

if TYPE_CHECKING:
    from baco_core.command import Command
    from baco_eval.methods.method import Method
    from baco_eval.metrics.metric import Metric
    from baco_eval.tasks.task import Task


@hookimpl
def register_tasks(register: Callable[[str, Callable[..., Task]], None]) -> None:
    """Name where prompts come from."""
    from baco_eval.tasks.creative import Creative
    from baco_eval.tasks.jsonl import Jsonl
    from baco_eval.tasks.narrative import NarrativeDiscourse
    from baco_eval.tasks.noveltybench import NoveltyBench
    from baco_eval.tasks.wildchat import WildChat

    register("creative", Creative)
    register("jsonl", Jsonl)
    register("noveltybench", NoveltyBench)
    register("wildchat", WildChat)
    register("narrative-discourse", NarrativeDiscourse)


@hookimpl
def register_metrics(register: Callable[[str, Callable[..., Metric]], None]) -> None:
    """Name what is measured of the texts of a prompt."""
    from baco_eval.metrics import behaviour, classes, inference, lexical, quality, reward, semantic

    register("distinct-1", lexical.Distinct1)
    register("distinct-2", lexical.Distinct2)
    register("ead", lexical.Ead)
    register("self-bleu", lexical.SelfBleu)
    register("compression", lexical.Compression)
    register("rouge-l", lexical.RougeL)
    register("distinct-k", classes.DistinctK)
    register("semantic-entropy", classes.SemanticEntropy)
    register("cos-distance", semantic.CosDistance)
    register("vendi", semantic.Vendi)
    register("nli", inference.Nli)
    register("perplexity", quality.Perplexity)
    register("reward", reward.Reward)
    register("relevance", quality.Relevance)
    register("utility", reward.Utility)
    register("length", behaviour.Length)
    register("base-share", behaviour.BaseShare)
    register("switches", behaviour.Switches)
    register("ended", behaviour.Ended)
    register("repetition", behaviour.Repetition)
    register("format", behaviour.Format)


@hookimpl
def register_baselines(register: Callable[[str, Callable[..., Method]], None]) -> None:
    """Name ways to ask for a text."""
    from baco_eval.methods.asking import InContext, Paraphrase, Regenerate, SystemPrompt

    register("regenerate", Regenerate)
    register("in-context", InContext)
    register("paraphrase", Paraphrase)
    register("system-prompt", SystemPrompt)


@hookimpl
def register_commands(register: Callable[[str, Command], None]) -> None:
    """Name the commands."""
    from baco_eval.annotate.command import COMMAND as ANNOTATE
    from baco_eval.calibrate.command import COMMAND as CALIBRATE
    from baco_eval.report.command import COMMAND as REPORT
    from baco_eval.scoring.command import COMMAND as SCORE
    from baco_eval.sweep.command import COMMAND as SWEEP

    register("sweep", SWEEP)
    register("score", SCORE)
    register("report", REPORT)
    register("annotate", ANNOTATE)
    register("calibrate", CALIBRATE)
