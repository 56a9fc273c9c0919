"""Every test's files lie in one directory of this run, which goes with it unless a test failed."""

import shutil

from namespaces import clear_leftovers, work_directory


def pytest_configure(config):
    clear_leftovers()
    if config.option.basetemp is None:
        config.option.basetemp = str(work_directory() / "pytest")


def pytest_sessionfinish(session):
    if not session.testsfailed:
        shutil.rmtree(work_directory(), ignore_errors=True)
