"""The position-specific affinity matrix: what a protein reads, in units of RT."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, Literal, cast

import torch
from torch import Tensor

from ..alphabets import Alphabet
from ..base import BindingOptim, Call, Step
from . import footprint, gauge
from .betas import SCALAR_NAME, Betas
from .layer import LayerSpec
from .lengths import LengthMode
from .seeding import write_seeds
from .symmetry import (
    FilterPlan,
    PairSymmetry,
    ParameterClass,
    check_options,
    frozen_names,
    has_plain_pairs,
    monomer_plan,
    pair_plan,
)


class PSAM(LayerSpec):
    r"""A position-specific affinity matrix, with single-letter and pair features.

    The value of a feature :math:`\phi` is :math:`\beta_\phi = -\Delta\Delta G_\phi /
    RT`, so a larger value means tighter binding. The single letters of a motif of
    ``kernel_size`` positions are always present; ``pairwise_distance`` adds a value
    for each pair of letters at positions up to this distance apart.

    Positions with equal ids in ``symmetry`` share their values, and a negative id
    reads them complemented, so ``[1, 2, 3, -3, -2, -1]`` is a palindrome.

    Values are stored in one tensor for each distinct position or pair of positions,
    of shape (user channels, letters) or (user channels, letters, letters).

    Args:
        kernel_size: The number of positions of the motif.
        alphabet: The letters; needed unless ``in_channels`` is given.
        out_channels: The number of output channels: motifs times strands.
        in_channels: The number of input channels, the letters by default.
        pairwise_distance: The greatest distance between the letters of a pair.
        dilation: The distance between neighbouring positions of the motif.
        symmetry: The id of each position; ``1, 2, ...`` by default.
        seed: For each motif a sequence, in which degenerate letters may stand, that
            the values prefer at first.
        seed_scale: Multiplies the values set by ``seed``.
        score_reverse: Whether the reverse complement is scored too, by default if
            the alphabet has complements.
        shift_footprint: Whether training shifts the motif left and right.
        shift_footprint_heuristic: Whether training centres the motif.
        increment_footprint: Whether training extends the motif.
        increment_flank: Whether training extends the flanks that are scored.
        increment_flank_with_footprint: Whether the flanks grow with the motif.
        information_threshold: The information in bits that the two outermost
            positions of a side must hold for the motif to grow there.
        max_kernel_size: The greatest number of positions; None for no limit.
        frozen_parameters: Names of values that are never trained, in the naming of
            PyProBound 1.5; see ``frozen_positions``.
        normalize: Whether the mean over letters and motifs is subtracted at every
            position; train a bias with it.
        train_bias: Whether to train a constant for each motif.
        train_betas: Whether to train the values.
        name: A name for messages, legends and reports.
        pair_symmetry: How ``symmetry`` ties pairs: ``exact``, or as PyProBound 1.5
            did; see ``pyprobound.layers.symmetry``.

    Attributes:
        betas: The values by parameter class.
        bias: The constant of each motif, of shape (user channels, 1).
        symmetry: The id of each position.

    Raises:
        ValueError: The options do not agree.

    References:
        Rube et al., Nature Biotechnology 2022, doi:10.1038/s41587-022-01307-0.
    """

    unfreezable = Literal["all", "monomer", "pairwise"]
    symmetry: Tensor

    def __init__(
        self,
        kernel_size: int,
        alphabet: Alphabet | None = None,
        out_channels: int | None = None,
        in_channels: int | None = None,
        pairwise_distance: int = 0,
        dilation: int = 1,
        symmetry: Sequence[int] | None = None,
        seed: Sequence[Sequence[str]] | None = None,
        seed_scale: float = 1,
        score_reverse: bool | None = None,
        shift_footprint: bool = False,
        shift_footprint_heuristic: bool = False,
        increment_footprint: bool = False,
        increment_flank: bool = False,
        increment_flank_with_footprint: bool = False,
        information_threshold: float = 0.1,
        max_kernel_size: int | None = None,
        frozen_parameters: Iterable[str] = frozenset(),
        normalize: bool = False,
        train_bias: bool = False,
        train_betas: bool = True,
        name: str = "",
        *,
        pair_symmetry: PairSymmetry = "exact",
    ) -> None:
        if score_reverse is None:
            score_reverse = alphabet is not None and alphabet.complement
        if in_channels is None:
            if alphabet is None:
                raise ValueError("PSAM needs an alphabet or the number of in_channels")
            in_channels = len(alphabet.alphabet)
        if out_channels is None:
            out_channels = 2 if score_reverse else 1
        super().__init__(out_channels=out_channels, in_channels=in_channels, name=name)
        if symmetry is None:
            symmetry = range(1, kernel_size + 1)

        self.alphabet = alphabet
        self._pairwise_distance = int(pairwise_distance)
        self._dilation = int(dilation)
        self._score_reverse = bool(score_reverse)
        self.shift_footprint = shift_footprint
        self.shift_footprint_heuristic = shift_footprint_heuristic
        self.increment_footprint = increment_footprint
        self.increment_flank = increment_flank
        self.increment_flank_with_footprint = increment_flank_with_footprint
        self.information_threshold = information_threshold
        self.max_kernel_size = max_kernel_size
        self.frozen_parameters = frozenset(frozen_parameters)
        self.normalize = normalize
        self.train_bias = train_bias
        self.train_betas = train_betas
        self.pair_symmetry: PairSymmetry = pair_symmetry
        check_options(
            {
                "kernel_size": kernel_size,
                "in_channels": in_channels,
                "out_channels": out_channels,
                "dilation": self.dilation,
            },
            n_strands=self.n_strands,
            symmetry=list(symmetry),
            pairwise_distance=self.pairwise_distance,
            pair_symmetry=pair_symmetry,
        )

        self.bias = torch.nn.Parameter(
            torch.zeros(self.n_motifs, 1), requires_grad=train_bias
        )
        self.register_buffer("symmetry", torch.tensor(list(symmetry)))
        self.betas = Betas(self.n_motifs, self.in_channels, self.frozen_parameters)
        self.update_params(pairwise_grad=True)
        if seed is not None:
            write_seeds(self, seed, seed_scale)

    # --- sizes -------------------------------------------------------------------

    @property
    def kernel_size(self) -> int:
        """The number of positions of the motif."""
        return len(self.symmetry)

    @property
    def pairwise_distance(self) -> int:
        """The greatest distance between the letters of a pair feature."""
        return self._pairwise_distance

    @property
    def dilation(self) -> int:
        """The distance between neighbouring positions of the motif."""
        return self._dilation

    @property
    def score_reverse(self) -> bool:
        """Whether the reverse complement is scored too."""
        return self._score_reverse

    @property
    def n_strands(self) -> int:
        """The number of strands that are scored, 1 or 2."""
        return 2 if self.score_reverse else 1

    @property
    def n_motifs(self) -> int:
        """The number of motifs, or user channels: output channels per strand."""
        return self.out_channels // self.n_strands

    @property
    def span(self) -> int:
        """The number of input positions that one window covers."""
        return self.dilation * (self.kernel_size - 1) + 1

    def out_len(self, length: Any, mode: LengthMode = "shape") -> Any:
        """The number of windows, ``length - dilation * (kernel_size - 1)``."""
        del mode
        return length - (self.span - 1)

    def in_len(self, length: Any, mode: Literal["min", "max"] = "max") -> Any:
        """The number of positions that some neighbouring windows cover."""
        del mode
        return length + (self.span - 1)

    def extra_repr(self) -> str:
        """The sizes, for ``repr``."""
        return (
            f"kernel_size={self.kernel_size},"
            f" pairwise_distance={self.pairwise_distance},"
            f" out_channels={self.out_channels}, in_channels={self.in_channels}"
        )

    # --- values ------------------------------------------------------------------

    @property
    def ids(self) -> tuple[int, ...]:
        """The id of each position, as integers."""
        return self._ids

    def plan(self, distance: int) -> FilterPlan:
        """Where the entries of the filter at one distance are stored.

        Args:
            distance: 0 for single letters, else the distance of a pair.
        """
        if distance == 0:
            return monomer_plan(self._ids, self.in_channels)
        return pair_plan(self._ids, distance, self.in_channels, self.pair_symmetry)

    def get_filter(self, dist: int) -> Tensor:
        r"""The values of all features at one distance.

        Args:
            dist: 0 for single letters, else the distance between two letters.

        Returns:
            :math:`\beta` in units of RT, of shape (out_channels, letters, positions)
            or (out_channels, letters, letters, positions - dist). With
            ``score_reverse`` the second half of the channels is the reverse
            complement of the first, in reversed order.

        Raises:
            ValueError: ``dist`` is not within 0 and ``pairwise_distance``.
        """
        if not 0 <= dist <= self.pairwise_distance:
            raise ValueError(
                f"dist must be between 0 and {self.pairwise_distance}, the"
                f" pairwise_distance of the PSAM, not {dist}"
            )
        values = self.forward_filter(dist)
        if not self.score_reverse:
            return values
        reverse = values.flip(tuple(range(values.ndim)))
        if dist > 0:
            reverse = reverse.transpose(1, 2)
        return torch.cat([values, reverse])

    def forward_filter(self, dist: int) -> Tensor:
        """The part of ``get_filter`` for the forward strand."""
        plan = self.plan(dist)
        flat = torch.cat(
            [self.betas.values_of(part).flatten(1) for part in plan.classes], dim=1
        )
        index = self._index(dist, flat.device)
        values = flat.index_select(1, index.reshape(-1)).view(-1, *index.shape)
        if self.normalize:
            axes = tuple(range(values.ndim - 1))
            values = values - values.mean(dim=axes, keepdim=True)
        return values

    def get_bias(self) -> Tensor:
        """The constant of each output channel, of shape (out_channels, 1)."""
        if not self.score_reverse:
            return cast("Tensor", self.bias)
        return torch.cat([self.bias, self.bias.flip(0)])

    def pairs_matter(self, dist: int) -> bool:
        """Whether the pairs at a distance are trainable or not all zero."""
        values = [self.betas[part.key] for part in self.plan(dist).classes]
        return any(value.requires_grad or bool(value.any()) for value in values)

    def get_information(self, position: int) -> float:
        r"""The information of one position, in bits.

        :math:`\log_2 m + \sum_j p_j \log_2 p_j`, where :math:`p` is the softmax of
        the :math:`m` values of the position (all letters of all motifs).

        Args:
            position: The position in the motif; negative ones count from the end.
        """
        with torch.no_grad():
            values = self.forward_filter(0)[:, :, position].double().flatten()
            shares = torch.softmax(values, dim=0)
            entropy = torch.special.entr(shares).sum() / math.log(2)
        return float(math.log2(len(shares)) - entropy)

    def get_dirichlet(self) -> Tensor:
        r"""The log of a Dirichlet-like prior density, up to a constant.

        :math:`\sum_g \sum_j \log \mathrm{softmax}(v_g)_j` over all parameter classes
        :math:`g`, each with the values of all motifs.
        """
        terms = [torch.log_softmax(v.flatten(), 0).sum() for v in self.betas.values()]
        return torch.stack(terms).sum()

    def _index(self, dist: int, device: torch.device) -> Tensor:
        found = self._indices.get((dist, device))
        if found is None:
            # A tensor made in inference mode could not be used in training later.
            with torch.inference_mode(False):
                found = torch.from_numpy(self.plan(dist).index).to(device)
            self._indices[dist, device] = found
        return found

    # --- parameters --------------------------------------------------------------

    def update_params(
        self, pairwise_grad: bool = False
    ) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        r"""Creates the parameters that the current ids need and drops the others.

        New single letters are drawn from a uniform distribution on
        :math:`\pm\sqrt{1/(nk)}` for :math:`n` letters and :math:`k` positions; new
        pairs are zero.

        Args:
            pairwise_grad: Whether new pairs are trainable at once.

        Returns:
            The parameters that were added and those that were removed.
        """
        self._ids = tuple(int(i) for i in self.symmetry.tolist())
        self._indices: dict[tuple[int, torch.device], Tensor] = {}
        needed = {
            part.key: part
            for distance in range(self.pairwise_distance + 1)
            for part in self.plan(distance).classes
        }
        bound = math.sqrt(1 / (self.in_channels * self.kernel_size))

        def create(part: ParameterClass) -> Tensor:
            values = self.bias.new_zeros(self.n_motifs, *part.shape)
            return values if part.is_pair else values.uniform_(-bound, bound)

        return self.betas.fit_to(
            needed,
            create,
            lambda part: self.train_betas and (pairwise_grad or not part.is_pair),
        )

    def unfreeze(
        self, parameter: Literal["all", "monomer", "pairwise"] = "all"
    ) -> None:
        """Makes values trainable, and the bias with them.

        Args:
            parameter: ``monomer`` for single letters, ``pairwise`` for pairs, or
                ``all``.

        Raises:
            ValueError: The PSAM has no such parameter.
        """
        if parameter not in ("all", "monomer", "pairwise"):
            super().unfreeze(parameter)
        if not self.train_betas:
            return
        self.bias.requires_grad_(self.train_bias)
        self.betas.unfreeze(parameter)

    @staticmethod
    def frozen_positions(
        positions: Iterable[int],
        symmetry: Sequence[int],
        out_channels: int,
        in_channels: int,
    ) -> set[str]:
        """The names of all values in which some positions take part.

        Args:
            positions: The ids of the positions.
            symmetry: The id of each position of the motif.
            out_channels: The number of motifs.
            in_channels: The number of letters.

        Returns:
            Names for ``frozen_parameters``. They include pairs with the ids that the
            motif gets when it grows to twice its size.
        """
        return frozen_names(positions, symmetry, out_channels, in_channels)

    def make_indel_psam(
        self, symmetry: Sequence[int] | None = None, name: str | None = None
    ) -> PSAM:
        """A PSAM with positions inserted, deleted or repeated, trained together.

        Args:
            symmetry: The ids of the new motif; those of this motif by default. Values
                of ids that both have are the same parameters.
            name: The name of the new PSAM; the same by default.

        Returns:
            The new PSAM. Its bias is its own, and zero.
        """
        ids = list(self._ids if symmetry is None else symmetry)
        result = PSAM(
            kernel_size=len(ids),
            alphabet=self.alphabet,
            out_channels=self.out_channels,
            in_channels=self.in_channels,
            pairwise_distance=self.pairwise_distance,
            dilation=self.dilation,
            symmetry=ids,
            score_reverse=self.score_reverse,
            shift_footprint=self.shift_footprint,
            shift_footprint_heuristic=self.shift_footprint_heuristic,
            increment_footprint=self.increment_footprint,
            increment_flank=self.increment_flank,
            increment_flank_with_footprint=self.increment_flank_with_footprint,
            information_threshold=self.information_threshold,
            max_kernel_size=self.max_kernel_size,
            frozen_parameters=self.frozen_parameters,
            normalize=self.normalize,
            train_bias=self.train_bias,
            train_betas=self.train_betas,
            name=self.name if name is None else name,
            pair_symmetry=self.pair_symmetry,
        )
        result.betas.share_with(self.betas)
        return result

    def fix_gauge(self) -> None:
        """Moves what is not determined by data to one place, in place.

        Scores do not change. Afterwards the single letters of each position, and the
        rows and columns of each pair, have mean zero; constants are in the bias.

        Raises:
            ValueError: There are pair features and ids that repeat or are negative,
                so that this form cannot be reached without changing scores.
        """
        gauge.fix(self)

    # --- structure ---------------------------------------------------------------

    def update_footprint(
        self, left_shift: int = 0, right_shift: int = 0, check_threshold: bool = False
    ) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Adds or removes positions on either side.

        All layers that use the PSAM, and the modes they are in, follow. A refused
        change leaves everything as it was.

        Args:
            left_shift: Positions added on the left; removed if negative.
            right_shift: Positions added on the right; removed if negative.
            check_threshold: Whether a side only grows if its outermost positions hold
                ``information_threshold``, and only shrinks if they do not.

        Returns:
            The parameters that were added and those that were removed.

        Raises:
            ValueError: The motif would become too short or too long, or
                ``check_threshold`` leaves nothing to do.
        """
        return footprint.update(self, left_shift, right_shift, check_threshold)

    def shift_heuristic(self) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        r"""Shifts the motif so that its information is centred.

        The shift is :math:`\sum_i i I_i / \sum_i I_i - (k-1)/2`, rounded, where
        :math:`I_i` is the information of position :math:`i`.

        Returns:
            The parameters that were added and those that were removed.
        """
        information = [self.get_information(i) for i in range(self.kernel_size)]
        total = sum(information)
        if total <= 0:
            return (), ()
        centre = sum(i * bits for i, bits in enumerate(information)) / total
        shift = round(centre - (self.kernel_size - 1) / 2)
        return self.update_footprint(-shift, shift)

    def adopt_structure(self, entries: dict[str, Tensor]) -> dict[str, Tensor]:
        """Takes the ids from a state and packs the values of layout 1.5.

        Raises:
            ValueError: The state is of layout 1.5 and ties pairs in another way.
        """
        symmetry = entries.get("symmetry")
        if symmetry is not None:
            self.symmetry = symmetry.detach().to(self.symmetry.device, copy=True)
            self.update_params()
        if self._is_scalar_state(entries):
            self._check_legacy_pairs("This checkpoint of PyProBound 1.5")
            return self.betas.pack(entries)
        return entries

    def scalar_entries(self, entries: dict[str, Tensor]) -> dict[str, Tensor]:
        """The entries of a state in the layout 1.5.

        Raises:
            ValueError: That layout ties pairs in another way.
        """
        self._check_legacy_pairs("The checkpoint format of PyProBound 1.5")
        return self.betas.unpack(entries)

    def _is_scalar_state(self, entries: dict[str, Tensor]) -> bool:
        return any(SCALAR_NAME.fullmatch(name) for name in entries)

    def _check_legacy_pairs(self, what: str) -> None:
        if (
            self.pairwise_distance > 0
            and self.pair_symmetry == "exact"
            and not has_plain_pairs(self._ids)
        ):
            raise ValueError(
                f"{what} ties the pairs of a motif with repeated or negative ids in"
                f" another way (ids {list(self._ids)}): build the PSAM with"
                " pair_symmetry='1.5'"
            )

    # --- optimisation ------------------------------------------------------------

    def update_binding_optim(self, binding_optim: BindingOptim) -> BindingOptim:
        """Adds the steps that train the PSAM, see ``pyprobound.layers.footprint``.

        Args:
            binding_optim: The steps of the binding, extended in place.

        Returns:
            The same object.
        """
        steps = binding_optim.steps
        steps.append(Step([Call(self, "unfreeze", {"parameter": "monomer"})]))
        steps.extend(footprint.greedy_steps(self))
        if self.pairwise_distance > 0:
            steps.append(Step([Call(self, "unfreeze", {"parameter": "pairwise"})]))
        return binding_optim
