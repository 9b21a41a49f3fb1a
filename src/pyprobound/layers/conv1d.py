"""Scoring every window of a sequence with a motif."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from .. import facts, kernels
from ..base import BindingOptim, Call, Step
from ..table import Table
from . import jacobian, onehot
from .layer import Layer, input_lengths_from
from .lengths import LengthChange, Lengths
from .psam import PSAM
from .windows import bin_changes, resized

BiasMode = Literal["channel", "same", "reverse"]
Mirror = Literal["row", "1.5"]


class Conv1d(Layer):
    r"""Scores every window of a sequence with a motif and a position bias.

    .. math::
        \log \frac{1}{K^{rel}_{D}(S_{x})} =
            b + \omega(x) + \sum_\phi \beta_\phi 1_\phi(S_x)

    where :math:`1_\phi(S_x)` tells whether window :math:`x` has feature :math:`\phi`,
    :math:`\beta_\phi = -\Delta\Delta G_\phi / RT`, :math:`b` is the bias of the motif
    and :math:`\omega` the position bias. Windows are counted from the left end of the
    row, and the window :math:`x` of a reverse channel covers the same positions as
    that of a forward channel.

    A missing position makes every window that touches it score -inf; a wildcard
    scores the mean over the letters, and a zero code scores 0.

    Args:
        psam: The motif.
        input_shape: The number of positions stored for each row.
        min_input_length: The least number of positions that are not missing.
        max_input_length: The greatest number of positions that are not missing.
        train_posbias: Whether to train a position bias.
        bias_mode: ``channel`` for a bias of each output channel, ``same`` for one that
            all channels share, ``reverse`` for one that is mirrored on the reverse
            strand.
        bias_bin: The number of neighbouring windows that share a bias.
        length_specific_bias: Whether each input length has its own bias.
        out_channel_indexing: The output channels that are scored, all by default.
        one_hot: Whether to score by convolution of embedded sequences, as degenerate
            letters and inputs of shape (rows, channels, length) need.
        unfold: Whether this convolution is done by explicit windows.
        normalize: Whether the mean over the bins is subtracted from the bias.
        mirror: Where ``bias_mode`` ``reverse`` mirrors the bias of a row that is
            shorter than others: at the middle of the ``row``, as the molecule has it,
            or, as in PyProBound ``1.5``, at the middle of the stored positions. The
            two are the same if all rows have one length.

    Attributes:
        log_posbias: The position bias in RT, of shape (lengths, channels, bins).

    Raises:
        ValueError: The options do not agree, or the shortest input has no window.
    """

    unfreezable = Literal["all", "posbias"]
    layer_spec: PSAM

    def __init__(
        self,
        psam: PSAM,
        input_shape: int,
        min_input_length: int,
        max_input_length: int,
        train_posbias: bool = False,
        bias_mode: BiasMode = "channel",
        bias_bin: int = 1,
        length_specific_bias: bool = True,
        out_channel_indexing: Sequence[int] | None = None,
        one_hot: bool = False,
        unfold: bool = False,
        normalize: bool = False,
        *,
        mirror: Mirror = "1.5",
    ) -> None:
        _check_options(psam, min_input_length, bias_mode, bias_bin, mirror)
        super().__init__(psam, input_shape, min_input_length, max_input_length)
        self.train_posbias = train_posbias
        self._bias_mode: BiasMode = bias_mode
        self._bias_bin = int(bias_bin)
        self._length_specific_bias = bool(length_specific_bias)
        self._out_channel_indexing = (
            None
            if out_channel_indexing is None
            else [int(i) for i in out_channel_indexing]
        )
        self.one_hot = one_hot
        self.unfold = unfold
        self.normalize = normalize
        self.mirror: Mirror = mirror
        self.log_posbias = torch.nn.Parameter(
            torch.zeros(self._bias_shape()), requires_grad=train_posbias
        )

    @classmethod
    def from_psam(
        cls,
        psam: PSAM,
        prev: Table[Any] | Layer,
        train_posbias: bool = False,
        bias_mode: BiasMode = "channel",
        bias_bin: int = 1,
        length_specific_bias: bool = True,
        out_channel_indexing: Sequence[int] | None = None,
        one_hot: bool = False,
        unfold: bool = False,
        normalize: bool = False,
        *,
        mirror: Mirror = "1.5",
    ) -> Conv1d:
        """Creates the layer for the lengths of a table or of a layer.

        Args:
            psam: The motif.
            prev: The table that is scored, or the layer that precedes this one.
            train_posbias: See the class, as for all that follow.
            bias_mode: See the class.
            bias_bin: See the class.
            length_specific_bias: See the class.
            out_channel_indexing: See the class.
            one_hot: See the class.
            unfold: See the class.
            normalize: See the class.
            mirror: See the class.
        """
        lengths = input_lengths_from(prev)
        return cls(
            psam,
            lengths.shape,
            lengths.minimum,
            lengths.maximum,
            train_posbias=train_posbias,
            bias_mode=bias_mode,
            bias_bin=bias_bin,
            length_specific_bias=length_specific_bias,
            out_channel_indexing=out_channel_indexing,
            one_hot=one_hot,
            unfold=unfold,
            normalize=normalize,
            mirror=mirror,
        )

    # --- options -----------------------------------------------------------------

    @property
    def bias_mode(self) -> BiasMode:
        """How the output channels share the position bias."""
        return self._bias_mode

    @property
    def bias_bin(self) -> int:
        """The number of neighbouring windows that share a bias."""
        return self._bias_bin

    @property
    def length_specific_bias(self) -> bool:
        """Whether each input length has its own bias."""
        return self._length_specific_bias

    @property
    def out_channel_indexing(self) -> list[int] | None:
        """The output channels that are scored; None for all."""
        return self._out_channel_indexing

    @property
    def out_channels(self) -> int:
        """The number of output channels."""
        chosen = self._out_channel_indexing
        return self.layer_spec.out_channels if chosen is None else len(chosen)

    def max_embedding_size(self) -> int:
        """The most bytes that one sequence takes, see ``Component``."""
        size = 8
        if self.one_hot:
            size = 4 * self.in_channels
            if self.layer_spec.pairwise_distance > 0:
                size *= self.in_channels
        return self.max_input_length * size

    # --- position bias -----------------------------------------------------------

    def _bias_shape(self) -> tuple[int, int, int]:
        lengths = self.max_input_length - self.min_input_length + 1
        channels = {
            "channel": self.layer_spec.out_channels,
            "same": 1,
            "reverse": self.layer_spec.n_motifs,
        }[self.bias_mode]
        windows = self.out_len(self.input_shape)
        return (
            lengths if self.length_specific_bias else 1,
            channels,
            -(-windows // self.bias_bin),
        )

    def get_log_posbias(self) -> Tensor:
        r"""The bias :math:`\omega` of each input length, output channel and window.

        Returns:
            A tensor in RT of shape (max_input_length + 1, channels, windows), whose
            first axis is the number of positions that are not missing; its size is 1
            if the bias does not depend on it. With ``bias_mode`` ``same`` there is one
            channel for all. ``out_channel_indexing`` is not applied.
        """
        bias: Tensor = self.log_posbias
        if self.normalize:
            bias = bias - bias.mean(dim=-1, keepdim=True)
        windows = self.out_len(self.input_shape)
        if self.bias_bin > 1:
            bias = bias.repeat_interleave(self.bias_bin, dim=-1)[..., :windows]
        if self.length_specific_bias:
            padding = (0, 0, 0, 0, self.min_input_length, 0)
            bias = torch.nn.functional.pad(bias, padding)
        if self.bias_mode == "reverse":
            mirrored = self._mirrored(bias)
            bias = torch.cat([bias.expand(len(mirrored), -1, -1), mirrored], dim=1)
        return bias

    def _mirrored(self, bias: Tensor) -> Tensor:
        """The bias of the reverse strand: channels and windows in reversed order."""
        if self.mirror == "1.5":
            return bias.flip(1, 2)
        windows = bias.shape[2]
        lengths = torch.arange(self.max_input_length + 1, device=bias.device)
        own = self.out_len(lengths, "max").clamp(0, windows).view(-1, 1)
        place = own - 1 - torch.arange(windows, device=bias.device)
        # Windows beyond the end of a row are missing, so what they read is no matter.
        place = place.clamp(min=0).unsqueeze(1)
        bias = bias.flip(1).expand(len(lengths), -1, -1)
        return bias.gather(2, place.expand(-1, bias.shape[1], -1))

    def _active_posbias(self) -> Tensor | None:
        if not self.log_posbias.requires_grad and not bool(self.log_posbias.any()):
            return None
        bias = self.get_log_posbias()
        chosen = self._out_channel_indexing
        return bias if chosen is None or bias.shape[1] == 1 else bias[:, chosen]

    # --- scores ------------------------------------------------------------------

    def _features(self) -> tuple[Tensor, list[tuple[int, Tensor]], Tensor]:
        """The filters of letters and of pairs, and the bias, of the output channels."""
        psam = self.layer_spec
        chosen = self._out_channel_indexing

        def pick(values: Tensor) -> Tensor:
            return values if chosen is None else values[chosen]

        pairs = [
            (distance, pick(psam.get_filter(distance)))
            for distance in range(1, psam.pairwise_distance + 1)
            if psam.pairs_matter(distance)
        ]
        return pick(psam.get_filter(0)), pairs, pick(psam.get_bias())

    def score_dense(self, seqs: Tensor) -> Tensor:
        """Scores every window by looking its letters up.

        Args:
            seqs: Codes of shape (rows, length), without degenerate letters.

        Returns:
            Scores in RT, of shape (rows, out_channels, windows).
        """
        monomer, pairs, bias = self._features()
        return kernels.window_scores(
            seqs,
            monomer,
            pairs,
            bias,
            self._active_posbias(),
            dilation=self.layer_spec.dilation,
        )

    def score_onehot(self, seqs: Tensor) -> Tensor:
        """Scores every window by convolution of the embedded sequences.

        Args:
            seqs: Codes of shape (rows, length), with any codes of the alphabet, or
                values of shape (rows, in_channels, length).

        Returns:
            Scores in RT, of shape (rows, out_channels, windows).

        Raises:
            ValueError: Codes are given and the PSAM has no alphabet.
        """
        monomer, pairs, bias = self._features()
        embedded = seqs if seqs.ndim == 3 else self._alphabet().embed(seqs)
        scores = onehot.window_scores(
            embedded.to(monomer.dtype),
            monomer,
            pairs,
            dilation=self.layer_spec.dilation,
            unfold=self.unfold,
        )
        scores = scores + bias
        posbias = self._active_posbias()
        if posbias is None:
            return scores
        if posbias.shape[0] == 1:
            return scores + posbias
        return scores + posbias[self.lengths(seqs)]

    def forward(self, seqs: Tensor) -> Tensor:
        """Scores every window.

        Args:
            seqs: Codes of shape (rows, length), or values of shape (rows,
                in_channels, length). Several rows of values, or of codes with
                degenerate letters, need ``one_hot``.

        Returns:
            Scores in RT, of shape (rows, out_channels, windows).

        Raises:
            ValueError: The input needs ``one_hot``, or the PSAM has no alphabet.
        """
        if self._is_dense(seqs):
            return self.score_dense(seqs)
        return self.score_onehot(seqs)

    def log_score(self, seqs: Tensor, log_hill: Tensor) -> Tensor:
        """The log of the summed affinity of all windows, see ``Layer.log_score``."""
        if not self._is_dense(seqs):
            return super().log_score(seqs, log_hill)
        monomer, pairs, bias = self._features()
        return kernels.row_scores(
            seqs,
            monomer,
            pairs,
            bias,
            self._active_posbias(),
            log_hill if log_hill.requires_grad or bool(log_hill != 0) else None,
            dilation=self.layer_spec.dilation,
        )

    def window_jacobian(
        self, seqs: Tensor, weights: Tensor, parameters: Sequence[Tensor]
    ) -> Tensor | None:
        """Derivatives for single rows, see ``Layer.window_jacobian``."""
        if seqs.ndim != 2 or not self._is_dense(seqs):
            return None
        monomer, pairs, bias = self._features()
        result = jacobian.filters_jacobian(
            seqs,
            weights,
            [monomer, *(filters for _, filters in pairs)],
            [distance for distance, _ in pairs],
            self.layer_spec.dilation,
            parameters,
        )
        if bias.requires_grad:
            result += jacobian.bias_jacobian(weights, bias, parameters)
        posbias = self._active_posbias()
        if posbias is not None and posbias.requires_grad:
            lengths = self.lengths(seqs)
            result += jacobian.posbias_jacobian(weights, lengths, posbias, parameters)
        return result

    def _alphabet(self) -> Any:
        if self.layer_spec.alphabet is None:
            raise ValueError(
                f"{self.describe()} has no alphabet to score codes with: give the PSAM"
                " an alphabet, or pass values of shape (rows, channels, length)"
            )
        return self.layer_spec.alphabet

    def _is_dense(self, seqs: Tensor) -> bool:
        """Whether the rows are scored by look-up."""
        if seqs.ndim == 2:
            self._alphabet()
        if self.one_hot:
            return False
        if seqs.ndim == 2 and not self._has_degenerate_codes(seqs):
            return True
        if len(seqs) > 1:
            kind = "embedded sequences" if seqs.ndim == 3 else "degenerate letters"
            raise ValueError(
                f"{self.describe()} cannot score several rows of {kind}: build the"
                " Conv1d with one_hot=True"
            )
        return False

    def _has_degenerate_codes(self, seqs: Tensor) -> bool:
        last_simple_code = self.in_channels + 2
        return seqs.numel() > 0 and facts.greatest(seqs) > last_simple_code

    # --- lengths -----------------------------------------------------------------

    def check_length_consistency(self) -> None:
        """Checks the lengths, and that the bias fits them.

        Raises:
            RuntimeError: The lengths are impossible or the bias has another shape.
            ValueError: The shortest input has no window.
        """
        super().check_length_consistency()
        if self.log_posbias.shape != self._bias_shape():
            raise RuntimeError(
                f"{self.describe()} expects a log_posbias of shape"
                f" {self._bias_shape()}, found {tuple(self.log_posbias.shape)}"
            )

    def resize(self, change: LengthChange, lengths: Lengths) -> None:
        """Carries out a change of the input, see ``Layer.resize``."""
        shifts = (-change.minimum, change.maximum)
        self._resize_bias(change, shifts if self.length_specific_bias else (0, 0))
        super().resize(change, lengths)

    def resize_windows(self, change: LengthChange) -> None:
        """Carries out a change of the number of windows of the motif."""
        self._resize_bias(change, (0, 0))

    def _resize_bias(self, change: LengthChange, lengths: tuple[int, int]) -> None:
        windows = self.out_len(self.input_shape)
        bins = bin_changes(windows, change.left, change.right, self.bias_bin)
        self.log_posbias = torch.nn.Parameter(
            resized(self.log_posbias, bins, lengths), self.log_posbias.requires_grad
        )

    # --- optimisation ------------------------------------------------------------

    def unfreeze(self, parameter: Literal["all", "posbias"] = "all") -> None:
        """Makes the position bias trainable, if it is meant to be.

        Args:
            parameter: ``posbias``, or ``all`` for the motif too.

        Raises:
            ValueError: The layer has no such parameter.
        """
        if parameter in ("all", "posbias"):
            self.log_posbias.requires_grad_(self.train_posbias)
        if parameter != "posbias":
            super().unfreeze(parameter)

    def update_binding_optim(self, binding_optim: BindingOptim) -> BindingOptim:
        """Adds a step that trains the bias, behind those that shape the motif.

        Args:
            binding_optim: The steps of the binding, extended in place.

        Returns:
            The same object.
        """
        if not self.train_posbias:
            return binding_optim
        steps = binding_optim.steps
        shaping = [i for i, step in enumerate(steps) if self._shapes_motif(step)]
        call = Call(self, "unfreeze", {"parameter": "posbias"})
        steps.insert(shaping[-1] + 1 if shaping else len(steps), Step([call]))
        return binding_optim

    def _shapes_motif(self, step: Step) -> bool:
        structural = ("update_footprint", "update_read_length", "shift_heuristic")
        return any(
            call.fun in structural
            or (
                call.cmpt is self.layer_spec
                and call.fun == "unfreeze"
                and call.kwargs.get("parameter") == "monomer"
            )
            for call in step.calls
        )


def _check_options(
    psam: PSAM, min_input_length: int, bias_mode: str, bias_bin: int, mirror: str
) -> None:
    """Raises ValueError where the options of a Conv1d do not agree."""
    if min_input_length < psam.span:
        raise ValueError(
            f"A motif of {psam.kernel_size} positions (spanning {psam.span}) does not"
            f" fit into the shortest input of {min_input_length} positions"
        )
    if bias_mode not in ("channel", "same", "reverse"):
        raise ValueError(
            f"bias_mode must be 'channel', 'same' or 'reverse', not {bias_mode!r}"
        )
    if bias_mode == "reverse" and not psam.score_reverse:
        raise ValueError("bias_mode 'reverse' needs a PSAM with score_reverse")
    if mirror not in ("row", "1.5"):
        raise ValueError(f"mirror must be 'row' or '1.5', not {mirror!r}")
    if bias_bin < 1:
        raise ValueError(f"bias_bin must be at least 1, not {bias_bin}")
