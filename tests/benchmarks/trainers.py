"""transformers' Trainer on graft's data, at the settings that its documentation recommends for speed."""

import torch
from accelerate.state import AcceleratorState
from transformers import AutoModelForSequenceClassification, DataCollatorWithPadding, Trainer, TrainingArguments

from graft.networks import backbones
from graft.networks.backbones.transformers import make_config


def classifier(folder, classes, **options):
    """A fetched text backbone as the classification model that users take from the library."""
    spec = backbones.load(folder).spec
    config = make_config({**spec["config"], **options})
    config.num_labels = classes
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_config(config)
    found = model.base_model.load_state_dict(backbones.load(folder).network.state_dict(), strict=False)
    if found.unexpected_keys or any("pooler" not in name for name in found.missing_keys):
        raise RuntimeError(f"another network: {found}")
    return model


def trained(model, train, validation, folder, collator=None, **settings):
    """Train for `num_train_epochs` and evaluate after each; the model.

    accelerate keeps one precision per process; it is forgotten before and after, so that every side can have its own.
    """
    AcceleratorState._reset_state(reset_partial_state=True)
    arguments = TrainingArguments(
        output_dir=str(folder),
        use_cpu=True,
        report_to=[],
        save_strategy="no",
        logging_strategy="no",
        eval_strategy="epoch",
        lr_scheduler_type="cosine",
        warmup_steps=0.1,
        weight_decay=0.05,
        disable_tqdm=True,
        seed=0,
        **settings,
    )
    Trainer(model, arguments, data_collator=collator, train_dataset=train, eval_dataset=validation).train()
    AcceleratorState._reset_state(reset_partial_state=True)
    return model.eval()


def dynamic_padding(tokenizer):
    """Pads a batch to its longest text."""
    return DataCollatorWithPadding(tokenizer)


def padded_to(tokenizer, length):
    """Pads every text to `length`, as the notebooks do."""
    return DataCollatorWithPadding(tokenizer, padding="max_length", max_length=length)
