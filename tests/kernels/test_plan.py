"""How motifs are cut into blocks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyprobound.kernels.arguments import LANES
from pyprobound.kernels.plan import MOST_ENTRIES, Motif, make_plan


@st.composite
def motifs(draw: st.DrawFn) -> Motif:
    size = draw(st.integers(1, 30))
    distances: list[int] = []
    if size > 1:
        distances = draw(st.lists(st.integers(1, size - 1), unique=True, max_size=5))
    return Motif(
        symbols=draw(st.integers(2, 22)),
        size=size,
        channels=draw(st.integers(1, 20)),
        windows=draw(st.integers(1, 100)),
        dilation=1 if distances else draw(st.integers(1, 3)),
        distances=tuple(distances),
    )


@settings(deadline=None, max_examples=100)
@given(motif=motifs(), most_entries=st.sampled_from([256, MOST_ENTRIES]))
def test_every_parameter_is_used_exactly_once(motif: Motif, most_entries: int) -> None:
    plan = make_plan(motif, most_entries)
    uses = np.bincount(plan.index.ravel(), minlength=motif.offsets[-1] + 1)
    assert (uses[:-1] == 1).all()


@settings(deadline=None, max_examples=50)
@given(motif=motifs())
def test_words_fit_in_their_tables(motif: Motif) -> None:
    plan = make_plan(motif)
    sizes = plan.pass_sizes()
    assert sum(sizes) == plan.values
    for (spelling, *_), size in zip(plan.passes, sizes, strict=True):
        letters = plan.spellings[spelling, 0]
        assert size == motif.symbols**letters * LANES <= MOST_ENTRIES * LANES


@pytest.mark.parametrize(
    ("size", "distances", "passes"),
    [(16, (), 1), (20, (), 1), (16, (1,), 1), (24, (), 2), (40, (), 2)],
)
def test_dna_motifs_of_two_strands_need_few_passes(
    size: int, distances: tuple[int, ...], passes: int
) -> None:
    motif = Motif(4, size, channels=2, windows=15, distances=distances)
    assert len(make_plan(motif).passes) == passes


def test_few_rows_get_small_tables() -> None:
    motif = Motif(20, 9, channels=1, windows=7)
    assert max(make_plan(motif, 256).pass_sizes()) <= 256 * LANES
    assert max(make_plan(motif).pass_sizes()) > 256 * LANES
