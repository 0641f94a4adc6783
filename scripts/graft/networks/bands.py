"""Networks for images that are neither grey nor red, green and blue: an input for each band."""

from timm.models import adapt_input_conv
from torch import nn

from graft.common.errors import UserError


def take_bands(module, count):
    """Give an image network, in place, `count` input channels instead of 3; the module.

    The weights of its first convolution are repeated for the bands in turn and scaled by 3 / count, as timm does for `in_chans`: the
    output keeps its size.
    """
    first = next((one for one in module.modules() if isinstance(one, nn.Conv2d)), None)
    if first is None or first.in_channels != 3:
        what = f"{module.spec['architecture']} does not begin with a convolution of 3 channels, which could take {count} bands"
        raise UserError(what, where="bands", allowed="one band, [4], or three, [4, 3, 2]; or another backbone")
    first.weight = nn.Parameter(adapt_input_conv(count, first.weight.detach()).contiguous())
    first.in_channels = count
    for one in (*module.modules(), *(one.config for one in module.modules() if hasattr(one, "config"))):
        if getattr(one, "num_channels", None) == 3:  # networks of transformers count what they are given
            one.num_channels = count
    return module
