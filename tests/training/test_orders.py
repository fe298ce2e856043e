"""The order in which samples are drawn."""

import pytest
import torch

from domadapt.training.orders import EndlessPermutations


@pytest.mark.parametrize("batch_size", [1, 3, 7, 10])
def test_every_sample_is_drawn_equally_often(batch_size):
    order = EndlessPermutations(10, seed=0)
    index = torch.cat([order.take(3, batch_size).flatten() for _ in range(10)])
    counts = index.bincount(minlength=10)
    assert counts.max() - counts.min() <= 1
    assert len(index) == 30 * batch_size


def test_permutations_differ_and_follow_the_seed():
    first, again, other = (EndlessPermutations(50, seed=s).take(2, 50).tolist() for s in (0, 0, 1))
    assert first == again
    assert first != other
    assert first[0] != first[1]
    assert sorted(first[0]) == list(range(50))


def test_a_restored_order_resumes_in_the_middle_of_a_permutation():
    order, other = EndlessPermutations(10, seed=0), EndlessPermutations(10, seed=1)
    order.take(1, 7)
    other.restore(order.state())
    assert torch.equal(other.take(3, 4), order.take(3, 4))
