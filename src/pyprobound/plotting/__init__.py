r"""Figures of motifs, biases, cooperativities and of the fit of a model to its data.

All figures are matplotlib ``Figure`` objects of their own: there is no global state, no
window is opened, and ``figure.savefig("logo.svg")`` writes them. Functions draw on a
new figure unless they are given an ``ax`` or a ``figure``, and return the figure.
"""

from .bias import posbias
from .consistency import kd_consistency, keff_consistency
from .enrichment import enrichment_plotter, kmer_enrichment, probe_enrichment
from .logos import logo, logomaker_plotter, pairwise_plotter
from .pairs import cooperativity, spacing
from .panels import heatmap_plotter, line_plotter, plot_ticks
from .shares import contribution

__all__ = [
    "contribution",
    "cooperativity",
    "enrichment_plotter",
    "heatmap_plotter",
    "kd_consistency",
    "keff_consistency",
    "kmer_enrichment",
    "line_plotter",
    "logo",
    "logomaker_plotter",
    "pairwise_plotter",
    "plot_ticks",
    "posbias",
    "probe_enrichment",
    "spacing",
]
