"""Sums and shapes of window scores."""

import torch

from pyprobound.layers.windows import bin_changes, log_sum_windows, resized


def test_one_end_may_lose_more_than_there_was():
    values = torch.tensor([[[1.0, 2.0]]])
    assert resized(values, windows=(-3, 4)).tolist() == [[[0.0, 0.0, 0.0]]]
    assert resized(values, windows=(2, -1)).tolist() == [[[0.0, 0.0, 1.0]]]
    assert resized(values, lengths=(1, 0)).shape == (2, 1, 2)


def test_bins_are_counted_from_the_front():
    assert bin_changes(7, 1, 1, 3) == (0, 0)
    assert bin_changes(6, 1, 0, 3) == (1, 0)
    assert bin_changes(6, -1, 4, 3) == (0, 1)


def test_rows_without_windows_score_minus_infinity():
    windows = torch.full((2, 1, 3), -torch.inf)
    windows[1] = torch.tensor([0.0, 1.0, -torch.inf])
    windows.requires_grad_()
    log_hill = torch.tensor(0.3, requires_grad=True)
    scores = log_sum_windows(windows, log_hill)
    scores.sum().backward()
    assert scores[0].isneginf()
    assert windows.grad.isfinite().all()
    assert log_hill.grad.isfinite()
