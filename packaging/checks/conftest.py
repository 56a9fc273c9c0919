"""A clean Debian root for all checks, and the same as an archive, from before anything was done to it."""

import os
import pathlib
import shutil
import subprocess

import pytest

from clean_root import CleanRoot

PACKAGES = pathlib.Path(os.environ.get("SLUICE_BUILD", pathlib.Path(__file__).resolve().parents[2] / "build")) / "packages"


@pytest.fixture(scope="session")
def packages():
    """The folder with the packages."""
    return PACKAGES


@pytest.fixture(scope="session")
def root(tmp_path_factory):
    made = CleanRoot(tmp_path_factory.mktemp("root") / "root")
    made.archive = made.directory.parent / "root.tar"
    subprocess.run(["tar", "--create", "--file", made.archive, "--directory", made.directory, "--one-file-system", "."], check=True)
    inside = made.directory / "packages"
    inside.mkdir()
    for name in ("sluice", "sluice-doc"):
        (file,) = PACKAGES.glob(f"{name}_*.deb")
        shutil.copy(file, inside)
    yield made
    made.remove()
