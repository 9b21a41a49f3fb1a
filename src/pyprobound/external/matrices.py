"""Motifs from plain matrices: arrays, JASPAR and HOCOMOCO."""

from __future__ import annotations

import os
import re
import urllib.parse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..alphabets import DNA, Alphabet
from ..errors import InputError
from ..layers import PSAM
from .client import WebClient
from .lines import FloatArray
from .modes import write_monomers

JASPAR_URL = "https://jaspar.elixir.no/api/v1/matrix/{}/?format=jaspar"
HOCOMOCO_URL = "https://hocomoco11.autosome.org/motif/{}"

_LETTERS = "ACGT"


def import_matrix(matrix: npt.ArrayLike, alphabet: Alphabet) -> PSAM:
    r"""Creates a motif from a matrix of energies.

    Args:
        matrix: The values :math:`-\Delta\Delta G / RT`, of shape (letters, positions),
            with the letters in the order of the alphabet.
        alphabet: The letters.

    Raises:
        ValueError: The matrix has another shape, or values that are not finite.
    """
    values = np.asarray(matrix, dtype=np.float64)
    n_letters = len(alphabet.alphabet)
    if values.ndim != 2 or len(values) != n_letters or values.shape[1] == 0:
        raise ValueError(
            f"the first dimension of the matrix must be the {n_letters} letters of"
            f" {alphabet!r} and the second the positions; its shape is {values.shape}"
        )
    if not np.isfinite(values).all():
        row, column = np.argwhere(~np.isfinite(values))[0]
        raise ValueError(
            f"the value of {alphabet.alphabet[row]!r} at position {column} (counted"
            " from 0) is not finite; use a large negative number for a letter that"
            " must not occur"
        )
    psam = PSAM(values.shape[1], alphabet)
    write_monomers(psam, values.T)
    return psam


def import_jaspar(
    fit_id: str,
    *,
    path: str | os.PathLike[str] | None = None,
    client: WebClient | None = None,
) -> PSAM:
    r"""Creates a motif from a matrix of counts of JASPAR.

    With the counts :math:`c_{ai}` of letter :math:`a` at position :math:`i`, and their
    mean :math:`N` over positions of the sum over letters, a pseudocount of
    :math:`\sqrt{N} / 4` is added to each, and

    .. math::
        \beta_{ai} = \log p_{ai} - \max_b \log p_{bi}

    in units of RT, so the consensus is zero everywhere.

    Args:
        fit_id: The name of the matrix with its version, such as ``MA0058.3``.
        path: A file in the format of JASPAR, with one or more matrices, to read
            instead of asking the database.
        client: What asks the database.

    Raises:
        MotifDownloadError: The database cannot be reached, or has no such matrix.
        InputError: The file has no such matrix or is malformed.

    References:
        Rauluseviciute et al., Nucleic Acids Research 2024, doi:10.1093/nar/gkad1059.
    """
    url = JASPAR_URL.format(urllib.parse.quote(fit_id, safe=""))
    counts = _read(fit_id, path, client, url, _jaspar_counts)
    pseudocount = np.sqrt(counts.sum() / counts.shape[1]) / len(_LETTERS)
    smooth = counts + pseudocount
    # The uniform background and the sum over letters cancel in the last step.
    log_odds = np.log(smooth / smooth.sum(axis=0) * len(_LETTERS))
    return import_matrix(log_odds - log_odds.max(axis=0), DNA())


