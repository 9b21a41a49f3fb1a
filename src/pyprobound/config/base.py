"""What all parts of the configuration have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

Name = Annotated[str, Field(min_length=1, pattern=r"^[^/\\\s][^/\\]*$")]
"""The name of a table, a motif, a mode, an experiment or a round.

It becomes part of file names, so it holds no slash."""

# Not a word that could stand in braces in a message, where pydantic would replace it.
_KEY = "key of the problem"

Key = tuple[str | int, ...]
"""The path of a setting: the keys, and the places in lists, from the top."""


class ConfigModel(BaseModel):
    """A part of the configuration; unknown keys are errors, values are constants."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        validate_default=True,
        coerce_numbers_to_str=True,
        protected_namespaces=(),
        # Infinite values are legal (an activity of minus infinity) but not JSON.
        ser_json_inf_nan="strings",
    )


def problem(key: Sequence[Any], message: str) -> PydanticCustomError:
    """An error about one key, raised where several parts must agree.

    Args:
        key: The path of the key below the part that is validated.
        message: What is wrong and what was expected.
    """
    return PydanticCustomError("disagreement", message, {_KEY: list(key)})


def problem_key(error: Any) -> Key:
    """The path that ``problem`` was given, from one entry of pydantic's errors."""
    return tuple((error.get("ctx") or {}).get(_KEY, ()))
