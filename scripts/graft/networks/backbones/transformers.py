"""Text backbones of transformers: any encoder or decoder, its token vectors pooled into one per text."""

import hashlib
import inspect
import logging
import re
from pathlib import Path

import torch
import transformers
from torch import nn

from graft.common.errors import UserError, first_line, raise_all
from graft.common.outputs import read_json, sha256_of
from graft.networks import symbols
from graft.networks.backbones import chosen
from graft.networks.own_training import network_in
from graft.networks.pooling import pool, said_beside
from graft.networks.weights import load_strictly

logger = logging.getLogger("graft")

MODALITY = "text"
TOKENIZER_FILES = ("tokenizer*", "vocab*", "merges.txt", "special_tokens_map.json", "added_tokens.json", "*.model")
ATTENTION_DROPOUT = re.compile("att.*drop|drop.*att")  # attention_probs_dropout_prob, attention_dropout, attn_pdrop ..
CLASSIFIES = "ForSequenceClassification"
UNBOUNDED = 10**9  # tokenizers without a limit say 10**30
WITHOUT_LIMIT = 512  # tokens to take where neither network nor tokenizer has a limit
TRIED = 1024  # longest input to try a network with


class TextEncoder(nn.Module):
    """A transformers model and the pooling of its last layer."""

    def __init__(self, network, pooling, normalize):
        super().__init__()
        self.network, self.pooling, self.normalize = network, pooling, normalize

    def forward(self, inputs):
        """Embeddings, shape (n, width), of input_ids and attention_mask, each int64 of shape (n, tokens)."""
        mask = inputs["attention_mask"]
        hidden = self.network(input_ids=inputs["input_ids"], attention_mask=mask).last_hidden_state.float()
        embedding = pool(hidden, mask, self.pooling)
        return nn.functional.normalize(embedding, dim=-1) if self.normalize else embedding


def describe(entry, folder):
    home = model_folder(folder)
    config = read_config(home, entry.get("architecture"))
    kind, words = _words(entry, folder, config)
    if kind in symbols.PATTERNS and not entry.get("tokenizer"):
        logger.info("the words of vocab.txt are %s: texts are cut into these (`tokenizer: %s`)", kind, kind)
    if len(words) > config.vocab_size:
        raise UserError(
            f"the tokenizer has {len(words)} tokens, the network {config.vocab_size}",
            hint="are both of the same model?",
        )
    sentence = _read_optional(home / "sentence_bert_config.json")
    limits = [words.model_max_length, _longest(config), sentence.get("max_seq_length")]
    longest = min((limit for limit in limits if limit and limit < UNBOUNDED), default=WITHOUT_LIMIT)
    defaults = {"max_length": longest, **said_beside(home, entry.get("pooling"))}
    preprocessing = chosen(entry, defaults)
    return {
        "architecture": config.model_type,
        "modality": "text",
        "config": config.to_diff_dict() | {"model_type": config.model_type},
        "preprocessing": preprocessing | {"tokenizer": f"{kind} {tokenizer_digest(beside(entry, folder))[:16]}"},
    }


def _longest(config):
    """How many tokens the network has positions for, or None; RoBERTa and its kin count from the pad token's id on."""
    with torch.device("meta"):
        layers = dict(network_of(config).named_modules())
    positions = next((layer for name, layer in layers.items() if name.endswith("position_embeddings")), None)
    if not isinstance(positions, nn.Embedding):
        return getattr(config, "max_position_embeddings", None)
    return positions.num_embeddings - (0 if positions.padding_idx is None else positions.padding_idx + 1)


def longest_input(spec):
    """See backbones.longest_input."""
    return _longest(make_config(spec["config"]))


def build(spec, folder=None, attention_dropout=False):
    """The network of spec["config"] (or of the folder's config.json), without pooler and head; no code is loaded."""
    config = make_config(spec["config"]) if "config" in spec else read_config(Path(folder))
    if not attention_dropout:
        _drop_no_attention(config)
    settings = spec["preprocessing"]
    return TextEncoder(network_of(config), settings["pooling"], settings["normalize"])


