"""What a Quadlet file says, as arguments of `podman run`: podman-systemd.unit(5), for the keys that ours has.

Debian 12 has podman without Quadlet's generator, so that the file is read here. A key that is not known here is an
error: nobody is to believe that it was tried.
"""

import pathlib
import shlex
from typing import Dict, List

ONE = {
    "ContainerName": "--name={}",
    "Network": "--network={}",
    "User": "--user={}",
    "Volume": "--volume={}",
    "Tmpfs": "--tmpfs={}",
    "AddDevice": "--device={}",
}
WORDS = {"DropCapability": "--cap-drop={}", "AddCapability": "--cap-add={}"}
CLAIMS = {"NoNewPrivileges": "--security-opt=no-new-privileges", "ReadOnly": "--read-only", "Notify": "--sdnotify=container"}


def sections(file: pathlib.Path) -> Dict[str, List[List[str]]]:
    """Keys and values of each section, in their order."""
    found: Dict[str, List[List[str]]] = {}
    for line in file.read_text().splitlines():
        if line.startswith("["):
            entries = found.setdefault(line.strip("[]"), [])
        elif line and not line.startswith("#"):
            entries.append(line.split("=", 1))
    return found


def run_arguments(file: pathlib.Path) -> List[str]:
    """All up to the image, and that."""
    arguments, image = [], ""
    for key, value in sections(file)["Container"]:
        if key == "Image":
            image = value
        elif key in ONE:
            arguments.append(ONE[key].format(value))
        elif key in WORDS:
            arguments += [WORDS[key].format(word.lower()) for word in value.split()]
        elif key in CLAIMS:
            assert value == "true", key
            arguments.append(CLAIMS[key])
        elif key == "PodmanArgs":
            arguments += shlex.split(value)
        else:
            raise AssertionError(f"{file}: {key} is not known here")
    return [*arguments, image]
