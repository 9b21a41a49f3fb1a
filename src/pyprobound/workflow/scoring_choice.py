"""Which experiment and which round of a model count."""

from __future__ import annotations

import math

from ..errors import InputError
from .opened import OpenedModel


def choose_activities(
    model: OpenedModel, experiment: str | None, column: int | None
) -> tuple[int, int]:
    """The experiment and the column whose activities count, from 0.

    Args:
        model: The model.
        experiment: The name of an experiment, or its number from 1.
        column: The number of a column from 1.

    Raises:
        InputError: There is no such experiment or column, or none is named although
            there are several.
    """
    activities = [mode.activities for mode in model.modes]
    n_experiments = max(map(len, activities), default=0)
    if n_experiments == 0:
        if experiment is not None or column is not None:
            option = "--round" if experiment is None else "--experiment"
            raise InputError("the model is a motif without experiments", key=option)
        return 0, 0
    place = choose_experiment(model, n_experiments, experiment)
    rows = [each[place] for each in activities if len(each) > place]
    n_columns = max(map(len, rows))
    active = [
        i
        for i in range(n_columns)
        if any(i < len(r) and r[i] > -math.inf for r in rows)
    ]
    if column is None:
        return place, active[-1] if active else n_columns - 1
    if not 1 <= column <= n_columns:
        raise InputError(
            f"there is no round {column}: the experiment has {n_columns}, counted"
            " from 1",
            key="--round",
        )
    if column - 1 not in active:
        raise InputError(
            f"nothing binds in round {column}; choose another one", key="--round"
        )
    return place, column - 1


def experiment_names(model: OpenedModel) -> list[str]:
    """The names of the experiments of a model, as far as they have any."""
    return [] if model.config is None else list(model.config.experiments)


def choose_experiment(model: OpenedModel, number: int, name: str | None) -> int:
    """The place of an experiment, from 0.

    Args:
        model: The model.
        number: How many experiments there are.
        name: Its name, or its number from 1; needed if there are several.

    Raises:
        InputError: There is no such experiment, or none is named although there are
            several.
    """
    names = experiment_names(model)
    known = ", ".join(map(repr, names)) if names else f"1 to {number}"
    if name is None:
        if number > 1:
            raise InputError(
                f"the model has {number} experiments ({known}); choose one of them",
                key="--experiment",
            )
        return 0
    if name in names:
        return names.index(name)
    if name.isdecimal() and 1 <= int(name) <= number:
        return int(name) - 1
    raise InputError(
        f"there is no experiment {name!r}; there are: {known}", key="--experiment"
    )
