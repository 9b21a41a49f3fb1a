"""Small models and tables with known numbers, and a figure of each kind."""

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure

from pyprobound import plotting
from pyprobound.aggregate import Aggregate, Contribution
from pyprobound.alphabets import DNA
from pyprobound.cooperativity import Cooperativity, Spacing
from pyprobound.experiment import Experiment
from pyprobound.fitting.figure import Points, draw_comparison
from pyprobound.layers import PSAM, Conv1d, NonSpecific
from pyprobound.mode import Mode
from pyprobound.rounds import (
    BoundRound,
    BoundUnsaturatedRound,
    ExponentialRound,
    InitialRound,
    UnboundRound,
)
from pyprobound.table import CountTable

LETTERS = np.array(list("ACGT"))


def motif(consensus, name="", strength=1.2, **options):
    """A motif that prefers one letter at each position."""
    psam = PSAM(len(consensus), DNA(), name=name, **options)
    with torch.no_grad():
        for position, letter in enumerate(consensus):
            values = psam.betas[str(position + 1)].zero_()
            values[:, "ACGT".index(letter)] = strength
    return psam


def pair_motif(size=6):
    """A motif with random values, also of its pairs."""
    psam = PSAM(size, DNA(), pairwise_distance=2, name="Paired")
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in psam.betas.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return psam


