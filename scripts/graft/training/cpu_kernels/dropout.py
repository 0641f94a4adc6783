"""Dropout and attention for training on a CPU.

torch draws one random number of 32 bits after the other for each element, which takes a fifth of a training step of a small
text network; 16 bits per element will do. With dropout of the attention weights torch leaves its quick attention, too.
"""

import torch
import torch.nn.functional as functional

LEVELS = 1 << 16  # of a random number
SHORT = 512  # tokens up to which the whole matrix of attention weights is the faster way


def dropout(input, p=0.5, training=True, inplace=False):
    """As torch's, with p rounded to 1/65536; what stays is scaled by exactly what was kept on average."""
    cut = round(p * LEVELS)
    if not training or not 0 < cut < LEVELS or input.device.type != "cpu":
        return functional.dropout(input, p, training, inplace)
    words = torch.empty(-(-input.numel() // 4), dtype=torch.int64).random_(-(2**63), None)
    kept = words.view(torch.int16)[: input.numel()].view(input.shape) >= cut - LEVELS // 2
    return input * (kept.to(input.dtype) * (LEVELS / (LEVELS - cut)))


def plain_attention(query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None, enable_gqa=False):
    """Attention by its definition (Vaswani et al. 2017, eq. 1): softmax(query key' scale + mask) value.

    For short texts three plain operations in bfloat16 are faster, backward above all, than torch's fused attention.
    """
    if dropout_p or is_causal or enable_gqa or key.shape[-2] > SHORT:
        return functional.scaled_dot_product_attention(
            query, key, value, attn_mask, dropout_p, is_causal, scale=scale, enable_gqa=enable_gqa
        )
    weights = (query * (query.shape[-1] ** -0.5 if scale is None else scale)) @ key.transpose(-1, -2)
    if attn_mask is not None:
        weights = weights.masked_fill(~attn_mask, -torch.inf) if attn_mask.dtype == torch.bool else weights + attn_mask
    with torch.autocast(query.device.type, enabled=False):  # its softmax would go to float32 and back
        return weights.softmax(-1).to(value.dtype) @ value
