"""The full configuration of ProBound: its settings, their types and defaults.

Fields have the names of the settings in snake case; ``by_alias`` gives the names in
the file. Unknown keys are kept. Settings that have no default are absent by default.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveInt,
    field_validator,
)
from pydantic.alias_generators import to_camel

Index = Annotated[int, Field(ge=-1)]
Members = list[Index]
ALL: Members = [-1]


class ProBoundModel(BaseModel):
    """A part of the configuration."""

    model_config = ConfigDict(
        extra="allow",
        frozen=True,
        strict=True,
        alias_generator=to_camel,
        protected_namespaces=(),
        allow_inf_nan=False,
    )


# --- modelSettings ---------------------------------------------------------------


class Transliterate(ProBoundModel):
    """Texts to replace in the probes."""

    old: list[str] = Field(default=[], alias="in")
    new: list[str] = Field(default=[], alias="out")


class CountTableSettings(ProBoundModel):
    """A count table."""

    count_table_file: str
    input_file_type: str = "tsv"
    n_columns: Annotated[int, Field(ge=2)]
    variable_region_length: PositiveInt
    left_flank: str = ""
    right_flank: str = ""
    modeled_columns: Members = ALL
    test_folds: list[int] = []
    probe_bias: bool = True
    error_model: Literal["Poisson", "Normal", "LogNormal"] = "Poisson"
    transliterate: Transliterate = Transliterate()

    @field_validator("input_file_type")
    @classmethod
    def _check_file_type(cls, value: str) -> str:
        if value.lower() not in ("tsv", "tsv.gz", "fastq", "dat"):
            raise ValueError(
                f"{value!r} is not known; expected tsv, tsv.gz, fastq or dat"
            )
        return value


ModelType = Literal[
    "SELEX",
    "SELEX_NRLB",
    "RhoGamma",
    "Exponential",
    "ExponentialKinetics",
    "InputFreeFraction",
]


class EnrichmentModelSettings(ProBoundModel):
    """How the rounds of a table were selected."""

    model_type: ModelType
    modifications: list[str] = []
    binding_modes: Members = ALL
    binding_mode_interactions: Members = ALL
    round_specific_binding_modes: list[Members] = [[]]
    round_specific_binding_mode_interactions: list[Members] = [[]]
    concentration: NonNegativeFloat = 1
    cumulative_enrichment: bool | None = None
    binding_saturation: bool = False
    # These three belong to a program before ProBound; every model gets them.
    round: int = 1
    r0_k_used: int = Field(default=1, alias="r0KUsed")
    r0_ks_tested: list[int] = Field(default=[1], alias="r0KsTested")

    @property
    def is_cumulative(self) -> bool:
        """Whether each round is selected from the one before.

        Free fractions of an input are not, unless the file says so; ProBound takes
        the setting for true where it is absent.
        """
        if self.cumulative_enrichment is None:
            return self.model_type != "InputFreeFraction"
        return self.cumulative_enrichment


class ModificationSettings(ProBoundModel):
    """Shifts of energies by a chemical modification."""

    name: str
    mononucleotide: list[str] = []
    dinucleotide: list[list[str]] = []


class BindingModeSettings(ProBoundModel):
    """A binding mode; of size 0 it is non-specific."""

    size: NonNegativeInt
    flank_length: NonNegativeInt = 0
    dinucleotide_distance: NonNegativeInt = 0
    position_bias: bool = False
    single_strand: bool = False
    fit_log_activity: bool = True
    pseudocount_mono: NonNegativeFloat | None = Field(
        default=None, alias="pseudocount_mono"
    )
    pseudocount_di: NonNegativeFloat | None = Field(
        default=None, alias="pseudocount_di"
    )
    modifications: list[ModificationSettings] = []

    @property
    def pair_distance(self) -> int:
        """The greatest distance of letters that interact within the motif."""
        return max(0, min(self.dinucleotide_distance, self.size - 1))


class InteractionSettings(ProBoundModel):
    """Two modes that bind together."""

    binding_modes: Annotated[list[NonNegativeInt], Field(min_length=2, max_length=2)]
    position_bias: bool = False
    max_overlap: NonNegativeInt = 0
    max_spacing: Index = -1
    fit_log_activity: bool = True


class ModelSettings(ProBoundModel):
    """What is modelled."""

    letter_complement: str = "C-G,A-T"
    letter_order: str | None = None
    count_table: Annotated[list[CountTableSettings], Field(min_length=1)]
    enrichment_model: Annotated[list[EnrichmentModelSettings], Field(min_length=1)]
    binding_modes: Annotated[list[BindingModeSettings], Field(min_length=1)]
    binding_mode_interactions: list[InteractionSettings] = []


# --- modelFittingConstraints -----------------------------------------------------


class EnrichmentModelConstraints(ProBoundModel):
    """What is trained in the selection of a table."""

    fit_rho: bool = False
    fit_gamma: bool = False
    round_specific_rho: bool = True
    round_specific_gamma: bool = True
    fit_delta: Annotated[list[bool], Field(min_length=1)] = [False]
    round_specific_delta: bool = True
    try_saturation: bool = False


class FittingStage(ProBoundModel):
    """The variations of a mode that one stage tries; those absent are off."""

    optimize_size: bool | None = None
    optimize_flank_length: bool | None = None
    optimize_size_heuristic: bool | None = None
    optimize_motif_shift: bool | None = None
    optimize_motif_shift_heuristic: bool | None = None


class BindingModeConstraints(ProBoundModel):
    """How a mode is fitted."""

    position_bias_bin_width: PositiveInt = 1
    optimize_size: bool = False
    optimize_flank_length: bool = False
    optimize_size_heuristic: bool = False
    optimize_motif_shift: bool = False
    optimize_motif_shift_heuristic: bool = False
    fitting_stages: list[FittingStage] = []
    symmetry_string: str = "null"
    round_specific_activity: bool = True
    experiment_specific_activity: bool = True
    experiment_specific_position_bias: bool = True
    min_size: Index = -1
    max_size: Index = -1
    max_flank_length: Index = -1
    information_threshold: float = 0.1


class InteractionConstraints(ProBoundModel):
    """How an interaction is fitted."""

    round_specific_activity: bool = True
    experiment_specific_interaction: bool = False
    experiment_specific_activity: bool = True


class CountTableConstraints(ProBoundModel):
    """Nothing can be set here."""


class FittingConstraints(ProBoundModel):
    """How everything is fitted."""

    add_binding_modes_sequentially: bool = True
    flank_lengths: list[int] = [0]
    n_shifts: int = 0
    single_mode_length_sweep: bool = False
    enrichment_model: list[EnrichmentModelConstraints] = []
    binding_modes: list[BindingModeConstraints] = []
    binding_mode_interactions: list[InteractionConstraints] = []
    count_table: list[CountTableConstraints] = []


# --- modelSeeding ----------------------------------------------------------------


class BindingModeSeed(ProBoundModel):
    """The first values of a mode."""

    mononucleotide_iupac: str | None = Field(default=None, alias="mononucleotideIUPAC")
    mononucleotide_string: str | None = None
    seed_scale: float = 1
    mononucleotide_file: str | None = None


class EnrichmentModelSeed(ProBoundModel):
    """The first values of a selection, by column."""

    rho: list[float] | None = None
    gamma: list[float] | None = None
    delta: list[float] | None = None


class CountTableSeed(ProBoundModel):
    """The first log depths of the columns of a table."""

    h: list[float] | None = None


class InteractionSeed(ProBoundModel):
    """The first values of an interaction."""

    activity: list[Any] | None = None
    position_matrix: list[Any] | None = None
    spacing_vector: list[Any] | None = None


class Seeding(ProBoundModel):
    """First values."""

    binding_modes: list[BindingModeSeed] | None = None
    enrichment_model: list[EnrichmentModelSeed] | None = None
    count_table: list[CountTableSeed] | None = None
    binding_mode_interactions: list[InteractionSeed] | None = None


# --- optimizerSetting ------------------------------------------------------------


class LbfgsSettings(ProBoundModel):
    """The minimiser by default."""

    memory: PositiveInt = 100
    max_iters: Annotated[int, Field(ge=10)] = 500
    convergence: NonNegativeFloat = 1e-7
    mc_search: bool = Field(default=True, alias="MCSearch")


class PatternSearchSettings(ProBoundModel):
    """A minimiser without derivatives."""

    init_step: NonNegativeFloat = 1
    theta: NonNegativeFloat = 0.5
    convergence: NonNegativeFloat = 1e-8
    random_axis: bool = False


class SgdSettings(ProBoundModel):
    """A minimiser that does nothing."""

    method: str | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    convergence: float | None = None
    max_iters: int | None = None
    adaptive: bool | None = None


class OutputSettings(ProBoundModel):
    """What is written where."""

    output_path: str | None = None
    base_name: str | None = None
    verbose: bool = False
    print_trajectory: bool = False
    store_hessian: bool = False
    print_psam: bool = Field(default=False, alias="printPSAM")


class OptimizerSetting(ProBoundModel):
    """How the model is fitted."""

    minimizer_type: Literal["lbfgs", "patternSearch", "sgd"] = "lbfgs"
    lbfgs_settings: LbfgsSettings = LbfgsSettings()
    pattern_search_settings: PatternSearchSettings = PatternSearchSettings()
    sgd_settings: SgdSettings = SgdSettings()
    slbfgs_settings: dict[str, Any] | None = None
    lambda_l2: NonNegativeFloat = Field(default=1e-7, alias="lambdaL2")
    pseudocount: NonNegativeFloat = 0
    exp_bound: NonNegativeFloat = 40
    likelihood_threshold: NonNegativeFloat = 0
    n_threads: PositiveInt = 4
    n_retries: NonNegativeInt = 3
    fixed_library_size: bool = False
    output: OutputSettings = OutputSettings()


class ProBoundConfig(ProBoundModel):
    """The full configuration."""

    model_settings: ModelSettings
    model_fitting_constraints: FittingConstraints = FittingConstraints()
    model_seeding: Seeding | None = None
    optimizer_setting: OptimizerSetting = OptimizerSetting()


_EMPTY_UNLESS_GIVEN = ("lbfgs_settings", "pattern_search_settings", "sgd_settings")


def expanded(config: ProBoundConfig) -> dict[str, Any]:
    """The configuration as ProBound writes it, with the defaults that it inserts.

    The settings of minimisers stay empty unless some are given.

    Args:
        config: The configuration.
    """
    values = config.model_dump(by_alias=True, exclude_none=True)
    optimizer = values["optimizerSetting"]
    for name in _EMPTY_UNLESS_GIVEN:
        if not getattr(config.optimizer_setting, name).model_fields_set:
            optimizer[to_camel(name)] = {}
    return values
