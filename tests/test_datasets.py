"""Tests of the example experiments; none of them touches the network."""

import dataclasses
import gzip
import logging
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pooch
import pytest
import requests

from pyprobound import datasets
from pyprobound.errors import InputError


@pytest.fixture(autouse=True)
def quiet_pooch():
    """Keeps pooch's notices of downloads out of the output of the tests."""
    pooch.get_logger().setLevel(logging.WARNING)
    yield
    pooch.get_logger().setLevel(logging.INFO)


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Makes every attempt to reach another machine an error."""

    def refuse(*args, **kwargs):
        raise AssertionError("the test tried to reach the network")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture
def no_data_folder(monkeypatch):
    monkeypatch.delenv(datasets.DATA_FOLDER_VARIABLE, raising=False)


class CopyingDownloader:
    """Stands in for the internet: every address leads to one local file."""

    def __init__(self, source: Path):
        self.source = source
        self.requested: list[str] = []

    def __call__(self, url, output_file, pooch):
        self.requested.append(url)
        shutil.copy(self.source, output_file)


@pytest.fixture
def published(tmp_path, monkeypatch):
    """Replaces the CTCF table by a tiny one, and returns a downloader of it."""
    source = tmp_path / "published.tsv.gz"
    source.write_bytes(gzip.compress(b"ACGT\t1\t0\n", mtime=0))
    tiny = dataclasses.replace(
        datasets.describe("ctcf"), sha256=pooch.file_hash(str(source))
    )
    monkeypatch.setitem(datasets._EXPERIMENTS, "ctcf", tiny)
    return CopyingDownloader(source)


def test_names_are_sorted_and_each_is_described():
    assert datasets.names() == ("bcd", "ctcf")
    for name in datasets.names():
        assert datasets.describe(name).name == name


def test_addresses_are_pinned_to_a_revision():
    for name in datasets.names():
        host, owner, repository, revision, *_ = (
            datasets.describe(name).url.removeprefix("https://").split("/")
        )
        assert host == "raw.githubusercontent.com"
        assert owner
        assert repository
        assert len(revision) == 40
        assert int(revision, 16) > 0


def test_description_for_people_names_source_licence_and_citation():
    experiment = datasets.describe("ctcf")
    text = str(experiment)
    assert text.startswith("ctcf: ")
    assert "120,096 distinct, 30 random letters of ACGT" in text
    assert "input: 72,289, bound: 51,687" in text
    for fact in (experiment.url, experiment.licence, experiment.citation):
        assert fact in text


@pytest.mark.parametrize("name", ["CTCF", "ctfc", "ctcf_r3"])
def test_unknown_name_suggests_the_nearest(name):
    with pytest.raises(InputError, match=r"did you mean 'ctcf'\?") as raised:
        datasets.describe(name)
    assert "The experiments are: bcd, ctcf" in str(raised.value)


def test_unknown_name_far_from_all_gets_the_list_alone():
    with pytest.raises(InputError, match="The experiments are: bcd, ctcf") as raised:
        datasets.fetch("gata3-of-mouse")
    assert "did you mean" not in str(raised.value)


@pytest.mark.parametrize("name", datasets.names())
def test_local_folder_is_used_and_the_table_is_as_described(name, data_dir):
    experiment = datasets.describe(name)
    path = datasets.fetch(name)
    assert path == data_dir / experiment.file
    rows = 0
    reads = [0] * len(experiment.columns)
    with gzip.open(path, "rt", encoding="ascii") as lines:
        for line in lines:
            sequence, *counts = line.rstrip("\n").split("\t")
            assert len(sequence) == experiment.variable_length
            assert not sequence.strip(experiment.alphabet)
            rows += 1
            reads = [
                total + int(count) for total, count in zip(reads, counts, strict=True)
            ]
    assert rows == experiment.rows
    assert tuple(reads) == experiment.reads


def test_local_file_that_differs_is_refused_and_left_alone(
    published, tmp_path, monkeypatch
):
    path = tmp_path / "ctcf" / "ctcf_r3.tsv.gz"
    path.parent.mkdir()
    path.write_bytes(b"something else")
    monkeypatch.setenv(datasets.DATA_FOLDER_VARIABLE, str(tmp_path))
    with pytest.raises(InputError, match="not the published table") as raised:
        datasets.fetch("ctcf", cache_folder=tmp_path, downloader=published)
    assert str(raised.value).startswith(f"{path}: ")
    assert path.read_bytes() == b"something else"
    assert published.requested == []


def test_local_folder_without_the_table_falls_back_to_the_cache(
    published, tmp_path, monkeypatch
):
    monkeypatch.setenv(datasets.DATA_FOLDER_VARIABLE, str(tmp_path))
    path = datasets.fetch("ctcf", cache_folder=tmp_path / "cache", downloader=published)
    assert path.read_bytes() == published.source.read_bytes()


def test_setting_that_names_no_folder_is_an_error(published, tmp_path, monkeypatch):
    monkeypatch.setenv(datasets.DATA_FOLDER_VARIABLE, str(tmp_path / "absent"))
    with pytest.raises(InputError, match=r"^PYPROBOUND_DATA_DIR: .*absent', which"):
        datasets.fetch("ctcf", cache_folder=tmp_path, downloader=published)
    assert published.requested == []


@pytest.mark.usefixtures("no_data_folder")
def test_download_happens_once(published, tmp_path):
    cache = tmp_path / "cache"
    first = datasets.fetch("ctcf", cache_folder=cache, downloader=published)
    second = datasets.fetch("ctcf", cache_folder=cache, downloader=published)
    assert first == second
    assert first.parent == cache
    assert first.read_bytes() == published.source.read_bytes()
    assert published.requested == [datasets.describe("ctcf").url]


@pytest.mark.usefixtures("no_data_folder")
def test_damaged_cache_is_downloaded_again(published, tmp_path):
    path = datasets.fetch("ctcf", cache_folder=tmp_path, downloader=published)
    path.write_bytes(b"damaged")
    assert datasets.fetch("ctcf", cache_folder=tmp_path, downloader=published) == path
    assert path.read_bytes() == published.source.read_bytes()
    assert len(published.requested) == 2


@pytest.mark.usefixtures("no_data_folder")
def test_cache_of_the_operating_system_is_the_default(published, tmp_path, monkeypatch):
    def cache_folder(project):
        return tmp_path / f"cache-of-{project}"

    monkeypatch.setattr(pooch, "os_cache", cache_folder)
    path = datasets.fetch("ctcf", downloader=published)
    assert path.parent == tmp_path / "cache-of-pyprobound"


@pytest.mark.usefixtures("no_data_folder")
def test_downloaded_file_that_differs_is_refused_and_not_kept(published, tmp_path):
    published.source.write_bytes(b"<html>please log in</html>")
    cache = tmp_path / "cache"
    with pytest.raises(datasets.DownloadError, match="not the published") as raised:
        datasets.fetch("ctcf", cache_folder=cache, downloader=published)
    assert datasets.DATA_FOLDER_VARIABLE in str(raised.value)
    assert list(cache.iterdir()) == []


@pytest.mark.usefixtures("no_data_folder")
@pytest.mark.parametrize(
    "failure",
    [
        requests.exceptions.ConnectionError("name resolution failed"),
        requests.exceptions.HTTPError("503"),
        requests.exceptions.ReadTimeout("30 s"),
        TimeoutError("30 s"),
    ],
)
def test_failed_download_says_what_to_do(failure, tmp_path):
    def fail(url, output_file, pooch):
        raise failure

    with pytest.raises(datasets.DownloadError) as raised:
        datasets.fetch("ctcf", cache_folder=tmp_path, downloader=fail)
    message = str(raised.value)
    assert "could not download the table of 'ctcf'" in message
    assert str(failure) in message
    assert datasets.describe("ctcf").url in message
    assert datasets.DATA_FOLDER_VARIABLE in message
    assert raised.value.__cause__ is failure


@pytest.mark.usefixtures("no_data_folder")
def test_fetch_alone_reaches_for_the_network(tmp_path):
    """The guard above fires, so the other tests prove that nothing else does."""
    with pytest.raises(AssertionError, match="tried to reach the network"):
        datasets.fetch("ctcf", cache_folder=tmp_path)


def test_import_loads_neither_pooch_nor_requests():
    program = (
        "import sys, pyprobound.datasets\n"
        "sys.exit(any(name in sys.modules for name in ('pooch', 'requests')))"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
