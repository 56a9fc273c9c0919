"""What package-lock.json of a folder names, from npm's registry."""

import fcntl
import pathlib
import subprocess

from namespaces import outside


def install(folder: pathlib.Path, *options: str) -> None:
    """Installs it into the folder, unless it is there already. Several processes may ask at a time."""
    installed, wanted = folder / "node_modules" / ".package-lock.json", folder / "package-lock.json"
    with wanted.open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if installed.exists() and installed.stat().st_mtime >= wanted.stat().st_mtime:
            return
        with outside():
            subprocess.run(["npm", "ci", "--no-audit", "--no-fund", *options], cwd=folder, check=True, timeout=300)
