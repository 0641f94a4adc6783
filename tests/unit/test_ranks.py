"""Each rank forwards its share of a batch, and the shares make the whole batch again."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from graft.common import ranks


@pytest.fixture
def as_rank(monkeypatch):
    """A function that makes this process rank `number` of `count`."""

    def become(number, count):
        monkeypatch.setenv(ranks.OURS, str(count))
        monkeypatch.setenv("RANK", str(number))

    return become


def test_a_process_alone_forwards_all_and_gathers_nothing():
    outputs = torch.rand(5, 2)
    assert ranks.share(5).tolist() == [0, 1, 2, 3, 4]
    assert ranks.gather(outputs, 5) is outputs
    assert ranks.agree(15, 1, "cpu") == 15


def test_ranks_ask_each_other_at_some_steps_only_and_stop_together(as_rank, monkeypatch):
    """Each question is a transfer, so not every step asks; whoever was told to stop stops all."""
    as_rank(1, 2)
    asked = []

    def all_reduce(most, how):
        asked.append(int(most))
        most.fill_(max(int(most), 15))

    monkeypatch.setattr(torch.distributed, "all_reduce", all_reduce)
    assert [ranks.agree(15, step, "cpu") for step in range(1, ranks.AGREE)] == [0] * (ranks.AGREE - 1) and not asked
    assert ranks.agree(0, ranks.AGREE, "cpu") == 15 and asked == [0]


@given(size=st.integers(1, 50), count=st.integers(2, 8))
def test_the_shares_are_equally_long_and_make_the_batch_in_its_order(size, count):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(ranks.OURS, str(count))
        shares = []
        for number in range(count):
            patch.setenv("RANK", str(number))
            shares.append(ranks.share(size))
    assert len({len(share) for share in shares}) == 1
    assert np.stack(shares, 1).ravel()[:size].tolist() == list(range(size))


def test_gathered_outputs_follow_the_batch_and_only_the_own_ones_have_a_gradient(as_rank, monkeypatch):
    as_rank(1, 2)
    batch = torch.arange(6.0).reshape(3, 2)
    shares = [[0, 2], [1, 0]]  # the first sample is repeated for the fourth, which is not there

    def all_gather(parts, own):
        assert torch.equal(own, batch[shares[1]])
        for part, share in zip(parts, shares, strict=True):
            part.copy_(batch[share])

    monkeypatch.setattr(torch.distributed, "all_gather", all_gather)
    own = batch[ranks.share(3)].requires_grad_()
    gathered = ranks.gather(own, 3)
    assert torch.equal(gathered, batch)
    gathered.sum().backward()
    assert own.grad.tolist() == [[1, 1], [0, 0]]


def test_a_site_that_sets_the_number_of_processes_for_its_own_purposes_changes_nothing(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setenv("RANK", "3")
    assert ranks.count() == 1 and ranks.is_first()
