"""A whole fit of ProBound as a loss, ready to be evaluated or trained on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from ..base import Component
from ..containers import TParameterList
from ..errors import InputError
from ..experiment import Experiment
from ..layers import PSAM, Conv0d, Conv1d, LayerSpec, NonSpecific
from ..loss import BaseLoss, MultiExperimentLoss
from ..table import CountTable
from .experiments import NoncumulativeReference, parse_probound_rounds
from .files import Fit
from .interactions import parse_probound_interactions
from .lines import ModelLine
from .modes import Symmetry, parse_probound_modes, parse_probound_psam
from .stages import Families, smoothed_families
from .tables import parse_probound_alphabet

Config = Mapping[str, Any] | Sequence[Mapping[str, Any]]

_UNREGULARISED = (
    "log_target_concentration",
    "log_hill",
    "layer_spec.bias",
    "log_spacing",
)
_DEFAULT_SETTINGS = {"lambdaL2": 1e-7, "pseudocount": 0.0, "expBound": 40.0}


class ProBoundLoss(MultiExperimentLoss):
    """The objective of a fit of ProBound.

    Args:
        components: The experiments.
        unused_coefficients: Coefficients that no experiment uses, which ProBound
            regularises all the same.
        smoothed: For each motif to which the pseudocount applies, the values it
            applies to; None for all values of all motifs.
        **options: See ``MultiExperimentLoss``.

    Attributes:
        unused_coefficients: These coefficients; they are not trained.
    """

    def __init__(
        self,
        components: Iterable[Experiment],
        unused_coefficients: Iterable[Tensor] = (),
        smoothed: Sequence[tuple[PSAM, Families]] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(components, **options)
        self.unused_coefficients = TParameterList(unused_coefficients)
        self.unused_coefficients.requires_grad_(False)
        # Hidden from torch, for which it would make the motifs parts of the loss.
        self._smoothed = None if smoothed is None else tuple(smoothed)

    def regularization(self, component: Component) -> Tensor:
        """The regularisation of a component, see ``MultiExperimentLoss``."""
        if self._smoothed is None:
            return super().regularization(component)
        total = BaseLoss.regularization(self, component)
        motifs = [
            (motif, families)
            for motif, families in self._smoothed
            if families != "none" and any(motif is part for part in component.modules())
        ]
        if not motifs or not self.pseudocount > 0:
            return total
        log_density = torch.stack([_log_density(*each) for each in motifs]).sum()
        return total - self._pseudocount_per_read(component) * log_density.to(total)


def _log_density(motif: PSAM, families: Families) -> Tensor:
    if families == "all":
        return motif.get_dirichlet()
    values = [motif.betas[part.key] for part in motif.plan(0).classes]
    return torch.stack([v.flatten().log_softmax(0).sum() for v in values]).sum()


def parse_probound_model(
    fit_final: Fit,
    config: Config,
    count_tables: Sequence[CountTable],
    *,
    regularization: Literal["final", "stage"] = "final",
    noncumulative_reference: NoncumulativeReference = "first",
    symmetry: Symmetry = "free",
) -> ProBoundLoss:
    """Creates the loss of a fit, with all its coefficients.

    On its own tables its ``negloglik`` is the sum over the tables of the recorded
    negative log-likelihoods, each divided by its reads, and its regularisation is the
    recorded one. Parameters have the default type of torch; with
    ``torch.set_default_dtype(torch.float64)`` the coefficients are kept exactly.

    Args:
        fit_final: A model of ProBound, see ``get_fit_final``.
        config: The configuration of the fit, which has the strength of the
            regularisation: the full one, or the list of functions it was built from.
        count_tables: The tables, see ``parse_probound_tables``.
        regularization: Which motifs the pseudocount applies to. With ``final`` it is
            all motifs in use, as in the last stage of a fit and in every stage whose
            name ends in ``-all``; with ``stage`` those that ProBound was fitting at
            this stage.
        noncumulative_reference: See ``parse_probound_rounds``; ``none`` is the model
            of ProBound, and only matters where the enrichment is not cumulative.
        symmetry: See ``parse_probound_psam``. ProBound regularises every copy of a
            value that positions share, as ``free`` does.

    Raises:
        InputError: The fit uses something that has no counterpart, or the tables do
            not fit it; the message names the setting.
        RuntimeError: The type of the selection has no counterpart.
    """
    if regularization not in ("final", "stage"):
        raise ValueError(
            f"regularization must be 'final' or 'stage', not {regularization!r}"
        )
    line = ModelLine(fit_final)
    _check_likelihood(line, len(count_tables))
    specs = _parse_specs(fit_final, line, symmetry)
    experiments = []
    unused: list[Any] = []
    for index, table in enumerate(count_tables):
        modes = parse_probound_modes(fit_final, specs, table, index)
        pairs = parse_probound_interactions(fit_final, modes, index)
        rounds = parse_probound_rounds(
            fit_final,
            modes,
            pairs,
            index,
            noncumulative_reference=noncumulative_reference,
        )
        columns = line.modeled_columns(index, len(rounds))
        _check_columns(index, table, columns)
        experiment = Experiment(
            [rounds[column] for column in columns], table.counts_per_round
        )
        experiments.append(experiment)
        parts = set(experiment.modules())
        unused += _values_of_rounds(each for each in rounds if each not in parts)
        unused += _unused_biases(line, index, modes, pairs, parts)
    used = {part for experiment in experiments for part in experiment.modules()}
    for mode, spec in enumerate(specs):
        if spec not in used:
            values = line.mode_values(mode)
            unused += [values.get("mononucleotide"), *values.get("dinucleotide", [])]
    return _assemble(
        experiments,
        _optimizer_settings(config),
        [
            torch.tensor(each, dtype=torch.get_default_dtype())
            for each in unused
            if each
        ],
        _smoothed_motifs(fit_final, specs) if regularization == "stage" else None,
    )


def _assemble(
    experiments: list[Experiment],
    settings: Mapping[str, float],
    unused: list[Tensor],
    smoothed: Sequence[tuple[PSAM, Families]] | None,
) -> ProBoundLoss:
    loss = ProBoundLoss(
        experiments,
        unused,
        smoothed,
        weights=[1] * len(experiments),
        lambda_l2=settings["lambdaL2"],
        pseudocount=settings["pseudocount"],
        exponential_bound=settings["expBound"],
        full_loss=False,
        dilute_regularization=True,
    )
    loss.exclude_regularization = (*_UNREGULARISED, *_untrained_biases(loss))
    return loss


def _parse_specs(
    fit_final: Fit, line: ModelLine, symmetry: Symmetry
) -> list[LayerSpec]:
    alphabet = parse_probound_alphabet(fit_final)
    return [
        parse_probound_psam(fit_final, mode, symmetry=symmetry)
        if line.size(mode)
        else NonSpecific(alphabet, ignore_length=True, name=line.mode_name(mode))
        for mode in range(line.n_modes)
    ]


def _smoothed_motifs(
    fit_final: Fit, specs: Sequence[LayerSpec]
) -> list[tuple[PSAM, Families]]:
    return [
        (spec, families)
        for spec, families in zip(specs, smoothed_families(fit_final), strict=True)
        if isinstance(spec, PSAM)
    ]


def _optimizer_settings(config: Config) -> dict[str, float]:
    """The strength of the regularisation, with the defaults of ProBound."""
    if isinstance(config, Mapping):
        given: Mapping[str, Any] = config.get("optimizerSetting", {})
    else:
        given = {}
        for entry in config:
            if entry.get("function") == "optimizerSetting":
                given = {**given, **entry}
    return {
        key: float(given.get(key, default))
        for key, default in _DEFAULT_SETTINGS.items()
    }


def _check_likelihood(line: ModelLine, n_tables: int) -> None:
    """Raises InputError where the likelihood or an activity has no counterpart."""
    if n_tables != len(line.tables):
        raise InputError(
            f"the fit has {len(line.tables)} count tables, but {n_tables} are given",
            key="modelSettings.countTable",
        )
    for index, settings in enumerate(line.tables):
        key = f"modelSettings.countTable[{index}]"
        if not settings.get("probeBias", True):
            raise InputError(
                "the fit predicts absolute counts; only shares of the reads of each"
                " sequence can be predicted here",
                key=f"{key}.probeBias",
            )
        if settings.get("errorModel", "Poisson") != "Poisson":
            raise InputError(
                f"the error model {settings['errorModel']!r} has no counterpart; only"
                " 'Poisson' has",
                key=f"{key}.errorModel",
            )
    for index, settings in enumerate(line.settings["bindingModes"]):
        if not settings.get("fitLogActivity", True):
            raise InputError(
                "activities that are not logarithms cannot be read",
                key=f"modelSettings.bindingModes[{index}].fitLogActivity",
            )


def _check_columns(index: int, table: CountTable, columns: list[int]) -> None:
    found = table.target.shape[1]
    if found != len(columns):
        raise InputError(
            f"the fit models {len(columns)} columns of table {index}, but the table"
            f" given has {found}",
            key=f"modelSettings.countTable[{index}].modeledColumns",
        )


def _values_of_rounds(rounds: Iterable[Component]) -> Iterator[list[float]]:
    """The values of rounds that no observed round depends on."""
    excluded = (*_UNREGULARISED, "binding.")
    for each in rounds:
        yield [
            value.item()
            for name, value in each.named_parameters()
            if not any(text in name for text in excluded)
        ]


def _unused_biases(
    line: ModelLine,
    table: int,
    modes: Sequence[Component],
    pairs: Sequence[Component],
    parts: set[torch.nn.Module],
) -> Iterator[Any]:
    """The biases of windows, and of pairs of windows, that an experiment leaves out."""
    for index, mode in enumerate(modes):
        if mode not in parts and line.has_position_bias(index):
            yield line.position_bias(index, table)
    for index, pair in enumerate(pairs):
        if pair not in parts:
            yield line.position_matrix(index, table)


def _untrained_biases(loss: ProBoundLoss) -> list[str]:
    """The names of the position biases that the fit does not have."""
    owners = {
        part.log_posbias
        for part in loss.modules()
        if isinstance(part, Conv0d | Conv1d) and not part.train_posbias
    }
    return [name for name, value in loss.named_parameters() if value in owners]
