"""Command: shows the whole product at work on an AWS, a JIRA and a Slack that start on this machine, step by step."""

import io
import shlex
import signal
import sys
import time
from pathlib import Path

import click

from deployment.local.estate import CONFIG, Estate
from deployment.local.steps import Demo
from deployment.local.story import Story
from library.errors import ConfigurationError, HammerError

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = REPOSITORY / "build" / "inactive-keys-report.html"
_INTERRUPTED = 130


@click.command()
@click.option("--up", is_flag=True, help="Stop after the first scan, and keep everything up until Ctrl-C.")
def main(up: bool) -> None:
    """Run the product's main job on an AWS, a JIRA and a Slack that start on this machine; nothing is left running.

    Exit codes: 0 everything came out right, 1 something did not, 2 the configuration is wrong, 130 interrupted.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A step is shown when it is done, in a pipe, too.
        sys.stdout.reconfigure(line_buffering=True)
    # SIGTERM is the same as Ctrl-C here: everything is stopped.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    began = time.monotonic()
    is_up = False
    try:
        estate = Estate(CONFIG)
        story = Story(estate)
        demo = Demo(estate, story, PAGE)
        try:
            demo.tell_until_the_first_scan()
            if up:
                is_up = True
                _keep_up(demo, estate, story)
            demo.tell_the_rest()
        finally:
            estate.stop()
    except ConfigurationError as error:
        click.echo(error, err=True)
        sys.exit(2)
    except HammerError as error:
        click.echo(f"\nThe demo failed: {error}", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        click.echo("\nStopped; nothing is left running.", err=True)
        sys.exit(0 if is_up else _INTERRUPTED)
    click.echo(f"\nDone in {time.monotonic() - began:.0f} seconds. Nothing is left running.")


def _keep_up(demo: Demo, estate: Estate, story: Story) -> None:
    """Tell what can be tried by hand, and do what is typed, until KeyboardInterrupt."""
    days = estate.settings.inactive_keys.remediation_retention_period + 1
    story.step("It stays up until Ctrl-C. In another terminal:")
    story.to_copy("unset AWS_PROFILE AWS_DEFAULT_PROFILE")
    story.to_copy("\n".join(f"export {name}={shlex.quote(value)}" for name, value in estate.exports().items()))
    story.to_copy(f"export PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH")
    story.say("Then, for example:")
    slack = estate.slack.base_url.removesuffix("/api/")
    examples = (
        ("hammer scan", "a first look, without the table"),
        ("hammer report", "raises the tickets"),
        ("hammer remediate --dry-run", "not due yet: Enter, and again"),
        ("hammer remediate", "asks for each key"),
        ("hammer restore --since 1d", "and back"),
        ("hammer page", "a page of all this"),
        (f"curl {estate.jira.url}/_stand_in/state", "what JIRA received"),
        (f"curl {slack}/_stand_in/state", "what Slack received"),
    )
    story.lines("\n".join(f"{command:<43} # {what}" for command, what in examples))
    typed = f"Enter lets {days} days pass, s and Enter lets the schedule fire, Ctrl-C ends it."
    story.say(f"Here: {typed}")
    for line in sys.stdin:
        match line.strip():
            case "":
                estate.let_time_pass(days)
                story.say(f"{days} days passed: all recorded times are moved back.")
            case "s":
                demo.scan_accounts()
                story.say("Scanned.")
            case _:
                story.say(f"Nothing was done. {typed}")
    while True:
        signal.pause()


if __name__ == "__main__":
    main()
