"""Numbers, times and progress as people read them."""

from __future__ import annotations

from pathlib import Path

import pytest

from capacity.analysis.words import number, percent
from capacity.cli import progress
from capacity.cli.progress import Reporter, line, make_reporter
from capacity.cli.words import duration, plural, rate
from capacity.experiments import Snapshot


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (-0.0, "0"),
        (0.00231, "0.0023"),
        (0.4149, "0.41"),
        (1, "1"),
        (1.25, "1.2"),
        (9.96, "10"),
        (12.3, "12"),
        (-18.4, "-18"),
        (1234.5, "1,234"),
    ],
)
def test_number(value: float, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("fraction", "samples", "text"),
    [
        (0.5, 10, "50.0"),
        (1 / 1437, 1437, "0.07"),
        (1 / 60_000, 60_000, "0.002"),
        (1 / 1_200_000, 1_200_000, "0.0001"),
        (0.125, 100, "12.5"),
    ],
)
def test_percent_tells_one_example_from_none(fraction: float, samples: int, text: str) -> None:
    assert percent(fraction, samples) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0s"),
        (0.44, "0.4s"),
        (9.94, "9.9s"),
        (9.96, "10s"),
        (59.4, "59s"),
        (59.6, "1m 00s"),
        (72, "1m 12s"),
        (3599.9, "1h 00m"),
        (7384, "2h 03m"),
        (273600, "3d 04h"),
    ],
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("examples", "text"),
    [
        (0.4, "0 examples/s"),
        (950, "950 examples/s"),
        (999.6, "1k examples/s"),
        (152_400, "152k examples/s"),
        (1_234_000, "1.23M examples/s"),
        (2.5e9, "2.5G examples/s"),
    ],
)
def test_rate(examples: float, text: str) -> None:
    assert rate(examples) == text


def test_plural() -> None:
    assert [plural(count, "trial") for count in (0, 1, 2, 1200)] == ["0 trials", "1 trial", "2 trials", "1,200 trials"]


def snapshot(done: int, *, running: tuple[str, ...] = (), rate: float = 0.0, left: float | None = None) -> Snapshot:
    return Snapshot(
        study=Path("studies/s"),
        device="cpu",
        trials_total=48,
        trials_done=done,
        running=running,
        epochs_total=4800,
        epochs_done=100 * done,
        examples_per_second=rate,
        seconds_left=left,
    )


def test_line_says_what_is_known() -> None:
    assert line(snapshot(0)) == "0 of 48 trials, 0% of epochs"
    assert line(snapshot(12, rate=1.2e6, left=72)) == "12 of 48 trials, 25% of epochs, 1.2M examples/s, 1m 12s left"


def test_progress_without_a_terminal_is_a_line_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    with make_reporter(quiet=False) as reporter:
        for second, done in [(0, 0), (1, 1), (29, 2), (31, 3), (32, 4), (60, 5), (62, 6)]:
            clock[0] = second
            reporter(snapshot(done, running=("width 64, depth 1 (6 trials)", "width 32, depth 1 (6 trials)")))
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "48 trials; device cpu; study studies/s",
        "3 of 48 trials, 6% of epochs: width 64, depth 1 (6 trials) and 1 more",
        "6 of 48 trials, 12% of epochs: width 64, depth 1 (6 trials) and 1 more",
        "6 of 48 trials done after 1m 02s",
    ]
    assert reporter.study == Path("studies/s")


def test_progress_says_what_was_done_before(capsys: pytest.CaptureFixture[str]) -> None:
    with Reporter(quiet=False) as reporter:
        reporter(snapshot(20))
    assert capsys.readouterr().err.startswith("48 trials, 20 of them done before; device cpu; study studies/s\n")


def test_quiet_progress_says_nothing_and_knows_the_study(capsys: pytest.CaptureFixture[str]) -> None:
    with make_reporter(quiet=True) as reporter:
        reporter(snapshot(1))
    assert capsys.readouterr() == ("", "")
    assert reporter.study == Path("studies/s")


def test_progress_of_nothing_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with make_reporter(quiet=False):
        pass
    assert capsys.readouterr() == ("", "")
