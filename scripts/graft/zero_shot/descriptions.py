"""What a network reads of each class: the user's descriptions or the cleaned class names, in templates."""

import re
from collections import Counter

from graft.common.errors import raise_all
from graft.config.errors import to_user_error
from graft.config.zero_shot_checks import class_problems

SEPARATORS = re.compile(r"(?<!\d)\.|\.(?!\d)|[\s_\-/\\:;,|+]+")  # 0.5 stays
CAMEL = re.compile(r"(?<=[a-z][a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def prompts(classes, settings, method, modality):
    """Class -> list of different texts: each of its descriptions in each template.

    Parameters
    ----------
    classes : list of str
    settings : dict, the task's in the plan: descriptions and templates, both may be None
    method : the plug-in's module, with its own templates
    modality : "text" or "image"

    Raises
    ------
    UserErrors
        If the descriptions are not those of the classes.
    """
    raise_all([to_user_error(one, {}) for one in class_problems(("zero_shot", settings["entry"]), settings, classes)])
    given = settings["descriptions"]
    described = given or dict(zip(classes, clean(classes), strict=True))
    templates = settings["templates"] or (method.DESCRIBED if given else method.NAMED)[modality]
    found = {}
    for name in classes:
        texts = described[name] if isinstance(described[name], list) else [described[name]]
        found[name] = list(dict.fromkeys(template.replace("{}", text) for text in texts for template in templates))
    return found


def clean(classes):
    """Class names as words: "sci.med" beside "sci.space" becomes "med".

    Separators become blanks, camel case is split (but not pH or mRNA), words with which all names begin are taken off (unless a name would
    be empty), digits stay. Names that would become equal, or nothing, stay as they are.
    """
    words = [SEPARATORS.sub(" ", CAMEL.sub(" ", name)).split() for name in classes]
    while len(classes) > 1 and all(len(one) > 1 for one in words) and len({one[0].casefold() for one in words}) == 1:
        words = [one[1:] for one in words]
    cleaned = [" ".join(one) for one in words]
    often = Counter(name.casefold() for name in cleaned)
    return [new if new and often[new.casefold()] == 1 else name for name, new in zip(classes, cleaned, strict=True)]
