"""The registry of users does not keep them alive and is left behind by copies."""

import copy
import gc
import pickle

from pyprobound.users import Users


class User:
    pass


def test_users_are_kept_once_and_in_order():
    first, second = User(), User()
    users = Users()
    for user in (first, second, first):
        users.add(user)
    assert list(users) == [first, second]
    assert len(users) == 2
    assert first in users
    users.discard(first)
    assert list(users) == [second]
    assert first not in users
    assert "User" in repr(users)


def test_users_are_not_kept_alive():
    users = Users()
    user = User()
    users.add(user)
    del user
    gc.collect()
    assert len(users) == 0


def test_copies_start_empty():
    users = Users()
    user = User()
    users.add(user)
    assert len(copy.deepcopy(users)) == 0
    assert len(pickle.loads(pickle.dumps(users))) == 0
