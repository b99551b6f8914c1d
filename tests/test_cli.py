"""The command line: help, options, errors in one sentence."""

from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

import capacity
from capacity.cli import COMMANDS, cli, main
from capacity.cli.options import NumberList
from capacity.cli.sweep import sweep
from capacity.experiments import SweepConfig

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command line here; returns exit code, stdout and stderr."""

    def call(*args: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as end:
            main([str(arg) for arg in args])
        out, err = capsys.readouterr()
        return int(end.value.code or 0), out, err

    return call


def given_to_sweep(monkeypatch: pytest.MonkeyPatch) -> list[SweepConfig]:
    """Make `capacity sweep` note its settings and stop there."""
    asked: list[SweepConfig] = []

    def note(config: SweepConfig, **_: Any) -> None:
        asked.append(config)
        raise capacity.StudyError("noted")

    monkeypatch.setattr("capacity.experiments.running.run_study", note)
    return asked


# -- Help ------------------------------------------------------------------------------------------------------------


def test_no_command_prints_help(run: Run) -> None:
    assert run() == run("--help") == run("-h")
    code, out, err = run()
    assert (code, err) == (0, "")
    assert out.startswith("Usage: capacity [OPTIONS] ")


def test_version(run: Run) -> None:
    assert run("--version") == (0, f"capacity, version {capacity.__version__}\n", "")


def test_summaries_in_the_help_are_the_first_lines_of_the_commands() -> None:
    context = click.Context(cli)
    for name, summary in COMMANDS.items():
        command = cli.get_command(context, name)
        assert command is not None
        assert (command.name, (command.help or "").split("\n", 1)[0]) == (name, summary)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(run: Run, name: str) -> None:
    code, out, err = run(name, "--help")
    assert (code, err) == (0, "")
    assert out.startswith(f"Usage: capacity {name}")


@pytest.mark.parametrize(
    ("args", "spared"),
    [
        ([], ["numpy", "pydantic", "h5py", "rich", "matplotlib", "capacity.experiments"]),
        (["sweep"], ["numpy", "h5py", "scipy", "rich", "matplotlib", "pyarrow"]),
    ],
)
def test_help_does_not_wait_for_heavy_imports(args: list[str], spared: list[str]) -> None:
    code = (
        "import sys\nfrom capacity.cli import main\n"
        f"try: main({[*args, '--help']})\nexcept SystemExit: pass\n"
        f"print('loaded:', [name for name in {spared} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("loaded: []\n")


# -- Options ---------------------------------------------------------------------------------------------------------


def test_options_of_sweep_are_the_fields_of_the_settings_and_the_arguments_of_the_function() -> None:
    options = {option.name: option for option in sweep.params if isinstance(option, click.Option)}
    own = {"quiet", "as_json", "help"}
    assert [name for name in options if name not in own] == [
        name for name in SweepConfig.model_fields if name != "data"
    ]
    arguments = inspect.signature(capacity.sweep).parameters
    assert list(arguments) == [*SweepConfig.model_fields, "progress", "executor"]
    for name, field in SweepConfig.model_fields.items():
        assert arguments[name].default == field.default, name
        if name != "data":
            assert options[name].opts == [f"--{name.replace('_', '-')}"]


def test_help_of_sweep_says_what_the_settings_say(run: Run) -> None:
    _, out, _ = run("sweep", "--help")
    flat = " ".join(out.split())
    for name, field in SweepConfig.model_fields.items():
        if name == "data":
            continue
        description = str(field.description)
        assert f"{description[0].upper()}{description[1:]}." in flat, name
    assert "--widths N,N,..." in flat
    assert "[default: 1,2,4,8,16,32,64,128]" in flat
    assert "[default: 0.1,0.01]" in flat
    assert "--optimizer [sgd|momentum]" in flat
    assert "None" not in flat


def test_without_arguments_sweep_runs_the_default_study(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = given_to_sweep(monkeypatch)
    assert run("sweep")[0] == 2
    assert asked == [SweepConfig()]


def test_every_option_reaches_the_settings(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = given_to_sweep(monkeypatch)
    values: dict[str, Any] = {
        "widths": (3, 5),
        "depths": (1, 2),
        "lrs": (0.5, 0.25),
        "epochs": 7,
        "batch": 9,
        "seeds": 2,
        "optimizer": "momentum",
        "momentum": 0.8,
        "weight_decay": 0.001,
        "activation": "tanh",
        "init": "zeros",
        "output_init": "glorot_uniform",
        "metric": "top5",
        "precision": "float64",
        "device": "cpu",
        "workers": 2,
        "threads": 3,
        "replicas": 4,
        "memory": "512MB",
        "out": "somewhere",
    }
    assert [*values] == [name for name in SweepConfig.model_fields if name != "data"]
    args = []
    for name, value in values.items():
        text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
        args += [f"--{name.replace('_', '-')}", text]
    run("sweep", "mydata.h5", *args)
    assert asked == [SweepConfig(data="mydata.h5", **values)]


def test_settings_file_is_read_and_options_override_it(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked = given_to_sweep(monkeypatch)
    file = tmp_path / "study.toml"
    file.write_text("widths = [4, 8]\nepochs = 5\nseeds = 1\n")
    run("sweep", file, "--epochs", 6)
    assert asked == [SweepConfig(widths=(4, 8), epochs=6, seeds=1)]


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("16", (16,)),
        ("16,32, 64", (16, 32, 64)),
        ("16..1024", (16, 32, 64, 128, 256, 512, 1024)),
        ("1,3..12,100", (1, 3, 6, 12, 100)),
        ("8..8", (8,)),
    ],
)
def test_lists_of_whole_numbers(text: str, numbers: tuple[int, ...]) -> None:
    assert NumberList(int).convert(text, None, None) == numbers


def test_lists_of_real_numbers() -> None:
    assert NumberList(float).convert("0.1,1e-2,3", None, None) == (0.1, 0.01, 3)


# -- Errors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (["swep"], "no command 'swep' (did you mean 'sweep'?); see 'capacity --help'"),
        (["sweep", "--width", "3"], "no such option.*--width.*--widths.*; see 'capacity sweep --help'"),
        (
            ["sweep", "--epochs", "ten"],
            "invalid value for '--epochs': 'ten' is not a valid integer; see 'capacity sweep",
        ),
        (["sweep", "--epochs"], "option '--epochs' requires an argument; see"),
        (["sweep", "a", "b"], "got unexpected extra argument (b); see"),
        (
            ["sweep", "--widths", "4;8"],
            "'--widths': expected numbers like 16,32,64, or doublings like 16..1024, got '4;8'",
        ),
        (["sweep", "--widths", "16.."], "expected numbers like 16,32,64, or doublings like 16..1024, got '16..'"),
        (["sweep", "--widths", "16..1000"], "doubling 16 does not lead to 1000, got '16..1000'"),
        (["sweep", "--widths", "0..8"], "doubling 0 does not lead to 8"),
        (["sweep", "--widths", "2..1"], "doubling 2 does not lead to 1"),
        (["sweep", "--widths", "-3"], "widths must be one or more whole numbers of at least 1, got -3"),
        (["sweep", "--lrs", "0.1..1"], "'--lrs': expected numbers like 0.1,0.01, got '0.1..1'"),
        (["sweep", "--lrs", "nan"], "lrs must be"),
        (["sweep", "--optimizer", "sdg"], "optimizer must be one of sgd, momentum, got 'sdg' (did you mean 'sgd'?)"),
        (["sweep", "no-such-file.h5"], "no-such-file.h5"),
        (["sweep", "no-such-file.toml"], "cannot read the settings file 'no-such-file.toml'"),
        (["sweep", "--device", "cdua"], "device must be a known device, got 'cdua'"),
        (["status", "nowhere"], "the study 'nowhere' is not there"),
        (["resume", "nowhere"], "the study 'nowhere' is not there"),
        (["report", "nowhere"], "the study 'nowhere' is not there"),
        (["export", "nowhere", "-"], "the study 'nowhere' is not there"),
        (["export", "nowhere"], "missing argument 'FILE.csv | FILE.parquet | -'; see 'capacity export --help'"),
    ],
)
def test_mistakes_are_one_sentence_and_exit_code_2(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, args: list[str], sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = run(*args)
    assert (code, out) == (2, "")
    assert re.fullmatch(r"capacity: error: [^\n]*[^\n.]\n", err)
    assert re.search(".*".join(map(re.escape, sentence.split(".*"))), err), err
    assert list(tmp_path.iterdir()) == [], "something was left behind"


def test_unknown_key_in_a_settings_file_is_named_with_the_nearest(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "study.toml"
    file.write_text("width = [4]\n")
    code, _, err = run("sweep", file)
    assert code == 2
    assert "unknown setting 'width' (did you mean 'widths'?)" in err


def test_memory_that_runs_out_is_one_sentence(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def greedy(*_: Any, **__: Any) -> None:
        raise MemoryError("Unable to allocate 1 PiB")

    monkeypatch.setattr("capacity.experiments.running.run_study", greedy)
    code, _, err = run("sweep")
    assert code == 2
    assert err.startswith("capacity: error: there is not enough memory (Unable to allocate 1 PiB); use smaller sizes")


def test_a_file_that_cannot_be_used_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied", "data.h5")

    monkeypatch.setattr("capacity.experiments.running.run_study", refused)
    assert run("sweep") == (2, "", "capacity: error: cannot use 'data.h5': Permission denied\n")


def test_a_mistake_of_ours_is_not_dressed_up_as_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise KeyError("a bug")

    monkeypatch.setattr("capacity.experiments.running.run_study", broken)
    with pytest.raises(KeyError, match="a bug"):
        main(["sweep"])


def test_data_commands_are_attached(run: Run) -> None:
    code, out, _ = run("data", "info", "digits", "--json")
    assert code == 0
    assert json.loads(out)["name"] == "digits"
