"""Runs ministack as `python -m ministack` does, after mending what would hide the end of a function's log."""

import runpy

from ministack.core.lambda_runtime import Worker

_SECONDS_FOR_THE_FIRST_LINE = 0.5
_SECONDS_OF_SILENCE = 0.2
_SECONDS_AT_MOST = 5.0


def main() -> None:
    """Serve until the process is ended."""
    # ministack takes a run's log for complete after 5 ms of silence. On a busy machine lines come later than that,
    # and appear in the log of another run, or never.
    Worker._drain_stderr_bounded.__defaults__ = (_SECONDS_FOR_THE_FIRST_LINE, _SECONDS_OF_SILENCE, _SECONDS_AT_MOST)
    runpy.run_module("ministack", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
