"""How much the score of random sequences changes when a part of a model is left out."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch

from ..aggregate import Contribution
from ..cooperativity import Cooperativity
from ..io.motifs import Format, Motif, fold_pairs, motifs_of_psam
from ..layers import Conv1d
from ..mode import Mode
from ..rounds import Round
from .opened import OpenedModel

FloatArray = npt.NDArray[np.float64]

N_SEQUENCES = 10_000
_MIN_LENGTH = 30
_SEED = 0


@dataclass(frozen=True)
class Loss:
    """Something that a file does not hold.

    Attributes:
        owner: The motif or the model that it belonged to.
        what: What it is.
        change: The mean absolute change of the score of ``N_SEQUENCES`` random
            sequences without it, in RT: of the log of the summed affinity of all
            windows. None for what has nothing to do with the score.
    """

    owner: str
    what: str
    change: float | None = None

    def __str__(self) -> str:
        size = (
            "" if self.change is None else f" (changes scores by {self.change:.3g} RT)"
        )
        return f"{self.owner}: {self.what}{size}"


# --- motifs -------------------------------------------------------------------------


def random_letters(
    n_letters: int, length: int, background: Sequence[float] = ()
) -> npt.NDArray[np.int64]:
    """Random sequences, always the same ones, of shape (sequences, length).

    Args:
        n_letters: The number of letters.
        length: The number of letters of a sequence.
        background: The probability of each letter; uniform by default.
    """
    shares = np.array(background or (1 / n_letters,) * n_letters)
    generator = np.random.default_rng(_SEED)
    return generator.choice(
        n_letters, size=(N_SEQUENCES, length), p=shares / shares.sum()
    )


def motif_scores(motif: Motif, letters: npt.NDArray[np.int64]) -> FloatArray:
    r"""The scores of sequences, :math:`\ln \sum_{x,s} e^{\beta(S_{x,s})}`.

    The sum is over windows and over the strands that the motif scores.

    Args:
        motif: A motif of energies, or of log-odds taken as such.
        letters: Indices of letters, of shape (sequences, length).
    """
    strands = [_window_scores(motif, letters)]
    if motif.both_strands is not False and _has_complement(motif):
        complement = len(motif.letters) - 1 - letters[:, ::-1]
        strands.append(_window_scores(motif, complement))
    return _log_sum(np.concatenate(strands, axis=1), axis=1)


def _has_complement(motif: Motif) -> bool:
    return motif.both_strands is True or motif.letters == ("A", "C", "G", "T")


def _window_scores(motif: Motif, letters: npt.NDArray[np.int64]) -> FloatArray:
    n_windows = letters.shape[1] - len(motif) + 1
    total = np.zeros((len(letters), n_windows))
    for position, row in enumerate(motif.matrix):
        total += row[letters[:, position : position + n_windows]]
    for distance, block in motif.pairs.items():
        for position, table in enumerate(block):
            first = letters[:, position : position + n_windows]
            second = letters[:, position + distance : position + distance + n_windows]
            total += table[first, second]
    return total


def motif_losses(motif: Motif, target: Format) -> list[Loss]:
    """What a format does not keep of a motif.

    Args:
        motif: The motif as it was read.
        target: The format.
    """
    losses = []

    def lose(what: str, before: Motif, after: Motif) -> None:
        change = _change(motif, before, after)
        if change > 0:
            losses.append(Loss(motif.name, what, change))

    if motif.pairs and "pairs" not in target.holds:
        lose(
            "pairs of letters, as far as single letters cannot stand for them",
            motif,
            fold_pairs(motif),
        )
    single = fold_pairs(motif) if "pairs" not in target.holds else motif
    has_scale = motif.kind == "energies" and bool(single.matrix.max(axis=1).any())
    if has_scale and "scale" not in target.holds:
        lose("the absolute scale: the best letters get 0", single, _relative(single))
    if "strands" not in target.holds and motif.both_strands is False:
        both = replace(single, both_strands=True)
        if motif.letters == ("A", "C", "G", "T") and motif.kind == "energies":
            lose("that one strand alone is bound, if it is read as both", single, both)
        else:
            losses.append(Loss(motif.name, "that one strand alone is bound"))
    if "background" not in target.holds and not motif.has_uniform_background:
        losses.append(_background_loss(single, target))
    if "sites" not in target.holds and motif.n_sites is not None:
        losses.append(Loss(motif.name, f"the number of sites, {motif.n_sites:g}"))
    return losses


def _background_loss(motif: Motif, target: Format) -> Loss:
    what = "the background, which the file has no place for: give it when you read it"
    if motif.kind not in ("energies", "log-odds") or target.kind in (
        "energies",
        "log-odds",
    ):
        return Loss(motif.name, what)
    shift = np.log(motif.background) + math.log(len(motif.letters))
    shifted = replace(motif, matrix=motif.matrix + shift)
    return Loss(motif.name, what, _change(motif, _relative(motif), _relative(shifted)))


def _relative(motif: Motif) -> Motif:
    return replace(motif, matrix=motif.matrix - motif.matrix.max(axis=1, keepdims=True))


def _change(motif: Motif, before: Motif, after: Motif) -> float:
    length = max(_MIN_LENGTH, len(motif) + 10)
    letters = random_letters(len(motif.letters), length, motif.background)
    difference = motif_scores(after, letters) - motif_scores(before, letters)
    return float(np.abs(difference).mean())


# --- models -------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Part:
    """What adds to the affinity of a sequence.

    Attributes:
        mode: The place of its mode; None for an interaction.
        scores: The log of what it adds, of shape (sequences,).
        activity: The part of it that is its log activity.
        plain: The same as ``scores`` without position bias and Hill coefficient.
    """

    mode: int | None
    scores: FloatArray
    activity: float
    plain: FloatArray


def model_losses(
    model: OpenedModel, kept: Sequence[int], *, keeps_activities: bool = False
) -> list[Loss]:
    """What is lost when some modes of a model are written without the others.

    Args:
        model: The model.
        kept: The places of the modes that are written.
        keeps_activities: Whether their activities are written too.
    """
    owner = model.path.name
    if _has_one_plain_motif(model):
        return []
    parts = _parts_of_loss(model) if model.loss is not None else _parts(model)
    written = [part for part in parts if part.mode in kept]
    losses: list[Loss] = []

    def lose(what: str, gone: Callable[[_Part], bool]) -> None:
        rest = [part for part in parts if not gone(part)]
        if len(rest) < len(parts):
            losses.append(Loss(owner, what, _difference(parts, rest)))

    dropped = [i for i in range(len(model.modes)) if i not in kept]
    nonspecific = [i for i in dropped if model.modes[i].psam is None]
    others = [i for i in dropped if model.modes[i].psam is not None]
    if nonspecific:
        lose("non-specific binding", lambda part: part.mode in nonspecific)
    if others:
        names = ", ".join(repr(model.modes[i].name) for i in others)
        lose(f"other modes ({names})", lambda part: part.mode in others)
    if model.interactions:
        lose("interactions of modes", lambda part: part.mode is None)
    bare = [replace(part, scores=part.plain) for part in written]
    bias = _difference(written, bare)
    if bias:
        losses.append(Loss(owner, "position bias and Hill coefficients", bias))
    unweighted = [replace(part, scores=part.plain - part.activity) for part in bare]
    change = _difference(bare, unweighted)
    if change and not keeps_activities:
        losses.append(
            Loss(owner, "activities, which weigh the modes against each other", change)
        )
    if model.experiments or model.kind == "probound-fit":
        losses.append(
            Loss(owner, "experiments with their rounds, depths, saturation and flanks")
        )
    return losses


def _has_one_plain_motif(model: OpenedModel) -> bool:
    """Whether there is nothing but a motif, as in a release of MotifCentral."""
    if model.experiments or model.interactions or len(model.modes) != 1:
        return False
    activities = model.modes[0].activities
    return not activities or activities[0][-1] == 0


def _difference(before: Sequence[_Part], after: Sequence[_Part]) -> float | None:
    if not before or not after:
        return None
    first, second = (
        _log_sum(np.stack([part.scores for part in parts]), axis=0)
        for parts in (before, after)
    )
    with np.errstate(invalid="ignore"):
        change = np.abs(first - second)
    finite = change[np.isfinite(change)]
    return float(finite.mean()) if len(finite) else None


def _parts(model: OpenedModel) -> list[_Part]:
    """The modes of a model without experiments."""
    spans = [mode.psam.span for mode in model.modes if mode.psam is not None]
    length = max([_MIN_LENGTH, *(span + 10 for span in spans)])
    letters = random_letters(len(model.alphabet.alphabet), length)
    parts = []
    for place, mode in enumerate(model.modes):
        activity = mode.activities[0][-1] if mode.activities else 0.0
        if activity == -math.inf:
            continue
        scores = np.zeros(len(letters))
        if mode.psam is not None:
            motifs = motifs_of_psam(mode.psam, mode.name)
            every = [motif_scores(motif, letters) for motif in motifs]
            scores = _log_sum(np.stack(every), axis=0)
        elif not mode.ignores_length:
            scores += math.log(length)
        total = scores + activity
        parts.append(_Part(place, total, activity, total))
    return parts


@torch.no_grad()
def _parts_of_loss(model: OpenedModel) -> list[_Part]:
    """The bindings of the last round of the first experiment that binds."""
    contributions: Sequence[Contribution] = ()
    for experiment in model.experiments:
        rounds = [
            each for each in experiment.observed_rounds if isinstance(each, Round)
        ]
        if rounds:
            contributions = list(rounds[-1].aggregate.contributions)
            break
    contributions = [each for each in contributions if each.is_contributing]
    if not contributions:
        return []
    lengths = [_input_shape(each.binding) for each in contributions]
    letters = random_letters(len(model.alphabet.alphabet), max(lengths))
    codes = torch.from_numpy(letters).to(model.alphabet.code_dtype)
    parts = []
    for each in contributions:
        place = next(
            (i for i, mode in enumerate(model.modes) if each.binding in mode.bindings),
            None,
        )
        bare = copy.deepcopy(each)
        for module in bare.modules():
            if isinstance(module, Conv1d):
                module.log_posbias.zero_()
            if isinstance(module, Mode):
                module.log_hill.zero_()
        scores, plain = (
            part(codes).double().numpy().reshape(-1) for part in (each, bare)
        )
        parts.append(_Part(place, scores, float(each.log_activity), plain))
    return parts


def _input_shape(binding: object) -> int:
    if isinstance(binding, Cooperativity):
        return _input_shape(binding.mode_a)
    assert isinstance(binding, Mode)  # noqa: S101 - there is no other kind
    return binding.input_shape


def _log_sum(values: FloatArray, axis: int) -> FloatArray:
    with np.errstate(divide="ignore", invalid="ignore"):
        greatest = values.max(axis=axis, keepdims=True)
        shifted = np.exp(values - np.where(np.isfinite(greatest), greatest, 0))
        total = np.log(shifted.sum(axis=axis, keepdims=True)) + greatest
    result: FloatArray = np.squeeze(total, axis=axis)
    return result
