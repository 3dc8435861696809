"""The profiles of the report, as far as other commands name them: their runs, and how to start one."""

from difflib import get_close_matches

from ..files import ROOT

PROFILES = ROOT / "report" / "profiles"


def report_command(profile: str | None, *options: str) -> str:
    """Return the command that runs the report of a profile.

    Raises:
        ValueError: if there is no such profile; the sentence says which there are.

    >>> report_command("full", "--only", "01")
    'python3 run.py report --profile full --only 01'
    """
    choices = sorted(path.stem for path in PROFILES.glob("*.yaml"))
    if profile and profile not in choices:
        close = get_close_matches(profile, choices, n=1)
        hint = f"did you mean {close[0]!r}?" if close else "choose from"
        raise ValueError(f"there is no profile {profile!r}: {hint} ({', '.join(choices)})")
    return " ".join(["python3 run.py report", *(["--profile", profile] if profile else []), *options])
