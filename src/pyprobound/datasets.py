"""Public example experiments, fetched by name.

The package ships no measurements. `names` lists the experiments it knows, `describe`
tells what one is, and `fetch` returns the path of its count table: from the folder
that the environment variable ``PYPROBOUND_DATA_DIR`` names, if the table is there,
else from the user's cache, else from the internet. Only `fetch` ever touches the
network, and every file is checked against a known SHA-256 before its path is returned.

    >>> from pyprobound import datasets
    >>> datasets.names()
    ('bcd', 'ctcf')
    >>> datasets.describe("bcd").variable_length
    20
"""

import dataclasses
import difflib
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .errors import InputError, PyproboundError

DATA_FOLDER_VARIABLE = "PYPROBOUND_DATA_DIR"
"""Name of the environment variable that points at a local copy of the data."""

Downloader = Callable[[str, Any, Any], object]
"""Called as ``downloader(url, output_file, pooch)``, as by the package pooch."""


class DownloadError(PyproboundError, ConnectionError):
    """A table could not be downloaded, or what came was not the table."""


@dataclasses.dataclass(frozen=True)
class ExampleExperiment:
    """What is known of a public experiment without reading its count table.

    The table is gzipped, tab-separated text without a header line: the letters of the
    random region, then one count per column of `columns`.

    Attributes:
        name: The name by which the experiment is fetched.
        description: What was measured, on what.
        file: Path of the table below a local data folder, with forward slashes.
        url: Where the table is published, at a fixed revision.
        sha256: SHA-256 of the gzipped table, 64 hexadecimal digits.
        licence: SPDX identifier of the licence under which the table is published.
        citation: The publication to cite for the measurements.
        alphabet: The letters of the sequences.
        columns: Names of the count columns, in order.
        variable_length: Length of the random region, in letters.
        left_flank: Constant letters before the random region, 5' to 3'.
        right_flank: Constant letters after the random region, 5' to 3'.
        rows: Number of distinct sequences.
        reads: Total count of each column.
    """

    name: str
    description: str
    file: str
    url: str
    sha256: str
    licence: str
    citation: str
    alphabet: str
    columns: tuple[str, ...]
    variable_length: int
    left_flank: str
    right_flank: str
    rows: int
    reads: tuple[int, ...]

    def __str__(self) -> str:
        """Returns a description of a few lines for people to read."""
        sequences = (
            f"{self.rows:,} distinct, {self.variable_length} random letters of "
            f"{self.alphabet}"
        )
        reads = ", ".join(
            f"{column}: {count:,}"
            for column, count in zip(self.columns, self.reads, strict=True)
        )
        return "\n".join(
            (
                f"{self.name}: {self.description}",
                f"  sequences  {sequences}",
                f"  reads      {reads}",
                f"  flanks     {self.left_flank} ... {self.right_flank}",
                f"  cite       {self.citation}",
                f"  licence    {self.licence}",
                f"  from       {self.url}",
            )
        )


_EXPERIMENTS = {
    experiment.name: experiment
    for experiment in (
        ExampleExperiment(
            name="bcd",
            description=(
                "HT-SELEX of Drosophila Bicoid (Bcd), four rounds of selection; "
                "the column of the initial library is all zero"
            ),
            file="bcd/bcd.tsv.gz",
            url=(
                "https://raw.githubusercontent.com/RubeGroup/ProBound/"
                "e5c9c3cffc6e252889db6b477325d41cd769f949/sample_data/"
                "countTable.Nitta2015.bcd_KD_TTGCCG20NTA.tsv.gz"
            ),
            sha256="abd03bde593ab43d107b963d4887647ba76f8a0381aa454c5ad4ee2bcbcd9238",
            licence="MIT",
            citation="Nitta et al., eLife 4:e04837 (2015), doi:10.7554/eLife.04837",
            alphabet="ACGT",
            columns=("round 0", "round 1", "round 2", "round 3", "round 4"),
            variable_length=20,
            left_flank="CGACGCTCTTCCGATCTTGCCG",
            right_flank="TAATCGTATGCCGTCTTCTGCTTGCCGACTCCG",
            rows=334_515,
            reads=(0, 100_000, 100_000, 100_000, 100_000),
        ),
        ExampleExperiment(
            name="ctcf",
            description=(
                "SELEX of human CTCF (R3), the input library and the bound reads; "
                "from the demonstration set of ProBound"
            ),
            file="ctcf/ctcf_r3.tsv.gz",
            url=(
                "https://raw.githubusercontent.com/theislab/mubind/"
                "3f62f838470ebc499540ff54fb8d074363abd7b6/data/"
                "countTable.0.CTCF_r3.tsv.gz"
            ),
            sha256="3cae2ebc5d3211fad1aaad8d1056c9ab57423fa25a9e7e8fbb0298128c72c10f",
            licence="MIT",
            citation=(
                "Rube et al., Nature Biotechnology (2022), "
                "doi:10.1038/s41587-022-01307-0"
            ),
            alphabet="ACGT",
            columns=("input", "bound"),
            variable_length=30,
            left_flank="ACACTCTTTCCCTACACGACGCTCTTCCGATCTTGACGTC",
            right_flank="GACGTCAGATCGGAAGAGCTCGTATGCCGTCTTCTGCTTG",
            rows=120_096,
            reads=(72_289, 51_687),
        ),
    )
}


