"""The examples run, on a subsample, and reach what they promise."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(name, *options, expect=0):
    """Runs an example; returns what it prints."""
    process = subprocess.run(
        [sys.executable, str(EXAMPLES / f"{name}.py"), *options],
        env=os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )
    assert process.returncode == expect, process.stdout + process.stderr
    return process.stdout


@pytest.mark.slow
def test_kd_seq_recovers_the_absolute_constant():
    text = run("kd_seq")
    assert "free protein" in text
    assert "allowed: 10%" in text


def test_kd_seq_says_when_the_reads_are_too_few():
    text = run("kd_seq", "--reads", "500", expect=1)
    assert "error of the best site" in text


@pytest.mark.slow
def test_kinetics_are_recovered():
    text = run("exponential_kinetics", "--reads", "40000")
    assert "the rates are recovered" in text


def test_kinetics_of_few_reads_are_not_recovered():
    text = run("exponential_kinetics", "--reads", "500", expect=1)
    assert "NOT recovered" in text


@pytest.mark.slow
def test_the_motif_of_ctcf_is_found(data_dir, tmp_path):
    logo = tmp_path / "logo.png"
    text = run("ctcf", "--rows", "20000", "--starts", "1", "--logo", str(logo))
    assert "the CTCF motif is found" in text
    assert logo.stat().st_size > 0


def test_a_motif_that_is_too_short_is_not_that_of_ctcf(data_dir):
    options = ("--rows", "500", "--starts", "1", "--size", "7")
    assert "NOT found" in run("ctcf", *options, expect=1)


@pytest.mark.slow
def test_two_experiments_share_a_motif():
    text = run("shared_motif", "--reads", "5000")
    assert text.count("r = ") == 3
    assert "the motif is recovered" in text
