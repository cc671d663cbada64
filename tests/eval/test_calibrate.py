"""Calibration: the gamma that gives a base share, whichever way it turns, and what cannot be reached."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from calibrate_world import PROMPTS, TINY, MadeShares, falling, knob_plugins, opened, tiny_config

from baco_core.cli import main
from baco_core.config import Config, Part, config_from_data, load_config
from baco_core.config_yaml import parse_yaml
from baco_core.errors import BacoError, ConfigError
from baco_core.pipeline import Pipeline
from baco_core.plugins import Plugins
from baco_eval.calibrate.calibrate import calibrate, require_near
from baco_eval.calibrate.dev import prompts_of, split
from baco_eval.calibrate.knob import knob_of
from baco_eval.calibrate.shares import Measured, Shares
from baco_eval.calibrate.write import as_yaml, write

ROUTERS = ("p", "h", "rand", "p-punc", "h-punc", "p-fc", "h-fc", "nudging")
QUICK = ["--dev", "3", "-n", "2", "--tolerance", "15", *(part for one in TINY for part in ("--set", one))]


@pytest.fixture(scope="module")
def plugins() -> Plugins:
    return knob_plugins()


@pytest.fixture(scope="module")
def pair(plugins: Plugins) -> Pipeline:
    return opened(plugins)


def shares_of(
    pair: Pipeline, router: str, config: Config | None = None, texts: int = 1, first: int = 0
) -> Shares:
    knob = knob_of(Part(router), pair.plugins)
    return Shares(pair, config or tiny_config(), knob, PROMPTS, texts, first)


# --- made shares ---


def test_the_direction_is_found() -> None:
    for turn in (1, -1):
        shares = MadeShares(lambda gamma, turn=turn: falling(turn * gamma), -9, 9)
        found = calibrate(shares, 0.3)
        assert abs(found.found.share - 0.3) <= 0.01
        assert found.rising == (turn == -1)
        assert found.off == abs(found.found.share - 0.3)


def test_signals_make_an_unbounded_gamma_searchable_in_few_steps() -> None:
    nats = [index / 100 for index in range(600)]
    shares = MadeShares(falling, -math.inf, math.inf, nats)
    found = calibrate(shares, 0.25)
    assert abs(found.found.share - 0.25) <= 0.01
    assert len(shares.asked) <= 6
    assert shares.asked[:2] == [-math.inf, math.inf]


def test_a_share_out_of_reach_gives_the_nearest_and_the_reach() -> None:
    shares = MadeShares(falling, -9, 9)
    found = calibrate(shares, 0.95)
    assert shares.asked == [-9, 9]
    assert found.found.gamma == -9
    assert found.reach == (0.001, 0.8)
    require_near(found, "made", 0.2)
    with pytest.raises(ConfigError) as caught:
        require_near(found, "made")
    assert str(caught.value) == (
        "--share: router 'made' reaches base shares from 0.1 % to 80.0 % on the dev prompts, and comes no "
        "nearer to 95.0 % than 80.0 % (gamma -9), which is more than 5 points off; choose another share or "
        "router."
    )


def test_a_jump_in_the_middle_of_the_reach_is_told_as_well() -> None:
    found = calibrate(MadeShares(lambda gamma: float(gamma > 0.3), 0, 1), 0.5)
    assert found.off == 0.5
    with pytest.raises(ConfigError, match=r"comes no nearer to 50.0 % than 0.0 %"):
        require_near(found, "made")


def test_a_router_that_gamma_does_not_move_has_a_reach_of_one_point() -> None:
    found = calibrate(MadeShares(lambda gamma: 0.4, 0, 1), 0.4)
    assert (found.found.share, found.reach) == (0.4, (0.4, 0.4))


def test_whole_gammas_stay_whole() -> None:
    shares = MadeShares(lambda gamma: 1 / gamma, 1, 12, whole=True)
    assert calibrate(shares, 0.26).found.gamma == 4
    assert shares.knob.at(4.0).options == {"gamma": 4}


def test_what_is_measured_is_told_with_the_time_to_go() -> None:
    told: list[str] = []
    calibrate(MadeShares(lambda gamma: gamma, 0, 1), 0.25, tell=told.append)
    assert told == ["gamma=0: 0.0 % base, in 0 s", "gamma=1: 100.0 % base, in 0 s", told[2]]
    assert told[2].endswith("% base; at most 0 s to go")


def test_shares_count_tokens_and_their_error_is_between_prompts() -> None:
    one = Measured(0.5, ((10, 20), (0, 20), (20, 40)), 6)
    assert (one.share, one.tokens) == (30 / 80, 80)
    rest = (10 - 7.5) ** 2 + 7.5**2 + (20 - 15) ** 2
    assert one.error == pytest.approx(math.sqrt(1.5 * rest) / 80)
    assert Measured(0.5, ((1, 2),), 1).error == math.inf
    assert Measured(0.5, (), 0).share == 0


# --- knobs ---


@pytest.mark.parametrize(
    ("router", "low", "high"),
    [
        ("p", 0, math.inf),
        ("h", -math.inf, math.inf),
        ("rand", 0, 1),
        ("h-fc", -math.inf, math.inf),
        ("nudging", 0, math.inf),
        ("turn", 1, 12),
        ("open", math.nextafter(0, 1), math.nextafter(3, 0)),
        ("choosy", -1, 10),
    ],
)
def test_a_gamma_is_turned_from_end_to_end(plugins: Plugins, router: str, low: float, high: float) -> None:
    knob = knob_of(Part(router), plugins)
    assert (knob.low, knob.high) == (low, high)
    assert knob.whole == (router == "turn")


@pytest.mark.parametrize("router", ["judge", "base", "ensemble", "chain", "named"])
def test_routers_without_a_gamma_are_told_with_those_that_have_one(plugins: Plugins, router: str) -> None:
    with pytest.raises(ConfigError) as caught:
        knob_of(Part(router), plugins)
    message = str(caught.value)
    assert message.startswith(f"router: {router!r} has no gamma to calibrate. Routers with one: choosy, h, ")
    assert "p, p-fc, p-punc, rand, turn; without: aligned, base, " in message


def test_another_option_that_is_wrong_is_named(plugins: Plugins) -> None:
    with pytest.raises(BacoError, match=r"probe: 'nobody' is not allowed"):
        knob_of(Part("p-punc", {"probe": "nobody"}), plugins)


# --- written shares ---


@pytest.mark.parametrize("router", ROUTERS)
def test_every_router_with_a_gamma_comes_near_a_share(pair: Pipeline, router: str) -> None:
    shares = shares_of(pair, router)
    found = calibrate(shares, 0.3)
    require_near(found, router, 0.15)  # of so few tokens
    assert found.rising == (router in ("p", "p-punc", "p-fc", "rand"))
    assert (found.reach[0], found.found.texts) == (0, 4)
    assert (found.reach[1] == 1) == (router in ("p", "h", "rand", "nudging"))
    assert found.found.signals


def test_another_seed_writes_other_texts(pair: Pipeline) -> None:
    one, same, other = (
        shares_of(pair, "rand", tiny_config(f"decode.seed={seed}")).at(0.4) for seed in (0, 0, 1)
    )
    assert one == same
    assert one.counts != other.counts


def test_a_router_that_tells_no_signal_is_searched_all_the_same(pair: Pipeline) -> None:
    shares = shares_of(pair, "turn")
    found = calibrate(shares, 0.3)
    assert not found.rising
    assert not found.found.signals
    assert found.found.gamma in range(2, 12)
    assert found.off < 0.15


def test_shares_are_those_of_texts_as_the_pipeline_writes_them(pair: Pipeline) -> None:
    measured = shares_of(pair, "p", texts=2, first=5).at(0.4)
    config = replace(tiny_config("decode.n=13"), router=Part("p", {"gamma": 0.4}))
    usages = [pair.using(config).generate(prompt.text) for prompt in PROMPTS]
    wanted = [
        [sample.usage for sample in usages[i] if sample.index in (5 + 2 * i, 6 + 2 * i)] for i in range(4)
    ]
    assert measured.counts == tuple(
        (sum(usage.base_tokens for usage in two), sum(usage.completion_tokens for usage in two))
        for two in wanted
    )


def test_texts_ask_in_the_wordings_of_the_prompt(pair: Pipeline) -> None:
    fox, king = PROMPTS[:2]
    knob = knob_of(Part("p"), pair.plugins)
    both = Shares(pair, tiny_config(), knob, [msgspec.structs.replace(fox, paraphrases=(king.text,))], 2).at(
        0.4
    )
    alone = [
        Shares(pair, tiny_config(), knob, [one], 1, first).at(0.4) for first, one in enumerate((fox, king))
    ]
    assert both.tokens == sum(one.tokens for one in alone)
    assert both.counts[0][0] == sum(one.counts[0][0] for one in alone)


# --- dev and unseen prompts ---


def test_dev_and_unseen_prompts_are_spread_and_have_none_in_common(plugins: Plugins) -> None:
    prompts = prompts_of(Part("creative"), plugins)
    dev, unseen = split(prompts, 5, 4)
    assert [prompts.index(one) for one in dev] == [0, 4, 8, 12, 16]
    assert [prompts.index(one) for one in unseen] == [1, 5, 10, 15]
    assert split(prompts, 30) == (prompts, [])
    assert len(split(prompts, 15, 30)[1]) == 5


@pytest.mark.parametrize(
    ("dev", "check", "message"),
    [
        (4, 1, "--check: all 4 prompts of the task are dev prompts and none is left; lower --dev."),
        (0, 1, "--dev and --check must be 1 or more, not 0 and 1."),
        (1, -1, "--dev and --check must be 1 or more, not 1 and -1."),
    ],
)
def test_prompts_that_cannot_be_split_are_told(dev: int, check: int, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        split(PROMPTS, dev, check)
    assert str(caught.value) == message


# --- the config that is written ---


@pytest.mark.parametrize("name", ["tiny", "smollm2-int4", "judge", "penalties", "gpu"])
def test_a_config_is_written_short_and_read_back_equal(name: str) -> None:
    config = load_config(
        Path("configs") / f"{name}.yaml", ["router.options.gamma=.inf", "prompts.base=plain"]
    )
    text = as_yaml(config, ["One note,\nof  several lines.", "word " * 60])
    assert config_from_data(parse_yaml(text, name)) == config
    assert text.startswith("# One note, of several lines.\n# word")
    assert max(map(len, text.splitlines())) <= 100


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "found.yaml"
    write("a: 1\n", path)

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write("a: 2\n", path)
    assert [one.name for one in tmp_path.iterdir()] == ["found.yaml"]
    assert path.read_text() == "a: 1\n"
    monkeypatch.undo()
    with pytest.raises(ConfigError, match=r"^--out: .*cannot write the file: No such file"):
        write("a: 1\n", tmp_path / "gone" / "found.yaml")


# --- the command ---


def test_the_command_writes_a_config_that_gives_the_share_it_tells(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "found.yaml"
    arguments = ["calibrate", "-c", "configs/tiny.yaml", "--share", "0.3", "--router", "h", *QUICK]
    assert main([*arguments, "--check", "2", "--out", str(out)]) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines()[0].startswith("gamma=-.inf: 100.0 % base, in ")
    assert "On 2 unseen prompts (4 texts, 32 tokens): " in said.err
    assert " points from the wanted share." in said.err
    assert main([*arguments, "--check", "2"]) == 0
    assert capsys.readouterr().out == out.read_text()
    config = load_config(out)
    plugins = knob_plugins()
    pair = opened(plugins)
    dev, _ = split(prompts_of(Part("creative"), plugins), 3)
    again = Shares(pair, config, knob_of(config.router, plugins), dev, 2).at(config.router.options["gamma"])
    assert f"Measured: {100 * again.share:.1f} % " in out.read_text().replace("\n# ", " ")
    assert config.decode.max_new_tokens == 8
    assert [one.name for one in tmp_path.iterdir()] == ["found.yaml"]


def test_prompts_of_a_file_are_taken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "some.jsonl"
    path.write_text('{"prompt": "Tell me of a fox."}\n{"prompt": "Tell me of a king."}\n')
    task = f"{{use: jsonl, options: {{path: {path}}}}}"
    for chosen in (["--prompts", str(path)], ["--task", task]):
        assert main(["calibrate", "--share", "0", *QUICK, *chosen]) == 0
        text = capsys.readouterr().out
        assert "on 2 dev prompts (4 texts, 32 tokens) from " in text.replace("\n# ", " ")
        assert "gamma: 0.0\n" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "one of the arguments --share --knee is required"),
        (["--share", "25"], "argument --share: 25 is not from 0 to 1; a quarter is 0.25"),
        (["--share", "nan"], "argument --share: 'nan' is not a number"),
        (["--share", ".2", "--dev", "0"], "argument --dev: 0 is below 1"),
        (["--share", ".2", "--tolerance", "-1"], "argument --tolerance: -1 is below 0"),
        (["--share", ".2", "--router", "judge"], "router: 'judge' has no gamma to calibrate."),
        (["--share", ".2", "--router", "pp"], "router.use: unknown router 'pp'. Did you mean 'p'?"),
        (["--share", ".2", "--task", "creativ"], "unknown task 'creativ'. Did you mean 'creative'?"),
        (["--share", ".2", "--task", "[1]"], "--task: expected a mapping, got [1]."),
        (["--share", ".2", "--prompts", "no.jsonl"], "no.jsonl: cannot read the file: No such file"),
        (["--share", ".2", "--prompts", "a", "--task", "b"], "give either --task or --prompts, not both."),
        (["--share", ".2", "--out", "."], "--out: . is a folder; name a file."),
        (["--share", ".2", "--out", "no/a.yaml"], "--out: there is no folder no; make it first."),
        (["--share", ".2", "--dev", "20", "--check"], "--check: all 20 prompts of the task are dev prompts"),
        (["--share", ".2", "--knee", "d"], "argument --knee: not allowed with argument --share"),
        (["--knee", "d", "--check"], "--check: --knee reads a sweep and writes no texts; leave it out."),
        (["--knee", "no"], "no: this is no sweep's folder (it has no manifest.json); run baco sweep first."),
        (["--share", ".2", "--set", "router.options.probe=me"], "router.options.probe: 'me' is not allowed"),
    ],
)
def test_what_is_wrong_is_told_before_a_model_is_opened(
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Pipeline, "from_config", lambda *_: pytest.fail("opened"))
    assert main(["calibrate", *arguments]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert message in said.err
    assert [line.startswith("baco: error: ") for line in said.err.splitlines()] == [True]


def test_a_share_that_a_router_cannot_reach_ends_with_2_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "found.yaml"
    wanted = ["--share", "0.97", "--router", "p-punc", *QUICK, "--tolerance", "5"]
    assert main(["calibrate", *wanted, "--out", str(out)]) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("baco: error: --share: router 'p-punc' reaches base shares from 0.0 % to ")
    assert "(gamma .inf)" in last
    assert not list(tmp_path.iterdir())


def test_ctrl_c_ends_with_130_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    measured, count = Shares._measured, 0

    def twice(self: Shares, gamma: float) -> Measured:
        nonlocal count
        count += 1
        if count > 2:
            raise KeyboardInterrupt
        return measured(self, gamma)

    monkeypatch.setattr(Shares, "_measured", twice)
    assert main(["calibrate", "--share", "0.3", *QUICK, "--out", str(tmp_path / "found.yaml")]) == 130
    assert capsys.readouterr().err.endswith("baco: interrupted.\n")
    assert not list(tmp_path.iterdir())
