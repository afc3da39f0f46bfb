"""What a system test needs to print TAP: run(tests, make) calls each test and reports it.

A test is a function; its docstring's first line is its name. It fails by an exception and skips
with Skip. `make` gives a context manager whose value the tests get: a cluster, as a rule, of which
the output is shown when one fails. A SIGTERM (meson's, at a timeout) unwinds everything, so that
what was started is ended.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
import traceback

SOURCE = os.environ.get("QUORATE_SOURCE") or os.path.abspath(f"{os.path.dirname(__file__)}/../..")
BUILD = os.environ.get("QUORATE_BUILD") or os.path.join(SOURCE, "build")
OUTPUT_LINES = 12
PRIVATE = "QUORATE_TEST_MOUNTS_PRIVATE"

sys.path.insert(0, os.path.join(SOURCE, "scripts"))

import cluster  # noqa: E402  pylint: disable=wrong-import-position

# Small files and windows: segments fill and change often, and a start takes little.
SMALL = {"storage": {"segment": "2M", "stride": "1M", "window": "4M", "entry_max": "256K",
                     "record_max": "256K", "segments_ahead": "2"}}


class Skip(Exception):
    """The test cannot be done here; the reason."""


class Failure(Exception):
    """What was expected did not hold."""


def check(condition, what):
    if not condition:
        raise Failure(what)


def equal(got, wanted, what):
    if got != wanted:
        raise Failure(f"{what}: {got!r}, expected {wanted!r}")


def diag(text):
    for line in str(text).splitlines():
        print(f"# {line}", flush=True)


def small_cluster(settings=None, **options):
    """A cluster with small files; `settings` on top of that."""
    merged = {section: dict(pairs) for section, pairs in SMALL.items()}
    for section, pairs in (settings or {}).items():
        merged.setdefault(section, {}).update(pairs)
    return cluster.Cluster(BUILD, settings=merged, **options)


@contextlib.contextmanager
def running_cluster(**options):
    """A small cluster that has a leader; for tests that leave it as it was."""
    with small_cluster(**options) as nodes:
        nodes.start()
        nodes.leader()
        yield nodes


def keep_mounts_private():
    """As root, go on in a mount namespace of our own: whatever happens, no mount is left behind."""
    unshare = shutil.which("unshare")
    if os.geteuid() != 0 or not unshare or os.environ.get(PRIVATE):
        return
    if subprocess.run([unshare, "-m", "true"], check=False, stderr=subprocess.DEVNULL).returncode:
        return
    os.environ[PRIVATE] = "1"
    os.execv(unshare, [unshare, "-m", "--propagation", "private", sys.executable, *sys.argv])


def _name(test):
    return (test.__doc__ or test.__name__).strip().splitlines()[0].rstrip(".")


def _show_outputs(context):
    if not isinstance(context, cluster.Cluster):
        return
    for node in context.nodes:
        with contextlib.suppress(OSError):
            lines = context.output(node).splitlines()
            if any("ready" in line for line in lines[-1:]):
                continue  # nothing but its banner
            diag(f"node {node} printed:")
            diag("\n".join(lines[-OUTPUT_LINES:]))


def _call(test, context):
    """Run one test, with the context if it takes one. Returns (passed, remark)."""
    try:
        test(*[context] * test.__code__.co_argcount)
        return True, ""
    except Skip as skip:
        return True, f" # SKIP {skip}"
    except (Failure, cluster.Problem, subprocess.TimeoutExpired) as problem:
        where = traceback.extract_tb(problem.__traceback__)[1]
        diag(f"{os.path.basename(where.filename)}:{where.lineno}: {problem}")
    except Exception:  # pylint: disable=broad-except
        diag(traceback.format_exc())
    return False, ""


def _run_all(tests, context):
    failed = 0
    for number, test in enumerate(tests, 1):
        start = time.monotonic()
        passed, remark = _call(test, context)
        diag(f"{time.monotonic() - start:.1f} s")
        if not passed:
            failed += 1
            if test.__code__.co_argcount:
                _show_outputs(context)
        print(f"{'ok' if passed else 'not ok'} {number} - {_name(test)}{remark}", flush=True)
    return failed


def run(tests, make=None):
    """Print the plan, run the tests with what `make` makes, and exit."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    print(f"1..{len(tests)}", flush=True)
    try:
        with make() if make else contextlib.nullcontext() as context:
            failed = _run_all(tests, context)
    except Skip as skip:
        for number, test in enumerate(tests, 1):
            print(f"ok {number} - {_name(test)} # SKIP {skip}", flush=True)
        failed = 0
    except cluster.Problem as problem:
        diag(f"cannot begin: {problem}")
        failed = len(tests)
    sys.exit(1 if failed else 0)
