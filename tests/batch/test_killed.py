"""The short form of benchmarks/kills.py."""

from __future__ import annotations

import signal

import pytest

from benchmarks.kills import main


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows kills otherwise")
@pytest.mark.parametrize("workers", [1, 2])
def test_a_run_that_is_killed_and_started_again_ends_like_one_that_was_not(workers, capsys):
    main(pictures=16, kills=2, workers=workers, seed=workers)

    assert capsys.readouterr().out.count("kill ") == 2
