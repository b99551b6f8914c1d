"""The command line at work on small studies: results, interrupts, pipes, terminals."""

from __future__ import annotations

import csv
import fcntl
import io
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import capacity
from capacity.cli import main
from capacity.experiments.lock import WRITERS_FILE
from capacity.experiments.trialfile import read_record

CALL = [sys.executable, "-c", "from capacity.cli import main; main()"]
SMALL = ["--widths", "2,4", "--lrs", "0.1,0.01", "--epochs", "2", "--seeds", "2", "--batch", "100"]
LONG = ["--widths", "64", "--lrs", "0.1", "--epochs", "1000000", "--seeds", "1"]


def call(*args: object, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [*CALL, *map(str, args)]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=120, **options)


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A small finished study and what the sweep printed."""
    folder = tmp_path_factory.mktemp("cli")
    return folder / "s", call("sweep", *SMALL, "--out", "s", cwd=folder)


@pytest.fixture
def study(swept: tuple[Path, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, `s` in the current folder."""
    shutil.copytree(swept[0], tmp_path / "s")
    monkeypatch.chdir(tmp_path)
    return Path("s")


def run(capsys: pytest.CaptureFixture[str], *args: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as end:
        main([str(arg) for arg in args])
    out, err = capsys.readouterr()
    return int(end.value.code or 0), out, err


# -- Results ---------------------------------------------------------------------------------------------------------


def test_sweep_ends_with_table_figures_and_conclusion(swept: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    folder, done = swept
    assert done.returncode == 0, done.stderr
    lines = [line.rstrip() for line in done.stdout.splitlines()]
    assert lines[-1] == capacity.report(folder).conclusion
    assert lines[-4:-1] == [f"  s/figures/{name}.png" for name in ("capacity", "roi", "learning_curves")]
    assert all((folder.parent / line.strip()).is_file() for line in lines[-4:-1])
    cells = [line.split() for line in lines if re.match(r" +[24] ", line)]
    assert [row[0] for row in cells] == ["2", "4"]


def test_table_shows_the_numbers_of_the_report(swept: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    folder, done = swept
    row = next(line.split() for line in done.stdout.splitlines() if re.match(r" +4 ", line))
    (chosen,) = [row for row in capacity.report(folder).capacity if row["chosen"] and row["width"] == 4]
    (step,) = capacity.report(folder).roi
    assert float(row[1]) == chosen["lr"]
    for cell, name in ((row[2], "train_error"), (row[3], "train_error_min"), (row[5], "train_error_max")):
        assert float(cell) == pytest.approx(100 * chosen[name], abs=0.005)  # type: ignore[literal-required]
    assert float(row[6]) == pytest.approx(100 * chosen["test_error"], abs=0.005)
    assert row[7] == "2"
    assert float(row[8]) == pytest.approx(step["examples_per_unit"], abs=0.5)


def test_progress_goes_to_stderr_line_by_line(swept: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    first, last = swept[1].stderr.splitlines()
    assert first == "8 trials; device cpu; study s"
    assert re.fullmatch(r"8 of 8 trials done after [\d.]+s", last)


def test_sweep_again_has_nothing_left_to_run(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in (study / "trials").iterdir()}
    code, out, err = run(capsys, "sweep", *SMALL, "--out", study)
    assert (code, err) == (0, "nothing left to run; study s\n")
    assert out.splitlines()[-1] == capacity.report(study).conclusion
    assert {path: path.stat().st_mtime_ns for path in (study / "trials").iterdir()} == before


def test_resume_of_a_finished_study_shows_its_results(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "resume", study, "--quiet")
    assert (code, err) == (0, "")
    assert out.splitlines()[-1] == capacity.report(study).conclusion


@pytest.mark.parametrize("command", [["sweep", *SMALL, "--out", "s"], ["resume", "s"], ["report", "s"]])
def test_json_is_one_document_with_the_same_numbers(
    study: Path, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    code, out, _ = run(capsys, *command, "--json")
    found = json.loads(out, parse_constant=pytest.fail)
    made = capacity.report(study)
    assert code == 0
    assert found["conclusion"] == made.conclusion
    assert found["capacity"] == made.capacity
    assert found["roi"] == made.roi
    assert found["figures"] == [str(path) for path in made.figures]
    assert (found["trials"], found["done"], found["study"]) == (8, 8, "s")


def test_report_into_another_folder(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "report", study, "--out", "pictures")
    assert code == 0
    assert "  pictures/roi.png\n" in out
    assert Path("pictures/roi.csv").is_file()


def test_status_counts_trials(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "status", study)
    assert code == 0
    assert out.startswith(
        "s: 8 trials on digits (1,437 training examples), cpu\n  done          8\n    step_limit    8  All"
    )
    assert "resume" not in out
    found = json.loads(run(capsys, "status", study, "--json")[1])
    assert (found["trials"], found["done"], found["running"], found["pending"]) == (8, 8, 0, 0)
    assert (found["outcomes"], found["owner"], found["samples"]) == ({"step_limit": 8}, None, 1437)


def test_export_to_stdout_and_to_files(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "export", study, "-")
    assert (code, err) == (0, "")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [row["key"] for row in rows] == [row["key"] for row in capacity.open_study(study).rows()]
    assert run(capsys, "export", study, "t.csv") == (0, "", "wrote t.csv\n")
    assert Path("t.csv").read_text() == out


def test_export_of_an_unknown_kind_leaves_nothing(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "export", study, "t.xlsx")
    assert (code, out) == (2, "")
    assert "must end in .csv or .parquet" in err
    assert not Path("t.xlsx").exists()


def test_diverged_trials_are_null_in_json_and_counted_in_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    hot = ["--widths", "2,4", "--lrs", "1e30", "--epochs", "1", "--seeds", "2", "--activation", "relu", "--out", "hot"]
    code, out, _ = run(capsys, "sweep", *hot, "--json")
    found = json.loads(out, parse_constant=pytest.fail)
    assert code == 0
    assert [(row["train_error"], row["diverged"]) for row in found["capacity"]] == [(None, 2), (None, 2)]
    assert "4 runs diverged" in found["conclusion"]
    _, out, _ = run(capsys, "report", "hot")
    assert re.search(r" +4 +1e\+30 +diverged +- +2 \(2 diverged\) +-", out)


# -- Interrupts ------------------------------------------------------------------------------------------------------


def begin(folder: Path, **options: Any) -> subprocess.Popen[str]:
    """Start a sweep that would go on for days, and wait until it trains."""
    command = [*CALL, "sweep", *LONG, "--out", "my study"]
    process = subprocess.Popen(
        command, cwd=folder, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **options
    )
    assert process.stderr is not None
    assert process.stderr.readline() == "1 trial; device cpu; study my study\n"
    _let_work(process.pid, seconds=2.0)  # of which imports take a part, and on a busy machine a large one
    return process


def _let_work(*pids: int, seconds: float) -> None:
    """Wait until processes have computed for so long, together, however busy the machine is."""

    def spent() -> float:
        fields = [Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split() for pid in pids]
        return sum(int(field[11]) + int(field[12]) for field in fields) / os.sysconf("SC_CLK_TCK")

    until = spent() + seconds
    while spent() < until:
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_says_how_to_go_on(tmp_path: Path, number: signal.Signals) -> None:
    process = begin(tmp_path)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert err.splitlines()[-1] == ("capacity: interrupted; what ran is saved, resume with: capacity resume 'my study'")
    assert "Traceback" not in err
    (row,) = capacity.open_study(tmp_path / "my study").rows()
    assert row["state"] == "running"
    assert row["step"] > 0, "nothing was saved"


def test_sigterm_ends_a_sweep_in_the_background_of_a_script(tmp_path: Path) -> None:
    process = begin(tmp_path, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN))
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "resume with: capacity resume 'my study'" in err
    assert "Traceback" not in err


@pytest.mark.slow
def test_sigterm_to_all_processes_saves_what_ran(tmp_path: Path) -> None:
    # As batch systems send it: to the workers, too, which have written nothing yet when it comes.
    command = [*CALL, "sweep", *LONG, "--out", "my study", "--workers", "2"]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, start_new_session=True)
    while not _is_training(tmp_path / "my study"):
        assert process.poll() is None
        time.sleep(0.05)
    workers = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    _let_work(*map(int, workers), seconds=2.0)  # of which loading the data and measuring the start take a part
    assert not list((tmp_path / "my study" / "trials").glob("*.h5"))
    os.killpg(process.pid, signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    resumable = [read_record(path) for path in (tmp_path / "my study" / "trials").glob("*.h5")]
    assert [record.step > 0 for record in resumable] == [True]


def _is_training(study: Path) -> bool:
    """Whether a worker is in a slice: it holds a lock then."""
    try:
        with open(study / "trials" / WRITERS_FILE) as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def test_status_of_a_stopped_study_says_how_to_go_on(tmp_path: Path) -> None:
    process = begin(tmp_path)
    running = call("status", "my study", cwd=tmp_path).stdout
    assert f"run by process {process.pid} on " in running
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    stopped = call("status", "my study", cwd=tmp_path).stdout
    assert stopped.endswith("nobody runs it; go on with: capacity resume 'my study'\n")
    assert "  begun         1\n" in stopped


def test_a_second_process_is_refused_and_told_who_was_first(tmp_path: Path) -> None:
    process = begin(tmp_path)
    second = call("resume", "my study", cwd=tmp_path)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert (second.returncode, second.stdout) == (2, "")
    assert second.stderr.startswith("capacity: error: ")
    assert f"process {process.pid} on " in second.stderr


def test_an_unfinished_study_can_be_reported(tmp_path: Path) -> None:
    process = begin(tmp_path)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    done = call("report", "my study", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].endswith("1 of 1 trials are unfinished, so this may change.")
    assert re.search(r" +64 +0\.1 +- +0 \(1 missing\) +-", done.stdout)


# -- Pipes and terminals ---------------------------------------------------------------------------------------------


def test_a_reader_that_goes_away_is_no_error(swept: tuple[Path, Any]) -> None:
    for command in (["export", "s", "-"], ["report", "s"], ["status", "s", "--json"]):
        process = subprocess.Popen(
            [*CALL, *command], cwd=swept[0].parent, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == "", command
        process.stderr.close()
        assert process.wait(timeout=60) == 1


def test_a_terminal_gets_a_bar_that_is_gone_at_the_end(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    # Width 300 trains for many times the 0.25 s between two drawings of the bar.
    command = [*CALL, "sweep", "--widths", "16,300", "--epochs", "200", "--seeds", "1", "--out", "s"]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "30"}
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=theirs, env=environment) as process:
        os.close(theirs)
        seen = b""
        while True:
            try:
                seen += os.read(ours, 65536)
            except OSError:  # the terminal's other end is closed
                break
        out = process.stdout.read() if process.stdout else b""
    os.close(ours)
    assert process.returncode == 0
    text = seen.decode()
    assert "━" in text
    assert re.search(r"of 4 trials, +\d+% of epochs", text)
    assert re.search(r"width 300, depth 1 \(2 trials\)", text)
    assert text.rstrip().endswith("s") and "4 of 4 trials done after" in text.splitlines()[-1]  # noqa: PT018
    assert "━" not in out.decode(errors="replace").replace("─", "")
