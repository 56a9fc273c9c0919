"""What a unit file takes from its service, for a service that systemd does not start: user, capabilities, system calls.

As a program: sandbox.py UNIT COMMAND..., run by the service's user without new privileges, installs the unit's filters
of system calls and becomes the command.
"""

import errno
import os
import pathlib
import re
import subprocess
import sys
from typing import Dict, List, Set

PROT_WRITE, PROT_EXEC = 2, 4


def settings(unit: pathlib.Path) -> Dict[str, List[str]]:
    """The settings of a unit; each has a value for every time it is given."""
    found: Dict[str, List[str]] = {}
    for name, value in re.findall(r"^(\w+)=(.*)$", unit.read_text(), re.MULTILINE):
        found.setdefault(name, []).append(value)
    return found


def _call_sets() -> Dict[str, List[str]]:
    """systemd's own sets of system calls: by name, their members, which may be sets again."""
    listed = subprocess.run(["systemd-analyze", "syscall-filter"], capture_output=True, text=True, check=True).stdout
    sets: Dict[str, List[str]] = {}
    members: List[str] = []
    for line in listed.splitlines():
        if re.match(r"(\x1b\[[\d;]*m)*@", line):
            members = sets.setdefault(re.sub(r"\x1b\[[\d;]*m", "", line).strip(), [])
        elif line.startswith("    ") and not line.strip().startswith("#"):
            members.append(line.strip())
    return sets


def allowed_calls(unit: pathlib.Path) -> Set[str]:
    """The system calls that SystemCallFilter leaves: allowed sets, less those after a `~`."""
    sets = _call_sets()

    def expand(word: str) -> Set[str]:
        return set().union(*map(expand, sets[word])) if word.startswith("@") else {word}

    allowed = expand("@default")
    for value in settings(unit)["SystemCallFilter"]:
        calls = set().union(*map(expand, value.removeprefix("~").split()))
        allowed = allowed - calls if value.startswith("~") else allowed | calls
    return allowed


def command(program: pathlib.Path, unit: pathlib.Path, user: str) -> List[str]:
    """What goes before a command, so that it runs as the unit has it, but as `user`. As root. `program` is this file,
    where that user may read it."""
    (ambient,) = settings(unit)["AmbientCapabilities"]
    (bounding,) = settings(unit)["CapabilityBoundingSet"]
    assert ambient.split() == bounding.split()
    kept = "".join(f",+{name.removeprefix('CAP_').lower()}" for name in ambient.split())
    capabilities = [f"--{which}=-all{kept}" for which in ("inh-caps", "ambient-caps", "bounding-set")]
    return ["setpriv", f"--reuid={user}", "--regid=nogroup", "--clear-groups", *capabilities, "--no-new-privs",
            sys.executable, str(program), str(unit)]  # fmt: skip


def install_filters(unit: pathlib.Path) -> None:
    """SystemCallFilter, RestrictAddressFamilies and MemoryDenyWriteExecute, for this process and its children."""
    import seccomp

    (error,) = settings(unit)["SystemCallErrorNumber"]
    refused = seccomp.ERRNO(getattr(errno, error))
    rules = seccomp.SyscallFilter(defaction=refused)
    for name in allowed_calls(unit) - {"socket", "mmap", "mprotect"}:
        try:
            rules.add_rule(seccomp.ALLOW, name)
        except (RuntimeError, ValueError):
            continue  # this kernel has no such call
    (families,) = settings(unit)["RestrictAddressFamilies"]
    for family in families.split():
        rules.add_rule(seccomp.ALLOW, "socket", seccomp.Arg(0, seccomp.EQ, getattr(__import__("socket"), family)))
    assert settings(unit)["MemoryDenyWriteExecute"] == ["yes"]
    for protection in (0, PROT_WRITE):
        rules.add_rule(seccomp.ALLOW, "mmap", seccomp.Arg(2, seccomp.MASKED_EQ, PROT_WRITE | PROT_EXEC, protection))
    rules.add_rule(seccomp.ALLOW, "mmap", seccomp.Arg(2, seccomp.MASKED_EQ, PROT_WRITE | PROT_EXEC, PROT_EXEC))
    rules.add_rule(seccomp.ALLOW, "mprotect", seccomp.Arg(2, seccomp.MASKED_EQ, PROT_EXEC, 0))
    rules.load()


def main() -> None:
    install_filters(pathlib.Path(sys.argv[1]))
    os.execv(sys.argv[2], sys.argv[2:])


if __name__ == "__main__":
    main()
