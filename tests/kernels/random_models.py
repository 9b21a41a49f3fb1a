"""Random kernel arguments, shared by the tests of the kernels."""

from dataclasses import dataclass, field, replace

import hypothesis.strategies as st
import torch
from torch import Tensor

from pyprobound import kernels


@dataclass
class Arguments:
    """Arguments of a kernel, with the tensors that have gradients."""

    codes: Tensor
    monomer: Tensor
    pairs: list[tuple[int, Tensor]] = field(default_factory=list)
    bias: Tensor | None = None
    posbias: Tensor | None = None
    log_hill: Tensor | None = None
    dilation: int = 1

    @property
    def leaves(self) -> list[Tensor]:
        tensors = [self.monomer, self.bias, self.posbias, self.log_hill]
        tensors += [filters for _, filters in self.pairs]
        return [tensor for tensor in tensors if tensor is not None]

    def to(self, dtype: torch.dtype) -> "Arguments":
        """A copy with fresh leaves of another precision."""

        def leaf(tensor: Tensor | None) -> Tensor | None:
            return (
                None if tensor is None else tensor.detach().to(dtype).requires_grad_()
            )

        return replace(
            self,
            monomer=leaf(self.monomer),
            pairs=[(distance, leaf(filters)) for distance, filters in self.pairs],
            bias=leaf(self.bias),
            posbias=leaf(self.posbias),
            log_hill=leaf(self.log_hill),
        )

    def rows(self, name: str) -> Tensor:
        """Row scores by one implementation."""
        with kernels.use(name):
            return kernels.row_scores(
                self.codes,
                self.monomer,
                self.pairs,
                self.bias,
                self.posbias,
                self.log_hill,
                dilation=self.dilation,
            )

    def windows(self, name: str) -> Tensor:
        """Window scores by one implementation."""
        with kernels.use(name):
            return kernels.window_scores(
                self.codes,
                self.monomer,
                self.pairs,
                self.bias,
                self.posbias,
                dilation=self.dilation,
            )


def gradients(scores: Tensor, leaves: list[Tensor], seed: int = 0) -> list[Tensor]:
    """Gradients of a random weighting of the finite scores."""
    generator = torch.Generator().manual_seed(seed)
    weights = torch.randn(scores.shape, generator=generator, dtype=torch.float64)
    finite = torch.where(torch.isfinite(scores), scores, 0.0)
    found = torch.autograd.grad(
        (finite * weights.to(scores.dtype)).sum(), leaves, allow_unused=True
    )
    return [
        torch.zeros_like(leaf) if gradient is None else gradient
        for gradient, leaf in zip(found, leaves, strict=True)
    ]


def random_codes(
    rows: int,
    length: int,
    letters: int,
    specials: str,
    generator: torch.Generator,
) -> Tensor:
    """Random rows: letters only, ``any`` special code anywhere, or ``short`` rows."""
    symbols = letters + 3 if specials == "any" else letters
    codes = torch.randint(0, symbols, (rows, length), generator=generator)
    if specials == "short":
        ends = torch.randint(0, length + 1, (rows, 1), generator=generator)
        codes[torch.arange(length) >= ends] = letters
    return codes


@st.composite
def models(draw: st.DrawFn, most_channels: int = 8) -> Arguments:
    """Arguments of all kinds, in float64."""
    letters = draw(st.integers(2, 20))
    channels = draw(st.integers(1, most_channels))
    size = draw(st.integers(1, 12))
    dilation = draw(st.sampled_from([1, 1, 1, 2, 3]))
    windows = draw(st.integers(1, 14))
    length = windows + dilation * (size - 1)
    distances: list[int] = []
    if dilation == 1 and size > 1:
        distances = draw(
            st.lists(st.integers(1, size - 1), unique=True, max_size=min(4, size))
        )
    scale = draw(st.sampled_from([0.3, 1.0, 4.0]))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))

    def normal(*shape: int) -> Tensor:
        values = torch.randn(shape, generator=generator, dtype=torch.float64)
        return (scale * values).requires_grad_()

    bias = draw(st.sampled_from([None, (channels,), (channels, 1)]))
    lengths = draw(st.sampled_from([1, length + 1]))
    wide = draw(st.sampled_from([1, channels]))
    dtype = draw(st.sampled_from([torch.int8, torch.int16, torch.int64]))
    return Arguments(
        codes=random_codes(
            draw(st.sampled_from([0, 1, 3, 50, 300])),
            length,
            letters,
            draw(st.sampled_from(["none", "any", "short"])),
            generator,
        ).to(dtype),
        monomer=normal(channels, letters, size),
        pairs=[
            (distance, normal(channels, letters, letters, size - distance))
            for distance in distances
        ],
        bias=None if bias is None else normal(*bias),
        posbias=normal(lengths, wide, windows) if draw(st.booleans()) else None,
        log_hill=normal() if draw(st.booleans()) and scale < 4 else None,
        dilation=dilation,
    )
