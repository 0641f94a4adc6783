"""Networks for images that are neither grey nor red, green and blue: an input for each band."""

from timm.models import adapt_input_conv
from torch import nn

from graft.common.errors import UserError


def take_bands(module, count):
    """Give an image network, in place, `count` input channels instead of 3; the module.

    The weights of the convolutions that read three channels are repeated for the bands in turn and scaled by 3 / count, as timm does for `in_chans`: the
    output keeps its size.
    """
    convolutions = [one for one in module.modules() if isinstance(one, nn.Conv2d)]
    if not convolutions or convolutions[0].in_channels != 3:
        what = f"{module.spec['architecture']} does not begin with a convolution of 3 channels, which could take {count} bands"
        raise UserError(what, where="bands", allowed="one band, [4], or three, [4, 3, 2]; or another backbone")
    for one in convolutions:  # a first layer of several branches has several
        if one.in_channels == 3 and one.groups == 1:
            one.weight = nn.Parameter(adapt_input_conv(count, one.weight.detach()).contiguous())
            one.in_channels = count
    for one in (*module.modules(), *(one.config for one in module.modules() if hasattr(one, "config"))):
        if getattr(one, "num_channels", None) == 3:  # networks of transformers count what they are given
            one.num_channels = count
    return module
