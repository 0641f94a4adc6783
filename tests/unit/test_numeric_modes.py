"""`make tune`: what is proposed is faster than the default rule's choice, and close to float32."""

from graft.common.outputs import write_json
from graft.training.numeric_modes import proposal, propose

DEFAULT = {"engine": "torch", "precision": "bf16", "layout": "channels_last"}


def mode(precision, layout, embedded, trained, cosine=1.0):
    return {
        "engine": "torch",
        "precision": precision,
        "layout": layout,
        "embedded_per_s": embedded,
        "trained_per_s": trained,
        "cosine": cosine,
    }


def test_nothing_is_proposed_where_the_default_is_the_fastest_or_nearly():
    assert propose([mode("bf16", "channels_last", 100, 50), mode("fp32", "channels_last", 104, 52)], DEFAULT) == {}


def test_forward_and_training_are_proposed_apart():
    modes = [mode("bf16", "channels_last", 100, 50), mode("fp32", "channels_last", 60, 80)]
    assert propose(modes, DEFAULT) == {"training_precision": "fp32"}
    modes = [mode("bf16", "channels_last", 100, 50), mode("fp32", "contiguous", 200, 80)]
    assert propose(modes, DEFAULT) == {"precision": "fp32", "layout": "contiguous"}


def test_a_mode_that_is_far_from_float32_is_not_proposed_however_fast():
    modes = [mode("bf16", "channels_last", 100, 50, 0.99), mode("fp32", "channels_last", 60, 20)]
    assert propose(modes, DEFAULT)["precision"] == "fp32"


def test_the_proposal_can_be_pasted_into_a_config(tmp_path):
    import yaml

    modes = [mode("bf16", "channels_last", 100, 50), mode("fp32", "channels_last", 60, 80)]
    found = {"device": "cpu", "threads": 2, "modes": modes, "default": DEFAULT}
    write_json(tmp_path / "cells.net.json", {**found, "proposed": propose(modes, DEFAULT)})
    text = proposal([tmp_path / "cells.net.json"])
    pasted = yaml.safe_load(text.split("To write into your config:\n")[1])
    assert pasted == {"device": {"backbones": {"net": {"training_precision": "fp32"}}}}
    write_json(tmp_path / "cells.net.json", {**found, "proposed": {}})
    assert "nothing to write down" in proposal([tmp_path / "cells.net.json"])