def import_hocomoco(
    model: str,
    *,
    path: str | os.PathLike[str] | None = None,
    client: WebClient | None = None,
) -> PSAM:
    """Creates a motif from a weight matrix of HOCOMOCO v11.

    The largest weight of each position is subtracted, so the consensus is zero.

    Args:
        model: The name of the matrix, such as ``MAX_HUMAN.H11MO.0.A``.
        path: A file of weight matrices (``.pwm``), with one or more of them, to read
            instead of asking the database.
        client: What asks the database.

    Raises:
        RuntimeError: The page of the model names no weight matrix.
        MotifDownloadError: The database cannot be reached, or has no such model.
        InputError: The file has no such matrix or is malformed.

    References:
        Kulakovskiy et al., Nucleic Acids Research 2018, doi:10.1093/nar/gkx1106.
    """
    url = ""
    if path is None:
        client = WebClient() if client is None else client
        page_url = HOCOMOCO_URL.format(urllib.parse.quote(model, safe=""))
        # A page without the address, of maintenance say, does not get into the cache.
        url = client.fetch(
            page_url, lambda page: _matrix_address(page, page_url, model)
        )
    weights = _read(model, path, client, url, _pwm_weights)
    return import_matrix(weights - weights.max(axis=0), DNA())


def _matrix_address(page: str, page_url: str, model: str) -> str:
    """The address of the weight matrix of a model, as its page has it."""
    links: list[str] = re.findall(r"""href\s*=\s*["']([^"']+\.pwm)["']""", page)
    for link in links:
        if Path(urllib.parse.unquote(link)).name == f"{model}.pwm":
            return urllib.parse.urljoin(page_url, link)
    raise RuntimeError(
        f"the page {page_url} names no weight matrix {model}.pwm; check the name of the"
        " model, or download the matrix by other means and pass its path"
    )


def _read(
    name: str,
    path: str | os.PathLike[str] | None,
    client: WebClient | None,
    url: str,
    parse: Callable[[list[str]], FloatArray],
) -> FloatArray:
    """Reads a matrix from a file, or else from the web."""
    if path is None:
        client = WebClient() if client is None else client
        return client.fetch(url, lambda text: parse(_section(text, name)))
    try:
        return parse(_section(Path(path).read_text(encoding="utf-8"), name))
    except ValueError as error:
        raise InputError(str(error), path=path) from None


def _section(text: str, name: str) -> list[str]:
    """The lines below the header of a matrix."""
    sections: dict[str, list[str]] = {}
    current: list[str] | None = None
    for line in filter(None, map(str.strip, text.splitlines())):
        if line.startswith(">"):
            current = sections.setdefault((line[1:].split() or [""])[0], [])
        elif current is None:
            raise ValueError(
                f"expected a header such as '>{name}', found {line[:60]!r}"
            )
        else:
            current.append(line)
    if name not in sections:
        found = ", ".join(list(sections)[:5]) or "none"
        raise ValueError(f"there is no matrix {name!r}; the first ones are: {found}")
    return sections[name]


def _jaspar_counts(lines: list[str]) -> FloatArray:
    """Counts of shape (letters, positions), from rows such as ``A [ 4 19 0 ]``."""
    rows = {}
    for line in lines:
        letter, *numbers = line.replace("[", " ").replace("]", " ").split()
        rows[letter.upper()] = _numbers(numbers)
    if sorted(rows) != sorted(_LETTERS) or len(set(map(len, rows.values()))) != 1:
        raise ValueError(
            "expected one row of counts for each of A, C, G and T, equally long, found"
            f" rows {', '.join(rows)}"
        )
    counts = np.array([rows[letter] for letter in _LETTERS])
    if not counts.size or (counts < 0).any() or not (counts.sum(axis=0) > 0).all():
        raise ValueError("expected counts that are not negative, nor zero in a column")
    return counts


def _pwm_weights(lines: list[str]) -> FloatArray:
    """Weights of shape (letters, positions), from one row for each position."""
    rows = [_numbers(line.split()) for line in lines]
    if not rows or any(len(row) != len(_LETTERS) for row in rows):
        raise ValueError("expected rows of four weights, for A, C, G and T")
    return np.array(rows).T


def _numbers(texts: list[str]) -> list[float]:
    numbers = [float(text) for text in texts]
    if not np.isfinite(numbers).all():
        raise ValueError("expected finite numbers")
    return numbers