def names() -> tuple[str, ...]:
    """Returns the names of the example experiments, in alphabetical order."""
    return tuple(sorted(_EXPERIMENTS))


def describe(name: str) -> ExampleExperiment:
    """Returns what is known of an experiment, without its count table.

    Args:
        name: One of `names()`.

    Raises:
        InputError: There is no experiment of that name.
    """
    try:
        return _EXPERIMENTS[name]
    except KeyError:
        message = f"there is no example experiment {name!r}"
        near = difflib.get_close_matches(name.lower(), _EXPERIMENTS, n=1)
        if near:
            message += f"; did you mean {near[0]!r}?"
        message += f" The experiments are: {', '.join(names())}"
        raise InputError(message) from None


def fetch(
    name: str,
    *,
    cache_folder: str | os.PathLike[str] | None = None,
    downloader: Downloader | None = None,
) -> Path:
    """Returns the path of an experiment's count table, downloading it if need be.

    The table is looked for in the folder named by ``PYPROBOUND_DATA_DIR`` (laid out
    as the `file` of each experiment says), then in the cache, and is downloaded into
    the cache if it is in neither. A cached table whose SHA-256 is wrong is downloaded
    again; a local one is the user's own and is never changed.

    Args:
        name: One of `names()`.
        cache_folder: Where downloads are kept; by default the folder for caches of
            the operating system, for instance ``~/.cache/pyprobound``.
        downloader: What downloads, for proxies and the like; by default
            `pooch.HTTPDownloader`.

    Raises:
        InputError: There is no experiment of that name, ``PYPROBOUND_DATA_DIR``
            names no folder, or the local file is not the published one.
        DownloadError: The download failed, for instance without a network, or
            brought something else than the published file.
    """
    experiment = describe(name)
    local = _local_table(experiment)
    if local is not None:
        return local
    return _cached_table(experiment, cache_folder, downloader)


def _local_table(experiment: ExampleExperiment) -> Path | None:
    """Returns the table in the user's data folder, or None where there is none."""
    setting = os.environ.get(DATA_FOLDER_VARIABLE)
    if not setting:
        return None
    folder = Path(setting).expanduser()
    if not folder.is_dir():
        raise InputError(
            f"this environment variable is set to {setting!r}, which is not a folder; "
            "correct it, or unset it to download example data",
            key=DATA_FOLDER_VARIABLE,
        )
    path = folder / experiment.file
    if not path.is_file():
        return None
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != experiment.sha256:
        raise InputError(
            f"this is not the published table of {experiment.name!r}: its SHA-256 is "
            f"{found}, expected {experiment.sha256}; replace it with the file at "
            f"{experiment.url}, or remove it to have it downloaded",
            path=path,
        )
    return path


def _cached_table(
    experiment: ExampleExperiment,
    cache_folder: str | os.PathLike[str] | None,
    downloader: Downloader | None,
) -> Path:
    """Returns the table in the cache, downloading it if it is not there."""
    # Imported late, as together they take longer than the rest of this module.
    import pooch

    # pooch downloads with requests and lets its exceptions through.
    from requests.exceptions import RequestException

    folder = Path(
        pooch.os_cache("pyprobound") if cache_folder is None else cache_folder
    )
    by_hand = (
        f"download {experiment.url} by other means, save it as "
        f"<folder>/{experiment.file} and set {DATA_FOLDER_VARIABLE}=<folder>"
    )
    try:
        return Path(
            pooch.retrieve(
                experiment.url,
                known_hash=f"sha256:{experiment.sha256}",
                # The hash in the name keeps the tables of two releases apart.
                fname=f"{experiment.sha256[:12]}-{Path(experiment.file).name}",
                path=folder,
                downloader=downloader,
            )
        )
    except (RequestException, ConnectionError, TimeoutError) as error:
        raise DownloadError(
            f"could not download the table of {experiment.name!r} ({error}); "
            f"check the network connection and try again, or {by_hand}"
        ) from error
    except ValueError as error:
        raise DownloadError(
            f"what was downloaded from {experiment.url} is not the published table of "
            f"{experiment.name!r} ({error}); a proxy may have answered in its place: "
            f"try again on another network, or {by_hand}"
        ) from error
