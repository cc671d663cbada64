"""From scores to planes."""

from __future__ import annotations

import numpy as np
import pytest

from baco_core.errors import ConfigError
from baco_eval.metrics.metric import NotMeasured
from baco_eval.planes import Axis, arrange
from baco_eval.records import Score

D, Q = Axis("distinct-1"), Axis("perplexity", direction=-1)


def scores(*left: tuple[str, str, str]) -> list[Score]:
    """Return scores of two methods, three settings and three prompts, less those in `left`."""
    return [
        Score(metric, method, setting, prompt, base + 10 * int(setting) + int(prompt))
        for metric, base in (("distinct-1", 0), ("perplexity", 100), ("length", 7))
        for method, setting in (("p", "1"), ("p", "2"), ("alone", "3"))
        for prompt in "123"
        if (metric, setting, prompt) not in left
    ]


def test_scores_find_their_place_whatever_their_order() -> None:
    mixed = [scores()[place] for place in np.random.default_rng(0).permutation(len(scores()))]
    arranged = arrange(mixed, D, Q)
    assert arranged.settings == {"alone": ("3",), "p": ("1", "2")}
    assert arranged.prompts == ("1", "2", "3")
    assert arranged.left_out == {}
    assert arranged.plane.methods["p"].tolist() == [
        [[11, -111], [12, -112], [13, -113]],
        [[21, -121], [22, -122], [23, -123]],
    ]
    assert arranged.plane.methods["alone"].shape == (1, 3, 2)


def test_smaller_is_better_is_turned_round() -> None:
    shares = arrange(scores(), D, Q).plane.dominance(5).values
    assert shares == pytest.approx({"alone": 1 / 3, "p": 2 / 3})
    upward = arrange(scores(), D, Axis("perplexity")).plane.dominance(5).values
    assert upward == {"alone": 1, "p": 0}


def test_a_prompt_that_is_not_measured_everywhere_is_left_out_of_all_and_told() -> None:
    lost = Score("distinct-1", "p", "2", "3", None, "every text is empty.")
    arranged = arrange([*scores(("distinct-1", "2", "3"), ("perplexity", "3", "1")), lost], D, Q)
    assert arranged.prompts == ("2",)
    assert arranged.left_out == {
        "1": "perplexity of alone 3, prompt '1', has no score",
        "3": "distinct-1 of p 2, prompt '3', is not measured: every text is empty",
    }
    assert arranged.plane.prompts == 1


def test_bad_scores_are_refused_in_one_line() -> None:
    with pytest.raises(ConfigError, match="distinct-1 of p 1, prompt '1', is scored twice"):
        arrange([*scores(), scores()[0]], D, Q)
    with pytest.raises(ConfigError, match="prompt 'x', is nan; score it again"):
        arrange([Score("distinct-1", "p", "1", "x", float("nan"))], D, Q)
    with pytest.raises(NotMeasured, match="in every setting: there are no scores"):
        arrange([], D, Q)
    only = [score for score in scores() if score.metric == "distinct-1"]
    with pytest.raises(NotMeasured, match="perplexity of alone 3, prompt '1', has no score"):
        arrange(only, D, Q)
    with pytest.raises(ConfigError, match="'length' has no better direction"):
        Axis("length", direction=0)
