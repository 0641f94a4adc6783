"""A network from stored inputs on, as one module of torch with plain tensors as arguments: what OpenVINO converts."""

import torch


class Whole(torch.nn.Module):
    """Scale pixels as `ImageInputs.prepare` does, then run the network; of texts, the tensors in the order of their names.

    Parameters
    ----------
    names : list of str, of a text network's inputs; None for images
    pixels : dict, see input_batches.pixel_scale; None for texts
    """

    def __init__(self, network, names, pixels):
        super().__init__()
        self.network, self.names = network, names
        for name, value in (pixels or {}).items():
            self.register_buffer(name, torch.tensor(value, dtype=torch.float32), persistent=False)

    def forward(self, *tensors):
        if self.names is not None:
            return self.network(dict(zip(self.names, tensors, strict=True)))
        pixels = torch.addcmul(self.shift, tensors[0] - self.low, self.scale)
        return self.network(pixels.permute(0, 3, 1, 2))
