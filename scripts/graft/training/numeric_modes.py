"""What `make tune` says of the numeric modes that it timed."""

from pathlib import Path

from graft.common.outputs import read_json

COSINE = 0.999  # embeddings in a mode that is proposed are at least this close to float32
WORTH = 1.05  # a mode is proposed instead of the default rule's if it is this much faster


def propose(modes, default):
    """What to write under `device.backbones`: keys whose best value is not the default rule's; {} if all is well.

    Parameters
    ----------
    modes : list of dict with engine, precision, layout, embedded_per_s, trained_per_s (samples) and cosine (with float32)
    default : dict, engine, precision and layout that the default rule takes
    """
    close = [mode for mode in modes if mode["cosine"] >= COSINE]
    usual = next(mode for mode in modes if all(mode[key] == value for key, value in default.items()))

    def best(rate, among):
        fastest = max(among, key=lambda mode: mode[rate])
        return fastest if usual not in among or fastest[rate] > WORTH * usual[rate] else usual

    forward = best("embedded_per_s", close)
    trained = best("trained_per_s", [mode for mode in modes if mode["layout"] == forward["layout"]])
    proposed = {key: forward[key] for key, value in default.items() if forward[key] != value}
    if trained["precision"] != forward["precision"]:
        proposed["training_precision"] = trained["precision"]
    return proposed


def proposal(paths):
    """The measured modes of every backbone (paths of tune's JSON files), and the config lines to write, as text."""
    lines, proposed = [], {}
    for path in map(Path, paths):
        found, name = read_json(path), path.stem.split(".", 1)[1]
        lines.append(f"{name}, {found['device']}, {found['threads']} threads; samples per second:")
        for mode in found["modes"]:
            usual = "  (the default)" if all(mode[key] == value for key, value in found["default"].items()) else ""
            lines.append(
                f"  {mode['engine']:<8} {mode['precision']} {mode['layout']:<13} embed {mode['embedded_per_s']:>8.1f}  train "
                f"{mode['trained_per_s']:>8.1f}  cosine with fp32 {mode['cosine']:.5f}{usual}"
            )
        if found["proposed"]:
            proposed[name] = found["proposed"]
    if not proposed:
        return "\n".join([*lines, "The defaults are the fastest here, or nearly: there is nothing to write down."])
    written = [f"    {name}: {{{', '.join(f'{k}: {v}' for k, v in keys.items())}}}" for name, keys in proposed.items()]
    return "\n".join([*lines, "To write into your config:", "device:", "  backbones:", *written])
