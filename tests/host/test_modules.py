"""Views of modules."""

import torch
from torch import nn

from drnn_forecast.host import view_of


def test_a_view_of_what_several_processes_have_trained_runs_by_itself():
    module = nn.Sequential(nn.Linear(2, 1), nn.Dropout(0.5))
    module.forward = module.forward  # as Lightning's DDP leaves it
    view, seen = view_of(module).eval(), []
    view[0].register_forward_hook(lambda *_: seen.append(1))

    first, second = (view(torch.ones(1, 2)) for _ in range(2))

    assert torch.equal(first, second)
    assert seen == [1, 1]
    assert module.training
