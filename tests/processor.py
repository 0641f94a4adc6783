"""What the processor that runs the tests can do."""

import pytest
import torch

from graft.common.device import precisions

needs_bf16 = pytest.mark.skipif(
    "bf16" not in precisions(torch.device("cpu")), reason="this processor convolves in float32 alone"
)
