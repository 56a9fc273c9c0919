"""Every test's files lie in one directory of this process of tests, which goes with it unless a test failed.

`./dev test` runs two such processes side by side (pytest-xdist), file by file, beside them a third one with the tests
of sources, and then by themselves the tests that are marked `alone`: those that measure, or that load decides about. Side
by side, nothing is shared: each process has a network of its own, and the names of its namespaces and directories have
its pid in them.
"""

import shutil

from namespaces import clear_leftovers, move_to_own_network, work_directory

# What takes longest goes first, so that no process is left alone with it at the end.
LONGEST = (
    "cases_test.py", "simulated_cases_test.py", "ledger_copies_test.py", "ledger_durability_test.py", "service_checks_test.py",
    "page_test.py", "ledger_start_test.py", "ledger_coap_test.py", "confirmed_change_test.py", "flow_identity_test.py",
)  # fmt: skip


def is_beside_others(config) -> bool:
    """Whether this is one of several processes; the one that hands out the tests is none."""
    return hasattr(config, "workerinput")


def pytest_configure(config):
    if is_beside_others(config):
        move_to_own_network()
        # Not where the others' is: the path of a socket has room for 107 bytes.
        config.option.basetemp = None
    else:
        clear_leftovers()
    if config.option.basetemp is None:
        config.option.basetemp = str(work_directory() / "pytest")


def pytest_collection_modifyitems(items):
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.name, len(LONGEST)))


def pytest_sessionfinish(session):
    if not session.testsfailed:
        shutil.rmtree(work_directory(), ignore_errors=True)
