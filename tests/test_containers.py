"""Tests of the lists and dictionaries of modules and parameters."""

import copy
import pickle

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import Linear, Parameter

from pyprobound.containers import TModuleList, TParameterDict, TParameterList


def module(i):
    return Linear(1, i, bias=False)


def tensor(i):
    return torch.full((i,), float(i))


def sizes(items):
    """What tells the elements of a list apart in these tests."""
    return [
        len(item) if isinstance(item, torch.Tensor) else item.out_features
        for item in items
    ]


LISTS = pytest.mark.parametrize(
    ("kind", "make"), [(TModuleList, module), (TParameterList, tensor)]
)


def check(container, wanted):
    assert len(container) == len(wanted)
    assert sizes(container) == wanted
    suffix = ".weight" if isinstance(container, TModuleList) else ""
    assert list(container.state_dict()) == [f"{i}{suffix}" for i in range(len(wanted))]
    assert sizes(reversed(container)) == wanted[::-1]
    assert all(item in container for item in container)


indices = st.integers(-7, 7)
slices = st.builds(
    slice,
    st.none() | indices,
    st.none() | indices,
    st.none() | st.sampled_from([-2, -1, 1, 2]),
)
changes = st.lists(
    st.one_of(
        st.tuples(st.just("insert"), indices),
        st.tuples(st.just("pop"), indices),
        st.tuples(st.just("append"), indices),
        st.tuples(st.just("set"), indices),
        st.tuples(st.just("delete"), indices | slices),
        st.tuples(st.just("extend"), indices),
    ),
    max_size=8,
)


@LISTS
@settings(deadline=None, max_examples=50)
@given(changes)
def test_d71_lists_change_like_lists(kind, make, steps):
    container, plain = kind(map(make, (1, 2, 3))), [1, 2, 3]
    for new, (action, index) in enumerate(steps, 4):
        try:
            change(plain, action, index, new, lambda i: i)
        except IndexError:
            with pytest.raises(IndexError):
                change(container, action, index, new, make)
        else:
            change(container, action, index, new, make)
        check(container, plain)


def change(items, action, index, new, make):
    match action:
        case "insert":
            items.insert(index, make(new))
        case "pop":
            items.pop(index)
        case "append":
            items.append(make(new))
        case "set":
            items[index] = make(new)
        case "delete":
            del items[index]
        case "extend":
            items.extend([make(new), make(new)])


@LISTS
@settings(deadline=None, max_examples=30)
@given(slices)
def test_slices_are_lists_of_the_same_kind_and_elements(kind, make, part):
    container = kind(map(make, range(1, 6)))
    sliced = container[part]
    assert type(sliced) is kind
    check(sliced, list(range(1, 6))[part])
    assert all(a is b for a, b in zip(sliced, list(container)[part], strict=True))


@LISTS
def test_d71_insert_takes_negative_indices(kind, make):
    container = kind([make(1), make(2)])
    container.insert(-1, make(3))
    check(container, [1, 3, 2])


@LISTS
def test_lists_behave_like_lists_otherwise(kind, make):
    container = kind([make(1), make(2)])
    last = container[-1]
    assert container.index(last) == 1
    assert container.pop() is last
    assert last not in container
    with pytest.raises(ValueError, match="does not hold"):
        container.index(last)
    assert container.append(make(3)) is container
    longer = container + kind([make(4)])
    check(longer, [1, 3, 4])
    assert type(longer) is kind
    container += [make(5)]
    check(container, [1, 3, 5])
    container[:2] = [make(6)]
    check(container, [6, 5])
    check(kind(), [])
    check(copy.deepcopy(container), [6, 5])
    check(pickle.loads(pickle.dumps(container)), [6, 5])
    with pytest.raises(IndexError):
        container[2]
    with pytest.raises(IndexError):
        container[2] = make(1)
    with pytest.raises(TypeError):
        container["0"]
    with pytest.raises(TypeError, match="str is not a"):
        container.append("text")
    check(container, [6, 5])


