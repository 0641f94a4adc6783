"""What a run does first where not everything can run at once: what shows first results, before what takes long."""

import re

from running import ROOT


def priorities():
    """Rule -> its priority; a rule that is made of another has the other's unless it names its own."""
    found = {}
    for path in sorted((ROOT / "rules").glob("*.smk")):
        blocks = re.split(r"^(?=(?:rule|checkpoint|use rule) )", path.read_text(), flags=re.MULTILINE)
        for block in blocks[1:]:
            names = re.match(r"(?:rule|checkpoint) (\w+)|use rule (\w+) as (\w+)", block).groups()
            own = re.search(r"^    priority:\s+(\d+)$", block, re.MULTILINE)
            found[names[0] or names[2]] = int(own.group(1)) if own else found.get(names[1], 0)
    return found


def test_heads_and_their_predictions_go_before_long_trainings_and_so_does_all_that_they_wait_for():
    rules = priorities()
    long = ("finetune", "finetune_fold", "adapt", "distill", "embed_model", "embed_model_shard")
    first = ("fit_head", "adapt_head", "predict", "few_shot", "zero_shot")
    waited_for = ("fetch_dataset", "fetch_backbone", "prepare_data", "embed", "embed_shard")
    slowest = max(rules[name] for name in long)
    assert min(rules[name] for name in (*first, *waited_for)) > slowest
    assert min(rules[name] for name in first) > rules["embed"]  # first results before the next backbone's embeddings
