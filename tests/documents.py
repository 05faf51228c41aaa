"""The documents and what in the code they speak of: commands to type, tables, lines of the logs."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
from functools import cache
from importlib import import_module
from pathlib import Path

import click

from hammer.__main__ import IN_A_CLONE, SUBCOMMANDS

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = tuple(
    str(path.relative_to(ROOT)) for folder in (ROOT, ROOT / "deployment") for path in sorted(folder.glob("*.md"))
)
LOCAL = ROOT / "deployment" / "local"


@cache
def text_of(document: str) -> str:
    """The text of a document, by its path from the root."""
    return (ROOT / document).read_text(encoding="utf-8")


def section(document: str, heading: str) -> str:
    """What stands under a heading, up to the next one of its level; exactly one heading has this text."""
    level, _, _ = heading.partition(" ")
    (after,) = re.findall(
        rf"^{re.escape(heading)}\n(.*?)(?=^#{{1,{len(level)}}} |\Z)", text_of(document), re.M | re.S
    )
    return str(after)


def headings(document: str) -> set[str]:
    """The anchors of the headings, as a renderer makes them: small letters and blanks as `-`, without punctuation."""
    found = re.findall(r"^#+ (.*)$", prose_of(document), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in found}


def parts(document: str) -> list[str]:
    """The sections of the second level, each with its heading."""
    return re.split(r"^(?=## )", text_of(document), flags=re.M)


def option_names(document: str) -> set[str]:
    """Every long option that a document names, except those of AWS's own command line."""
    blocks, prose = _split(text_of(document))
    ours = [block for block in blocks if not re.search(r"^aws ", block, re.M)]
    texts = [prose, *(re.sub(r"\baws .*", "", block) for block in ours)]
    return {name for text in texts for name in re.findall(r"(?<![-\w])--[a-z][a-z-]*\b(?!-)", text)}


def rows(text: str) -> list[list[str]]:
    """The rows of the tables in a text, cell by cell, without their headings."""
    found = []
    for table in re.findall(r"^\|.*\n\|(?:[-: ]+\|)+\n((?:\|.*\n?)+)", text, re.M):
        for row in table.splitlines():
            found.append([cell.strip().replace(r"\|", "|") for cell in re.split(r"(?<!\\)\|", row.strip()[1:-1])])
    return found


def code_spans(text: str) -> list[str]:
    """What stands in backticks."""
    return [found.replace(r"\|", "|") for found in re.findall(r"`([^`\n]+(?:\n[^`\n]+)?)`", text)]


# --- commands ---

_BEGINS = r"(?:make|python|hammer|\.venv/bin/python|\.venv/bin/hammer)"


def command_lines(document: str) -> set[str]:
    """Every command of ours that a document says to type, in a block of code or between backticks.

    A line of a block may begin with a prompt, `$` or `#`, and go on after a backslash; what follows two blanks and a
    `#` is a remark. `make` without a target is a mention of the tool.
    """
    blocks, prose = _split(text_of(document))
    found = set()
    for block in blocks:
        for line in block.replace("\\\n", " ").splitlines():
            match = re.match(rf"\s*(?:[$#] )?({_BEGINS} .*?)(?:\s{{2,}}#.*)?$", line)
            if match:
                found.add(match[1])
    for span in code_spans(prose):
        if re.match(rf"{_BEGINS} \S", span):
            found.add(span)
    return {" ".join(each.split()) for each in found}


def samples_of(document: str) -> dict[str, str]:
    """What a document shows of the output of commands, by the command that stands after the prompt `$` or `#`."""
    found: dict[str, str] = {}
    for block in _split(text_of(document))[0]:
        parts = re.split(r"^[$#] (.*)\n", block.replace("\\\n", " "), flags=re.M)
        found |= {" ".join(command.split()): said for command, said in zip(parts[1::2], parts[2::2], strict=True)}
    return {command: said for command, said in found.items() if said.strip()}


