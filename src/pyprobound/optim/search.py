"""The steps of a fit: calls that change what is trained, and greedy searches."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable

from ..layers.footprint import effective_shift
from ..layers.psam import PSAM
from ..steps import Call, Step
from . import records
from .assembly import Assembly, BestState, CheckpointPath
from .procedure import Group
from .records import Consumer
from .resume import Cursor, Progress, ResumeFile
from .text import procedure_text
from .training import Trainer

BeforeMove = Callable[[int, float], None]


class Search:
    """Executes the steps of a fit.

    Args:
        assembly: The model and its tables.
        trainer: Trains the parameters that a step made trainable.
        checkpoint: The file of the best state.
        greedy_threshold: By how much a greedy move must lower the loss.
        report: Receives the records.
    """

    def __init__(
        self,
        assembly: Assembly,
        trainer: Trainer,
        checkpoint: CheckpointPath,
        greedy_threshold: float,
        report: Consumer,
    ) -> None:
        self.assembly = assembly
        self.trainer = trainer
        self.checkpoint = checkpoint
        self.greedy_threshold = greedy_threshold
        self.report = report

    # --- one step ----------------------------------------------------------------

    def run_step(self, step: Step) -> None:
        """Makes the calls of a step, those that change flanks last and together.

        A side of the flanks does not grow if the information threshold keeps the
        footprints of the same step from growing there, so that the number of
        windows stays.

        Args:
            step: The calls.

        Raises:
            RuntimeError: Flanks of one table are to change differently.
            ValueError: A change is impossible.
        """
        allowed = _allowed_sides(step.calls)
        flank_calls = []
        for call in step.calls:
            if call.fun == "update_read_length":
                call = _limited(call, allowed)
                flank_calls.append(call)
                self.report(records.CallMade(str(call)))
            else:
                self.report(records.CallMade(str(call)))
                call.run()
        if flank_calls:
            self.assembly.update_read_length(flank_calls)

    def greedy_search(
        self,
        step: Step,
        best_loss: float,
        best: BestState,
        before_move: BeforeMove | None = None,
        moves: int = 0,
    ) -> float:
        """Repeats a step for as long as it lowers the loss.

        Each move is followed by training. It is accepted if the loss decreases by
        more than the threshold; otherwise the model returns to its state before.

        After a move the activities of all contributions are set so that their
        expected values are those before the move. This keeps what the other
        bindings explain, and it includes contributions whose activity is not
        trained.

        Args:
            step: The calls of a move.
            best_loss: The loss to be beaten.
            best: The state before the first move, and after each accepted one.
            before_move: Called before each move with the number of moves accepted
                so far and the loss to be beaten.
            moves: How many moves were accepted before.

        Returns:
            The lowest loss.
        """
        best.ensure()
        while True:
            if before_move is not None:
                before_move(moves, best_loss)
            loss = self._move(step, best_loss)
            if loss is None or not loss < best_loss - self.greedy_threshold:
                best.restore()
                return best_loss
            moves += 1
            best_loss = loss
            best.keep()

    def _move(self, step: Step, best_loss: float) -> float | None:
        """Makes a move and trains; returns the loss, or None if it is impossible."""
        contributions = self.assembly.contributions()
        expected = [part.expected_log_contribution() for part in contributions]
        try:
            self.run_step(step)
        except ValueError as error:
            self._decided("stopped", str(error), None, best_loss)
            return None
        for part, value in zip(contributions, expected, strict=True):
            part.set_contribution(value)
        if self.assembly.trainable_parameters():
            trial = BestState(self.assembly)
            trial.keep()
            loss = self.trainer.train(trial, best_loss)
        else:
            loss = self.trainer.evaluate()
        self._judge(loss, best_loss)
        return loss

    def _judge(self, loss: float, best_loss: float) -> None:
        required = best_loss - self.greedy_threshold
        reason = f"a loss of {loss:.10f}, below {required:.10f} is required"
        if loss < required:
            self._decided("accepted", reason, loss, loss)
        else:
            self._decided("rejected", reason, loss, best_loss)

    def _decided(
        self,
        decision: records.Decision,
        reason: str,
        loss: float | None,
        best_loss: float,
    ) -> None:
        evaluations = self.trainer.n_evaluations
        self.report(
            records.GreedyDecided(decision, reason, loss, best_loss, evaluations)
        )

    # --- a whole fit -------------------------------------------------------------

    def train_sequential(
        self,
        groups: list[Group],
        maintain_loss: bool = True,
        resume_path: CheckpointPath | None = None,
    ) -> float:
        """Trains one group of bindings after the other.

        Args:
            groups: The bindings and their steps.
            maintain_loss: Whether a step must lower the loss of the step before, to
                change more than its calls do.
            resume_path: A file from which the fit can be continued.

        Returns:
            The loss that the last step reached.
        """
        start = time.perf_counter()
        fit = _SequentialFit(self, groups, maintain_loss, resume_path)
        best_loss = fit.run()
        self._finished(best_loss, start)
        return best_loss

    def train_simultaneous(
        self, best_loss: float, resume_path: CheckpointPath | None = None
    ) -> float:
        """Trains the parameters that are trainable, all at once.

        Args:
            best_loss: The loss to be beaten.
            resume_path: A file from which the fit can be continued.

        Returns:
            The lowest loss.
        """
        start = time.perf_counter()
        log = _ResumeLog(self, resume_path, "simultaneous training")
        cursor, best_loss = log.begin(best_loss)
        best = BestState(self.assembly, self.checkpoint)
        best.keep()
        if cursor == Cursor():
            log.write(cursor, best_loss)
            best_loss = self.trainer.train(best, best_loss)
            log.write(Cursor(group=1), best_loss)
        self._finished(best_loss, start)
        return best_loss

    def _finished(self, best_loss: float, start: float) -> None:
        evaluations, seconds = self.trainer.n_evaluations, time.perf_counter() - start
        self.report(records.FitDone(best_loss, evaluations, seconds))


class _ResumeLog:
    """Notes how far a fit is, if there is a file for that."""

    def __init__(
        self, search: Search, path: CheckpointPath | None, procedure: str
    ) -> None:
        self.search = search
        self.file = (
            None if path is None else ResumeFile(path, search.assembly, procedure)
        )

    def begin(self, best_loss: float) -> tuple[Cursor, float]:
        """Restores what the file holds; returns the place and the loss to be beaten."""
        progress = None if self.file is None else self.file.read()
        if progress is None:
            return Cursor(), best_loss
        cursor = progress.cursor
        self.search.trainer.n_evaluations = progress.n_evaluations
        self.search.report(
            records.Resumed(
                cursor.group,
                cursor.step,
                cursor.greedy_round,
                progress.best_loss,
                progress.n_evaluations,
            )
        )
        return cursor, progress.best_loss

    def write(self, cursor: Cursor, best_loss: float) -> None:
        """Writes the present state."""
        if self.file is not None:
            evaluations = self.search.trainer.n_evaluations
            self.file.write(Progress(cursor, best_loss, evaluations))


class _SequentialFit:
    """The execution of the steps of all groups, from the beginning or from a file."""

    def __init__(
        self,
        search: Search,
        groups: list[Group],
        maintain_loss: bool,
        resume_path: CheckpointPath | None,
    ) -> None:
        self.search = search
        self.groups = groups
        self.maintain_loss = maintain_loss
        self.log = _ResumeLog(search, resume_path, procedure_text(groups))
        self.best = BestState(search.assembly, search.checkpoint)

    def run(self) -> float:
        """Executes all steps; returns the loss that the last one reached."""
        start, reached = self.log.begin(math.inf)
        self.best.keep()
        for number in range(start.group, len(self.groups)):
            resumed = number == start.group and start != Cursor(number)
            first = start if resumed else Cursor(number)
            reached = self._train_group(first, reached if resumed else math.inf)
            self.log.write(Cursor(number + 1), reached)
        return reached

    def _train_group(self, first: Cursor, best_loss: float) -> float:
        number, group = first.group, self.groups[first.group]
        self.search.report(
            records.GroupStarted(number, len(self.groups), group.key, len(group.steps))
        )
        reached = best_loss
        for place in range(first.step, len(group.steps)):
            moves = first.greedy_round if place == first.step else 0
            reached = self._train_step(Cursor(number, place, moves), best_loss)
            best_loss = reached if self.maintain_loss else math.inf
        return reached

    def _train_step(self, cursor: Cursor, best_loss: float) -> float:
        step = self.groups[cursor.group].steps[cursor.step]

        def begin(moves: int, loss: float) -> None:
            place = Cursor(cursor.group, cursor.step, moves)
            self.log.write(place, loss)
            self._report_step(place, step)

        if step.greedy:
            return self.search.greedy_search(
                step, best_loss, self.best, begin, cursor.greedy_round
            )
        begin(0, best_loss)
        self.search.run_step(step)
        self.best.keep()
        if not self.search.assembly.trainable_parameters():
            reason = "no parameter is trainable"
            self.search.report(records.TrainingSkipped(reason))
            return best_loss
        return self.search.trainer.train(self.best, best_loss)

    def _report_step(self, cursor: Cursor, step: Step) -> None:
        n_steps = len(self.groups[cursor.group].steps)
        self.search.report(
            records.StepStarted(
                cursor.group, cursor.step, n_steps, step.greedy, cursor.greedy_round
            )
        )


def _allowed_sides(calls: Iterable[Call]) -> tuple[bool, bool]:
    """Whether flanks may grow on the left and right, by the footprints that grow.

    A side may not if the information threshold cancels the change of every
    footprint that was to change there.
    """
    changes = [
        _footprint_change(call)
        for call in calls
        if call.fun == "update_footprint" and isinstance(call.cmpt, PSAM)
    ]
    left, right = (
        [effective[side] for wanted, effective in changes if wanted[side] != 0]
        for side in (0, 1)
    )
    return not left or any(left), not right or any(right)


def _footprint_change(call: Call) -> tuple[tuple[int, int], tuple[int, int]]:
    """The wanted and the effective shifts of a call."""
    left = call.kwargs.get("left_shift", 0)
    right = call.kwargs.get("right_shift", 0)
    check = call.kwargs.get("check_threshold", False)
    return (left, right), effective_shift(call.cmpt, left, right, check)


def _limited(call: Call, allowed: tuple[bool, bool]) -> Call:
    """A call of ``update_read_length`` without the sides that are not allowed."""
    kwargs = dict(call.kwargs)
    for name, permitted in zip(("left_shift", "right_shift"), allowed, strict=True):
        if name in kwargs and not permitted:
            kwargs[name] = 0
    return Call(call.cmpt, call.fun, kwargs)
