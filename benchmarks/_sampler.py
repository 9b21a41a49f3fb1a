"""Where the time of a program goes: looks at what it is doing every millisecond.

A thread that only looks costs the program little and treats Python, PyTorch and compiled
code alike, which a profiler that follows every call does not.
"""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import NamedTuple

import torch

import pyprobound

_ROOTS = {
    "pyprobound": Path(pyprobound.__file__).parent,
    "torch": Path(torch.__file__).parent,
}


class Place(NamedTuple):
    """Where a call is.

    Attributes:
        package: ``pyprobound``, ``torch``, or nothing.
        module: The path of the file in the package, as ``kernels/cpu.py``.
        function: The qualified name of the function.
    """

    package: str
    module: str
    function: str


class Sampler:
    """Adds up the time that the thread that enters it spends on each kind of work.

    It can be entered several times.

    Args:
        kind: Names the work from the places of a call stack, the innermost first.
        interval: The seconds between two looks.

    Attributes:
        seconds: The time by kind.
    """

    def __init__(
        self, kind: Callable[[list[Place]], str], interval: float = 1e-3
    ) -> None:
        self.seconds: dict[str, float] = {}
        self._kind = kind
        self._interval = interval
        self._places: dict[object, Place] = {}

    def __enter__(self) -> "Sampler":
        self._watched = threading.get_ident()
        self._done = threading.Event()
        self._before = sys.getswitchinterval()
        sys.setswitchinterval(self._interval / 5)
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._done.set()
        self._thread.join()
        sys.setswitchinterval(self._before)

    def _watch(self) -> None:
        last = time.perf_counter()
        while not self._done.wait(self._interval):
            frame = sys._current_frames().get(self._watched)
            kind = self._kind(list(self._stack(frame)))
            now = time.perf_counter()
            self.seconds[kind] = self.seconds.get(kind, 0.0) + now - last
            last = now

    def _stack(self, frame: FrameType | None) -> Iterator[Place]:
        while frame is not None:
            code = frame.f_code
            if code not in self._places:
                self._places[code] = _place(code.co_filename, code.co_qualname)
            yield self._places[code]
            frame = frame.f_back


def _place(file: str, function: str) -> Place:
    path = Path(file)
    for package, root in _ROOTS.items():
        if path.is_relative_to(root):
            return Place(package, path.relative_to(root).as_posix(), function)
    return Place("", path.name, function)


KERNEL_PREFIX = "kernels: "
OTHER = "other"

# By the beginning of the module of the innermost call within the library.
_KINDS = (
    ("checkpoint.py", "files"),
    ("optim/resume.py", "files"),
    ("optim/text.py", "reports"),
    ("optim/reporting.py", "reports"),
    ("optim/records.py", "reports"),
    ("loss/fisher.py", "Fisher matrix"),
    ("layers/jacobian.py", "Fisher matrix"),
    ("loss/penalty.py", "regularisation"),
    ("loss/", "likelihood"),
    ("experiment.py", "likelihood"),
    ("rounds/", "likelihood"),
    ("aggregate.py", "likelihood"),
    ("optim/fisher.py", "optimiser"),
    ("optim/curvature.py", "optimiser"),
    ("optim/", "training loop"),
    ("layers/", "layers and modes"),
    ("mode.py", "layers and modes"),
    ("cooperativity/", "layers and modes"),
)


def kind_of_work(stack: list[Place]) -> str:
    """What a fit is doing, by its call stack.

    What is done within the kernels counts as such whoever calls them. Everything else
    that computes the Fisher matrix or the regularisation counts as that.
    """
    own = [place for place in stack if place.package == "pyprobound"]
    names = {place.function.rpartition(".")[2] for place in own}
    inside = [place for place in own if place.module.startswith("kernels/")]
    if inside:
        return KERNEL_PREFIX + _kind_of_kernel(inside)
    if any("fisher_matrix" in name for name in names):
        return "Fisher matrix"
    if any("regularization" in name for name in names):
        return "regularisation"
    innermost = stack.index(own[0]) if own else len(stack)
    outside = {place.module for place in stack[:innermost] if place.package == "torch"}
    if any(module.startswith("optim/") for module in outside):
        return "optimiser"
    if any(module.startswith("autograd/") for module in outside):
        return "gradients outside the kernels"
    for place in own[:1]:
        for beginning, kind in _KINDS:
            if place.module.startswith(beginning):
                return kind
    return OTHER


def _kind_of_kernel(inside: list[Place]) -> str:
    modules = {place.module.removeprefix("kernels/") for place in inside}
    names = " ".join(place.function for place in inside).lower()
    if any(module.startswith("features") for module in modules) or "jacobian" in names:
        return "Jacobian"
    if any(module.startswith("likelihood") for module in modules):
        return "likelihood"
    if "backward" in names or "gradient" in names:
        return "gradients"
    return "scores"


def outside_kernels(seconds: dict[str, float]) -> float:
    """The share of the time that is not spent in kernels."""
    total = sum(seconds.values())
    inside = sum(t for kind, t in seconds.items() if kind.startswith(KERNEL_PREFIX))
    return 1 - inside / total if total else 0.0