def test_modules_of_lists_are_registered():
    first, second = Linear(2, 1), Linear(1, 2)
    modules = TModuleList([first])
    modules.insert(0, second)
    assert [name for name, _ in modules.named_children()] == ["0", "1"]
    assert isinstance(modules, torch.nn.ModuleList)
    assert "(0)" in repr(modules)


def test_tensors_become_trainable_parameters():
    frozen = Parameter(torch.ones(2), requires_grad=False)
    parameters = TParameterList([torch.ones(1), frozen])
    assert isinstance(parameters[0], Parameter)
    assert parameters[0].requires_grad
    assert parameters[1] is frozen
    assert isinstance(parameters, torch.nn.ParameterList)
    assert "Parameter" in repr(parameters)
    with pytest.raises(TypeError, match="not by one"):
        parameters.extend(torch.ones(3))


def test_state_of_lists_is_loaded():
    source, target = TParameterList([tensor(2)]), TParameterList([torch.zeros(2)])
    target.load_state_dict(source.state_dict())
    assert target[0].tolist() == [2, 2]
    assert target.double()[0].dtype == torch.float64


# Names that torch's dictionary has for itself.
AWKWARD = ["training", "keys", "_parameters", "forward", "1:2", "0", "Δ", "_keys"]


def test_d71_any_key_is_possible_and_order_is_kept():
    items = {key: tensor(i) for i, key in enumerate(AWKWARD)}
    parameters = TParameterDict(items)
    assert list(parameters) == list(parameters.keys()) == AWKWARD
    assert list(parameters.state_dict()) == AWKWARD
    assert [name for name, _ in parameters.named_parameters()] == AWKWARD
    assert sizes(parameters.values()) == list(range(len(AWKWARD)))
    assert [key for key, _ in parameters.items()] == AWKWARD
    assert list(reversed(parameters)) == AWKWARD[::-1]
    # The container works although its keys look like its attributes.
    assert parameters.eval().training is False
    assert parameters.train().training is True
    parameters.double().requires_grad_(False)
    assert parameters["training"].dtype == torch.float64
    assert not parameters["keys"].requires_grad
    for loaded in (copy.deepcopy(parameters), pickle.loads(pickle.dumps(parameters))):
        assert list(loaded) == AWKWARD
        assert loaded.training
    parameters.load_state_dict(parameters.state_dict())


def test_dictionaries_behave_like_dictionaries():
    parameters = TParameterDict({"b": tensor(1), "a": tensor(2)})
    first = parameters["b"]
    assert isinstance(first, Parameter)
    assert isinstance(parameters, torch.nn.ParameterDict)
    assert "b" in parameters
    assert "c" not in parameters
    assert "training" not in parameters
    with pytest.raises(KeyError):
        parameters["training"]
    with pytest.raises(KeyError):
        del parameters["training"]
    assert parameters.get("c") is None
    assert parameters.get("b") is first
    parameters.update([("c", tensor(3)), ("b", tensor(4))])
    assert list(parameters) == ["b", "a", "c"]
    assert sizes(parameters.values()) == [4, 2, 3]
    assert len(parameters.pop("a")) == 2
    assert list(parameters) == ["b", "c"]
    assert parameters.popitem()[0] == "c"
    assert parameters.setdefault("d", tensor(5)) is parameters["d"]
    duplicate = parameters.copy()
    assert type(duplicate) is TParameterDict
    assert duplicate["d"] is parameters["d"]
    del duplicate["d"]
    assert len(parameters) == 2
    assert list(parameters | {"e": tensor(1)}) == ["b", "d", "e"]
    parameters.clear()
    assert list(parameters.parameters()) == []


@pytest.mark.parametrize(
    ("key", "error"), [("", KeyError), ("a.b", KeyError), (1, TypeError)]
)
def test_keys_are_names(key, error):
    with pytest.raises(error):
        TParameterDict()[key] = tensor(1)


def test_values_are_tensors():
    with pytest.raises(TypeError, match="float is not a tensor"):
        TParameterDict({"a": 1.0})
