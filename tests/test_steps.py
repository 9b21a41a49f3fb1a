"""Optimisation steps as values."""

from pyprobound.steps import BindingOptim, Call, Step


class Part:
    def __init__(self, name=""):
        self.name = name
        self.seen = []

    def unfreeze(self, parameter):
        self.seen.append(parameter)
        return parameter


class Other(Part):
    pass


def unfreeze(part, parameter="all"):
    return Call(part, "unfreeze", {"parameter": parameter})


def test_a_call_runs_and_describes_itself():
    part = Part("p")
    call = unfreeze(part, "monomer")
    assert call.run() == "monomer"
    assert part.seen == ["monomer"]
    assert str(call) == "Part-p.unfreeze(parameter='monomer')"


def test_d55_components_among_the_arguments_keep_the_name_of_the_argument():
    call = Call(Part("a"), "activity_heuristic", {"contribution": Part("c")})
    assert str(call) == "Part-a.activity_heuristic(contribution=Part-c)"


def test_like_calls_gather_in_the_first_step_that_has_one():
    a, b, c = Part("a"), Part("b"), Other("c")
    optim = BindingOptim(
        {(c,)},
        [
            Step([unfreeze(a, "x")]),
            Step([unfreeze(c, "x")]),
            Step([unfreeze(b, "x"), unfreeze(a, "x")]),
        ],
    )
    optim.merge_binding_optim()
    assert [step.calls for step in optim.steps] == [
        [unfreeze(a, "x"), unfreeze(b, "x")],
        [unfreeze(c, "x")],
    ]


def test_unfreezing_everything_moves_to_the_end_and_repeats_are_dropped():
    root, part = Part("root"), Other("part")
    shift = Call(part, "update_footprint", {"left_shift": 1})
    optim = BindingOptim(
        {(root, part)},
        [
            Step([unfreeze(root)]),
            Step([shift, shift], greedy=True),
            Step([shift], greedy=True),
            Step([]),
        ],
    )
    optim.merge_binding_optim()
    assert optim.steps == [Step([shift], greedy=True), Step([unfreeze(root)])]
    once = list(optim.steps)
    optim.merge_binding_optim()
    assert optim.steps == once


def test_an_equal_step_is_appended_once():
    part = Part()
    optim = BindingOptim(set(), [])
    optim.append_unless_present(Step([unfreeze(part)]))
    optim.append_unless_present(Step([unfreeze(part)]))
    assert len(optim.steps) == 1