def _drop_no_attention(config):
    """Set every probability with which attention weights are dropped to 0, under any name in the architecture.

    In the network itself, so that it holds for every kernel, device and compiler.
    """
    for name, value in list(vars(config).items()):
        if ATTENTION_DROPOUT.search(name) and isinstance(value, float):
            setattr(config, name, 0.0)


def network_of(config):
    """The untrained network of a config, without pooler and head."""
    try:
        return transformers.AutoModel.from_config(config, add_pooling_layer=False, trust_remote_code=False)
    except TypeError:  # architectures that have no pooler do not know the option
        return transformers.AutoModel.from_config(config, trust_remote_code=False)


def take(state, spec, order):
    """The encoder's tensors, after the library's own renaming of older layouts; heads and poolers stay behind."""
    return fitted(state, build(spec).network)


def fitted(state, empty):
    """The tensors of a checkpoint under the names of `empty`, a model of transformers that they must fit."""
    network, info = _load(type(empty), empty.config, network_in(state, empty.state_dict()))
    prefix, parts = f"{empty.base_model_prefix}.", {name.split(".")[0] for name in empty.state_dict()}
    extra = [name for name in info["unexpected_keys"] if name.removeprefix(prefix).split(".")[0] in parts]
    extra = [
        name for name in extra if not name.endswith(("position_ids", "token_type_ids", "masked_bias", "attn.bias"))
    ]
    shapes = [f"{name} {tuple(found)} instead of {tuple(wanted)}" for name, found, wanted in info["mismatched_keys"]]
    problems = {
        "lacks": info["missing_keys"],
        "has, and the architecture lacks,": extra,
        "has other shapes for": shapes,
    }
    raise_all(
        [
            UserError(
                f"the checkpoint {what} {', '.join(sorted(names)[:5])}", hint="is the config.json that of the weights?"
            )
            for what, names in problems.items()
            if names
        ]
    )
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def head(state, spec, order):
    """What a checkpoint has beside the encoder: the classifier of a pair of texts, where its config names one; else nothing."""
    config = make_config(spec["config"])
    if not any(name.endswith(CLASSIFIES) for name in config.architectures or ()):
        return {}
    whole = transformers.AutoModelForSequenceClassification.from_config(config)
    network, info = _load(type(whole), config, state)
    if info["missing_keys"] or info["mismatched_keys"]:
        return {}
    encoder = {f"{network.base_model_prefix}.{name}" for name in build(spec).network.state_dict()}
    return {name: tensor.clone() for name, tensor in network.state_dict().items() if name not in encoder}


def pair_classifier(spec, encoder, head):
    """The whole network that answers pairs of texts, in eval mode; `encoder` and `head` are the two files' tensors."""
    network = transformers.AutoModelForSequenceClassification.from_config(make_config(spec["config"]))
    state = {f"{network.base_model_prefix}.{name}": tensor for name, tensor in encoder.items()}
    load_strictly(network, state | head)
    return network.eval()


def _load(kind, config, state):
    options = {"add_pooling_layer": False} if "add_pooling_layer" in inspect.signature(kind).parameters else {}
    level = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity(logging.CRITICAL)  # its report of unused keys is checked by `take` instead
    transformers.logging.disable_progress_bar()
    try:
        return kind.from_pretrained(
            None, config=config, state_dict=state, output_loading_info=True, ignore_mismatched_sizes=True, **options
        )
    finally:
        transformers.logging.set_verbosity(level)


def example(spec):
    length = min(spec["preprocessing"]["max_length"], TRIED)
    word = 1 + (spec["config"].get("pad_token_id") or 0)
    ids = torch.full((1, length), word % spec["config"].get("vocab_size", word + 1))
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


