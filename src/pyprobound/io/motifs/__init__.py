"""Motif files: MEME, JASPAR, TRANSFAC, HOMER, HOCOMOCO, CIS-BP, PSEM and others."""

from .formats import (
    FORMATS,
    Format,
    detect,
    format_of_name,
    format_text,
    read_motifs,
    write_bytes,
    write_motifs,
)
from .kinds import (
    default_pseudocount,
    fold_pairs,
    to_counts,
    to_energies,
    to_kind,
    to_log_odds,
    to_probabilities,
)
from .models import alphabet_of, motifs_of_psam, psam_of_motif, read_psams
from .motif import Kind, Motif
from .source import read_source

__all__ = [
    "FORMATS",
    "Format",
    "Kind",
    "Motif",
    "alphabet_of",
    "default_pseudocount",
    "detect",
    "fold_pairs",
    "format_of_name",
    "format_text",
    "motifs_of_psam",
    "psam_of_motif",
    "read_motifs",
    "read_psams",
    "read_source",
    "to_counts",
    "to_energies",
    "to_kind",
    "to_log_odds",
    "to_probabilities",
    "write_bytes",
    "write_motifs",
]
