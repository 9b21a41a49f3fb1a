r"""Figures of motifs, biases, cooperativities and of the fit of a model to its data.

Functions draw on a new figure unless they are given an ``ax`` or a ``figure``, and
return the figure; ``figure.savefig("logo.svg")`` writes it, without a display.

A new figure is an object of its own, which goes when nothing refers to it. Only in
scripts that have imported ``matplotlib.pyplot``, and in IPython and notebooks, it is
also the current figure of pyplot, so that ``pyplot.show()`` and ``pyplot.savefig()``
find it, until ``pyplot.close(figure)``.
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