@torch.no_grad()
def refuse_blind(network):
    """Refuse to pool by the first token where it sees no other: the same vector for all texts with equal starts."""
    pooling = network.pooling
    if "cls" not in ([pooling] if isinstance(pooling, str) else pooling):
        return
    some = torch.tensor([[1, 1, 1], [1, 2, 0]]) % network.network.config.vocab_size
    hidden = network.network(input_ids=some, attention_mask=torch.ones_like(some)).last_hidden_state
    if torch.allclose(hidden[0, 0], hidden[1, 0], rtol=0, atol=1e-7):
        raise UserError(
            f"pooling cls takes the first token, and in {network.spec['architecture']} it sees none of the others. So "
            "texts with the same first word would be equal",
            where="pooling",
            allowed="lasttoken, mean, weightedmean, max, mean_sqrt_len",
            hint="write `pooling: lasttoken` in the backbone's entry",
        )


def model_folder(folder):
    """The folder under `folder` that holds config.json."""
    found = sorted(Path(folder).rglob("config.json"), key=lambda path: (len(path.parts), str(path)))
    if not found:
        raise UserError(
            "the source holds no config.json",
            hint="transformers needs config.json beside the weights, and for texts the tokenizer's files",
        )
    return found[0].parent


def read_config(folder, model_type=None):
    """config.json as a transformers config; `model_type` is taken if the file does not say."""
    path = folder / "config.json"
    content = read_json(path)
    for name in ("config.json", "tokenizer_config.json"):
        if "auto_map" in _read_optional(folder / name):
            raise UserError(
                "the model brings its own Python code (auto_map); graft does not run code from data",
                where=str(folder / name),
                hint="take a model of an architecture that transformers has itself",
            )
    content["model_type"] = content.get("model_type") or model_type
    if not content["model_type"]:
        raise UserError(
            "names no model_type", where=str(path), hint="write it as the backbone's architecture, such as bert"
        )
    return make_config(content)


def make_config(content):
    kind = content["model_type"]
    if kind not in transformers.CONFIG_MAPPING:
        raise UserError(f"transformers has no architecture '{kind}'", where="model_type")
    config = transformers.CONFIG_MAPPING[kind].from_dict(
        {key: value for key, value in content.items() if key != "model_type"}
    )
    if config.is_encoder_decoder:
        raise UserError(
            f"'{kind}' is an encoder with a decoder", where="model_type", allowed="encoders, or decoders alone"
        )
    config.dtype = torch.float32
    return config


def tokenizer(folder, config=None):
    """The folder's tokenizer, from local files alone; without a pad token the end-of-text token is used."""
    try:
        words = transformers.AutoTokenizer.from_pretrained(
            str(folder), config=config, local_files_only=True, trust_remote_code=False
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"holds no tokenizer that transformers can read ({first_line(error)})",
            where=str(folder),
            hint="tokenizer.json, or files such as vocab.txt, must be beside config.json",
        ) from error
    if words.pad_token is None:
        words.pad_token = words.eos_token
    if words.pad_token is None:
        raise UserError("the tokenizer has neither a pad token nor an end-of-text token", where=str(folder))
    return words


def words(entry, folder):
    """The tokenizer of a source."""
    return _words(entry, folder)[1]


def _words(entry, folder, config=None):
    """The kind and the tokenizer of a source: made from its list of words if that lists symbols, else transformers' own."""
    home = model_folder(folder)
    path = symbols.word_list(home, folder)
    kind = symbols.kind_of(path, entry.get("tokenizer"))
    words = symbols.tokenizer(kind, path) if kind else tokenizer(home, config)
    return kind or type(words).__name__, words


def beside(entry, folder):
    """What is kept beside the weights, {file name: bytes}: all that a tokenizer is read from."""
    kind, words = _words(entry, folder)
    if kind in symbols.PATTERNS:
        return symbols.files(words)
    return {path.name: path.read_bytes() for path in tokenizer_files(model_folder(folder))}


def tokenizer_files(folder):
    """Paths of the tokenizer's files."""
    return sorted({path for pattern in TOKENIZER_FILES for path in Path(folder).glob(pattern) if path.is_file()})


def _read_optional(path):
    return read_json(path) if path.is_file() else {}


def tokenizer_digest(files):
    """Digest of the tokenizer's files, so that stored token ids never outlive their tokenizer."""
    return sha256_of(*(part for name, data in files.items() for part in (name, hashlib.sha256(data).hexdigest())))
