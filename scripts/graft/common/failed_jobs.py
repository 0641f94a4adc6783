"""Why the jobs of a run failed. Also for where only Snakemake is installed."""

import re
from pathlib import Path

from graft.common.errors import REASON

FAILED = re.compile(r"Error in rule (\S+):\n(?:    .*\n)*?    log: (.+?)(?:, \S+\.json)? \(check log")


def reasons(snakemake_logs):
    """Why the jobs of a run failed: for each its rule, the reason and the path of its log; "" if none did.

    Parameters
    ----------
    snakemake_logs : paths of Snakemake's own logs, which name the failed jobs' logs
    """
    text = "".join(Path(path).read_text(encoding="utf-8", errors="replace") for path in snakemake_logs)
    failed = dict.fromkeys((rule, log.split(", ")[0]) for rule, log in FAILED.findall(text))
    return "\n\n".join(f"{rule} failed: {_reason(Path(log))}\n  log: {log}" for rule, log in failed)


def _reason(log):
    try:
        text = log.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return "it wrote no log; it may have been killed (memory, time limit)"
    if REASON in text:
        return text.rsplit(REASON, 1)[1].split("\nThe whole log:")[0]
    passed_over = ("The whole log", "This is a fault in graft", " ")
    lines = [line for line in text.splitlines() if line.strip() and not _without_time(line).startswith(passed_over)]
    return lines[-1] if lines else "its log is empty; it may have been killed (memory, time limit)"


def _without_time(line):
    return re.sub(r"^\d\d:\d\d:\d\d ", "", line)
