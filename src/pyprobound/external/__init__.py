"""Models from elsewhere: fits of ProBound, and motifs from databases."""

from .client import MotifDownloadError, WebClient
from .experiments import (
    ImportedAggregate,
    parse_probound_aggregate,
    parse_probound_rounds,
)
from .export import (
    Export,
    ScoringMode,
    TableSettings,
    export_fit,
    export_scoring_model,
    write_probound_lines,
)
from .files import get_fit_final, read_probound_lines
from .interactions import parse_probound_interactions
from .matrices import import_hocomoco, import_jaspar, import_matrix
from .model import ProBoundLoss, parse_probound_model
from .modes import parse_probound_modes, parse_probound_psam
from .motif_central import import_motif_central
from .tables import parse_probound_alphabet, parse_probound_tables

__all__ = [
    "Export",
    "ImportedAggregate",
    "MotifDownloadError",
    "ProBoundLoss",
    "ScoringMode",
    "TableSettings",
    "WebClient",
    "export_fit",
    "export_scoring_model",
    "get_fit_final",
    "import_hocomoco",
    "import_jaspar",
    "import_matrix",
    "import_motif_central",
    "parse_probound_aggregate",
    "parse_probound_alphabet",
    "parse_probound_interactions",
    "parse_probound_model",
    "parse_probound_modes",
    "parse_probound_psam",
    "parse_probound_rounds",
    "parse_probound_tables",
    "read_probound_lines",
    "write_probound_lines",
]