def not_said(sample: str, output: str) -> list[str]:
    """The lines of a sample that are not in the output, in this order; `…` stands for anything, a blank for blanks.

    Ids of keys and dates may be others, as they are in each run. What is typed after a question is not in the output.
    """
    output = " ".join(output.split())
    missing = []
    for line in sample.splitlines():
        shown = re.sub(r"(\[y/N\]) \w+$", r"\1", " ".join(line.split()))
        shown = re.sub(r"AKIA[A-Z2-7]{16}|\d{4}-\d\d-\d\d(?: \d\d:\d\d)?", "…", shown)
        match = re.search(re.escape(shown).replace("…", ".*?"), output)
        if match is None:
            missing.append(line)
        else:
            output = output[match.end() :]
    return missing


def aws_calls(document: str) -> list[tuple[str, str, list[str]]]:
    """Every call of AWS's own command line, in blocks and between backticks: service, operation, options."""
    blocks, prose = _split(text_of(document))
    found = []
    for text in (*blocks, *code_spans(prose)):
        for call in re.split(r"\baws (?=[a-z0-9]+ (?:wait )?[a-z0-9-]+ --)", text.replace("\\\n", " "))[1:]:
            service, operation, rest = call.split(maxsplit=2)
            if operation == "wait":
                what, rest = rest.split(maxsplit=1)
                operation = f"wait {what}"
            found.append((service, operation, re.findall(r"(?<!\S)--([a-z-]+)", rest.splitlines()[0])))
    return found


def prose_of(document: str) -> str:
    """A document without its blocks of code."""
    return _split(text_of(document))[1]


def _split(text: str) -> tuple[list[str], str]:
    parts = re.split(r"^```.*$", text, flags=re.M)
    return parts[1::2], "\n".join(parts[0::2])


def steps_of(command: str) -> list[list[str]]:
    """The `python -m` calls that a command line comes down to, as lists of module and arguments."""
    if command.startswith("make "):
        told = subprocess.run(
            ["make", "--dry-run", "--no-print-directory", *shlex.split(command)[1:]],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        calls = re.findall(r"python -m (.*)", told)
        # Making .venv is not the command.
        return [words for words in map(shlex.split, calls) if words[0] not in ("pip", "venv")]
    words = shlex.split(command)
    if words[0].endswith("hammer"):
        named = {**SUBCOMMANDS, **IN_A_CLONE}
        return [[named[words[1]].module, *words[2:]]] if words[1] in named else [["hammer", *words[1:]]]
    assert words[1] == "-m", command
    return [words[2:]]


def commands_of_the_code() -> dict[str, click.Command]:
    """Every module that is a command, by its name on the command line; found by what it does when it is run."""
    found = {}
    places = [("", ROOT / "library"), ("", ROOT / "deployment"), ("", ROOT / "identification")]
    places += [("reporting_remediation.", ROOT / "reporting_remediation")]
    for cut, folder in places:
        for path in sorted(folder.rglob("*.py")):
            runs = '\nif __name__ == "__main__":\n' in path.read_text(encoding="utf-8")
            if runs and not path.is_relative_to(LOCAL):
                module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removeprefix(cut)
                main = import_module(module).main
                if isinstance(main, click.Command):
                    found[module] = main
    return found


def targets_of(module: str) -> list[str]:
    """The targets of make that run a module."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    return re.findall(rf"^([a-z-]+):.*\n\t@\$\(RUN\) -m {re.escape(module)}\b", makefile, re.M)


def options_of(command: click.Command) -> set[str]:
    """The long names of the options."""
    return {name for parameter in command.params for name in parameter.opts if name.startswith("--")}


# --- what the code says when something is wrong ---


def modules() -> list[Path]:
    """Every file of the product: that of the embedded AWS and of the tests is none."""
    folders = ("hammer", "identification", "library", "reporting_remediation", "deployment")
    found = sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return [path for path in found if not path.is_relative_to(LOCAL)]


def lines_without_an_id(path: Path) -> list[str]:
    """Where a module logs at WARNING or above by itself, instead of by library/messages.py: `file:line`."""
    levels = {"warning", "error", "exception", "critical", "log"}
    return [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in levels
        and ast.unparse(node.func.value) != "messages"
    ]
