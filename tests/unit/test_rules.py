"""What every rule has to do, told from the text of the rules."""

import builtins
import dis
import re
from types import CodeType, FunctionType

from snakemake.api import SnakemakeApi
from snakemake.settings.types import ConfigSettings, OutputSettings, Quietness, ResourceSettings

from running import ROOT

RULE = re.compile(r"^(?:rule|checkpoint|use rule) ([^\n]+):\n(.*?)(?=^\S|\Z)", re.MULTILINE | re.DOTALL)
INPUTS = re.compile(r"^    input:\n((?:        [^\n]*\n)+)", re.MULTILINE)
ASKING = re.compile(r"^@below_prepare_data\ndef (\w+)\(", re.MULTILINE)
ABOVE = {"fetch_dataset", "fetch_backbone", "prepare_data"}
TEXT = "\n".join(path.read_text() for path in [ROOT / "Snakefile", *sorted((ROOT / "rules").glob("*.smk"))])


def not_asking(text):
    """The rules below prepare_data that make a file, and whose inputs come through no function that asks this checkpoint."""
    asking = set(ASKING.findall(text))
    makers = {name: body for name, body in RULE.findall(text) if "    output:" in body and name not in ABOVE}
    assert len(makers) > 20
    own = {name: body for name, body in makers.items() if "    input:" in body or " as " not in name}  # or another's
    inputs = {name: " ".join(INPUTS.findall(body)) for name, body in own.items()}
    return {name for name, found in inputs.items() if not asking & set(re.findall(r"\w+", found))}


def test_a_rule_depends_on_the_modules_of_the_figures_that_it_draws():
    drawing = {name: body for name, body in RULE.findall(TEXT) if re.search(r'code_digest\(\s*"plot",', body)}
    assert len(drawing) == 10
    for name, body in drawing.items():
        drawn = re.findall(r"^        (\w+)=(?:report|model_figure)\(", body, re.MULTILINE)
        assert drawn == re.findall(r"\w+", re.search(r"figure=\[(.*?)\]", body, re.DOTALL).group(1)), name


def test_who_names_resources_names_memory_and_time():
    """Also a rule that is made of another: the resources of that are then gone."""
    blocks = re.findall(r"^    resources:\n((?:        .*\n)+)", TEXT, re.MULTILINE)
    assert len(blocks) > 15 and all("mem_mb=" in block and "runtime=" in block for block in blocks)


def test_every_rule_below_prepare_data_asks_this_checkpoint():
    """One that does not would run again whenever prepare_data ran."""
    assert not_asking(TEXT) == set()


def test_a_rule_that_does_not_ask_is_found():
    forgotten = 'rule forgotten:\n    input:\n        "<results>/summary.csv",\n    output:\n        "x",\n'
    assert not_asking(TEXT + forgotten) == {"forgotten"}
    assert not_asking(TEXT.replace("unpack(few_shot_inputs)", '"<results>/x"')) == {"few_shot"}


def names_read(code):
    """The global names that a function's code reads, those of the functions in it included."""
    yield from (one.argval for one in dis.get_instructions(code) if one.opname == "LOAD_GLOBAL")
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from names_read(inner)


def test_every_name_that_a_function_of_the_rules_reads_is_there():
    """ruff does not look into rules: after a module was renamed, the end of a failed run once asked for its old name."""
    with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
        made = api.workflow(ResourceSettings(cores=1), ConfigSettings(config={}), snakefile=ROOT / "Snakefile")
        made.lint()
        known = made._workflow.globals
    own = [one for one in known.values() if isinstance(one, FunctionType) and one.__globals__ is known]
    assert len(own) > 80
    missing = {name for one in own for name in names_read(one.__code__)} - known.keys() - set(dir(builtins))
    assert not missing
