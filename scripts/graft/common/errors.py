"""The one error class for users: what is wrong, where, what is allowed, what to do."""

import difflib

REASON = "graft cannot continue:\n"  # what comes before such an error in a log and on the terminal


class UserError(Exception):
    """A mistake that the user can fix. Shown as a message, never as a traceback.

    Parameters
    ----------
    what : str
        What is wrong, in one sentence.
    where : str, optional
        The config key, or the file and row.
    allowed : str, optional
        What would have been accepted.
    hint : str, optional
        What to do now.
    """

    def __init__(self, what, where=None, allowed=None, hint=None):
        self.what, self.where, self.allowed, self.hint = what, where, allowed, hint
        super().__init__(str(self))

    def __str__(self):
        lines = [f"{self.where}: {self.what}" if self.where else self.what]
        if self.allowed:
            lines.append(f"    allowed: {self.allowed}")
        if self.hint:
            lines.append(f"    hint:    {self.hint}")
        return "\n".join(lines)


class UserErrors(UserError):
    """Several mistakes, shown together so that they can be fixed together."""

    def __init__(self, errors):
        self.errors = list(errors)
        super().__init__(f"{len(self.errors)} problems")

    def __str__(self):
        if len(self.errors) == 1:
            return str(self.errors[0])
        return "\n".join([f"{len(self.errors)} problems:", *(f"  {i}. {e}" for i, e in enumerate(self.errors, 1))])


def raise_all(errors):
    """Raise one error that shows all of `errors`; do nothing if there are none."""
    if errors:
        raise UserErrors(errors)


def did_you_mean(word, options):
    """A hint that names the closest of `options`, or None if none is close."""
    close = difflib.get_close_matches(str(word), [str(option) for option in options], n=1, cutoff=0.6)
    return f"did you mean '{close[0]}'?" if close else None


def first_line(error):
    """What another library's error says, in one line of at most 300 characters; its type if it says nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]