def sequences(rows, length, seed=0, shortest=None):
    """Random sequences as text, of one length or of several."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(shortest or length, length + 1, rows)
    return ["".join(LETTERS[rng.integers(0, 4, size)]) for size in lengths]


def table(rows, columns, length=12, shortest=None, seed=0):
    """A table of ones, for counts that are set later."""
    frame = pd.DataFrame(
        np.ones((rows, columns)), index=sequences(rows, length, seed, shortest)
    )
    return CountTable(frame, DNA())


def draw_counts(experiment, data, depth=40.0, seed=0):
    """Replaces the counts by random ones from the model."""
    experiment.eval()
    with torch.no_grad():
        shares = experiment(data.seqs).double().exp().numpy()
    rng = np.random.default_rng(seed)
    totals = 1 + rng.poisson(depth, len(data))
    counts = np.stack(
        [rng.multinomial(n, p / p.sum()) for n, p in zip(totals, shares, strict=True)]
    )
    data.target = torch.tensor(counts, dtype=torch.float32)
    return data


def contributions(data, activities=(-6.0, -3.5)):
    """A motif and non-specific binding."""
    bindings = [
        Mode.from_psam(motif("ACGT", name="Factor"), data, name="Factor"),
        Mode.from_nonspecific(NonSpecific(DNA(), name="NS"), data, name="Non-specific"),
    ]
    return [
        Contribution(binding, log_activity=activity)
        for binding, activity in zip(bindings, activities, strict=True)
    ]


def selex(rows=3000, **options):
    """Three rounds of SELEX and their table."""
    data = table(rows, 3, **options)
    first = BoundUnsaturatedRound(
        Aggregate(contributions(data)), start := InitialRound(name="R0"), name="R1"
    )
    second = BoundUnsaturatedRound(first.aggregate, first, name="R2")
    experiment = Experiment([start, first, second], name="SELEX")
    return experiment, draw_counts(experiment, data)


def kd_seq(rows=3000, order=(0, 1, 2)):
    """Input, bound and unbound rounds, as columns in any order, and their table."""
    data = table(rows, 3)
    start = InitialRound(name="Input")
    bound = BoundRound(
        Aggregate(contributions(data, (-10.0, -9.0)), target_concentration=50.0),
        start,
        log_depth=0.5,
        library_concentration=20.0,
        name="Bound",
    )
    unbound = UnboundRound.from_round(bound, name="Unbound")
    with torch.no_grad():
        unbound.log_depth.fill_(-0.2)
    rounds = [start, bound, unbound]
    experiment = Experiment([rounds[i] for i in order], name="Kd-seq")
    draw_counts(experiment, data)
    counts = data.target.sum(dim=0)
    return Experiment([rounds[i] for i in order], counts, name="Kd-seq"), data


def kinase(rows=3000):
    """Two time points of a reaction and their table."""
    data = table(rows, 3)
    start = InitialRound(name="Input")
    early = ExponentialRound(
        Aggregate(contributions(data, (-7.0, -7.0))), start, log_depth=1, name="5 min"
    )
    late = ExponentialRound.from_round(early, target_concentration=6)
    late.name = "30 min"
    experiment = Experiment([start, early, late], name="Kinase")
    return experiment, draw_counts(experiment, data)


def biased_layer(data=None, **options):
    """A layer whose bias rises along the probe on the forward strand."""
    psam = motif("ACGT", name="Factor")
    options = {"train_posbias": True} | options
    layer = Conv1d.from_psam(psam, data or table(4, 1), **options)
    windows = torch.linspace(-1, 1, layer.log_posbias.shape[-1])
    slopes = torch.linspace(1, -0.5, layer.log_posbias.shape[1])
    lengths = torch.linspace(1, 0.3, layer.log_posbias.shape[0])
    with torch.no_grad():
        layer.log_posbias.copy_(
            lengths[:, None, None] * slopes[None, :, None] * windows
        )
    return layer


def pair(strands=2, **options):
    """Two motifs that help each other at some distance, in the same direction."""
    data = table(4, 1, length=20)
    keep = {"score_reverse": strands == 2}
    mode_a = Mode.from_psam(motif("ACGT", name="Hox", **keep), data)
    mode_b = Mode.from_psam(motif("TTACGC", name="Exd", **keep), data)
    spacing = Spacing(mode_a.key(), mode_b.key(), name="Dimer", **options)
    both = Cooperativity(spacing, mode_a, mode_b)
    width = spacing.log_spacing.shape[1]
    offsets = torch.arange(width) - (width - 1) // 2
    with torch.no_grad():
        for row, sign in zip(range(strands), (1, -1), strict=False):
            spacing.log_spacing[row] = 2.5 * torch.exp(
                -((offsets - 6 * sign) ** 2) / 8
            ) - 0.5 * (offsets.abs() < 3)
    return both


def long_names():
    """A pair of modes whose names are long."""
    both = pair(max_overlap=0)
    both.mode_a.name = "A very long name of a homeodomain factor"
    both.mode_b.name = "Another long name of a cofactor here"
    return both


def frames():
    """Two frames of factors, with a zero and a missing value."""
    rng = np.random.default_rng(3)
    result = {}
    for name in ("First", "Second"):
        values = np.exp(rng.normal(0, 1, (5, 30)))
        values[1, 3], values[2, 7] = 0, np.nan
        result[name] = pd.DataFrame(
            values,
            index=pd.RangeIndex(8, 13, name="Row"),
            columns=pd.RangeIndex(-15, 15, name="Column"),
        )
    return result


def enrichment_of_three_columns():
    """Points of two pairs of columns."""
    rng = np.random.default_rng(5)
    predicted = np.exp(rng.normal(3, 1.2, (900, 3)))
    observed = rng.poisson(predicted)
    figure = Figure((6, 6), layout="constrained")
    plotting.enrichment_plotter(
        figure.subplots(), observed, predicted, ["a", "b", "c"], kernel=5, title="Three"
    )
    return figure


def comparison(rows, *, spread=1.0, errors=False, labels=False):
    """Measurements against predictions, as a fit to them draws it."""
    rng = np.random.default_rng(9)
    predicted = np.exp(rng.normal(0, spread, rows))
    observed = predicted * np.exp(rng.normal(0, 0.3, rows))
    ends = np.stack([0.2 * observed, 0.3 * observed]) if errors else None
    return draw_comparison(
        Points(predicted, observed, ends),
        title="MITOMI",
        axis_labels=("Predicted affinity", "Observed affinity"),
        kernel=1,
        logarithmic=(True, True),
        labels=[f"Mutated motif {i}" for i in range(rows)] if labels else None,
        colors=None,
        ax=None,
    )


# The name of a picture, and what draws it.
FIGURES = {
    "fit": lambda: comparison(30, errors=True),
    "fit_labels": lambda: comparison(25, spread=0.5, labels=True),
    "fit_many": lambda: comparison(2000),
    "logo": lambda: plotting.logo(motif("ACGTAC", name="Factor")),
    "logo_pairs": lambda: plotting.logo(pair_motif(), width=6, reverse=True),
    "posbias_line": lambda: plotting.posbias(biased_layer()),
    "posbias_heatmap": lambda: plotting.posbias(
        biased_layer(table(40, 1, length=14, shortest=8))
    ),
    "cooperativity": lambda: plotting.cooperativity(pair(max_overlap=0)),
    "cooperativity_one_strand": lambda: plotting.cooperativity(pair(1)),
    "cooperativity_long_names": lambda: plotting.cooperativity(long_names()),
    "spacing_long_names": lambda: plotting.spacing(long_names()),
    "spacing": lambda: plotting.spacing(pair(max_overlap=0)),
    "spacing_swapped": lambda: plotting.spacing(pair(max_overlap=0), swap=True),
    "probe_enrichment": lambda: plotting.probe_enrichment(*selex(), kernel=50),
    "probe_enrichment_many": lambda: plotting.probe_enrichment(
        *selex(), columns=[0, 2], kernel=2
    ),
    "kmer_enrichment": lambda: plotting.kmer_enrichment(*selex()),
    "enrichment_plotter": enrichment_of_three_columns,
    "kd_consistency": lambda: plotting.kd_consistency(
        (both := kd_seq())[0], 0, 1, 2, both[1], kernel=50
    ),
    "keff_consistency": lambda: plotting.keff_consistency(*kinase(), kernel=50),
    "contribution": lambda: plotting.contribution(
        (both := selex())[0].observed_rounds[1], both[1], kernel=50
    ),
    "heatmap_plotter": lambda: plotting.heatmap_plotter(frames(), "Factors"),
    "line_plotter": lambda: plotting.line_plotter(
        {name: frame.iloc[1:2] for name, frame in frames().items()}, "Factors"
    ),
}
