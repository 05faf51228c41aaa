"""Builds the zips of the functions and of the host: same files, same bytes, and a checked configuration."""

from __future__ import annotations

import ast
import base64
import hashlib
import importlib.metadata
import stat
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from deployment.commands import REPOSITORY, config_argument, exit_codes
from deployment.pins import BuildError, pins
from deployment.sbom import write_sbom
from library.cli.command import command
from library.config.loading import load
from library.config.sources import FILES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PACKAGE_NAME = "hammer-iam-user-inactive-keys.zip"
HOST_PACKAGE_NAME = "hammer-reporting-remediation.zip"

_HANDLERS = REPOSITORY / "identification" / "lambdas" / "iam-user-inactive-keys-identification"
_LOCK = REPOSITORY / "requirements-lambda.txt"
_HOST_LOCK = REPOSITORY / "requirements.txt"
_HOST_CODE = REPOSITORY / "reporting_remediation"
_HOST_PACKAGES = ("reporting", "remediation", "cronjobs")
# Its code, and what the pages of its reports are made of.
_HOST_FILES = {".py", ".html", ".css", ".js"}
# These say how a package was installed here, so they differ between machines.
_INSTALLER_FILES = {"INSTALLER", "RECORD", "REQUESTED", "direct_url.json"}
_COMPILED = {".so", ".pyd", ".dylib"}
# The earliest time that a zip can hold.
_TIMESTAMP = (1980, 1, 1, 0, 0, 0)
_MODE = stat.S_IFREG | 0o644
# The operating system that made an entry; only entries of Unix have a mode.
_UNIX = 3
_KIBIBYTE = 1024


def build(config_source: str | None, output: Path, *, with_configuration: bool = True) -> Path:
    """Check the configuration, write the functions' zip into the folder `output`, and return the zip's path.

    `config_source` is a folder; None is the repository's `config/`. Its files go into the zip as `config/`, which the
    functions read unless HAMMER_CONFIG names another source. A zip that is deployed with another source is built
    without them: nobody can read an old whitelist by mistake then.

    Raises ConfigurationError with every problem of the configuration, and BuildError if an installed package is not
    the pinned one or is not pure Python. In both cases nothing is written.
    """
    configuration = _configuration(config_source, wanted=with_configuration)
    return _write(output / PACKAGE_NAME, {**_dependencies(), **_library(), **_handlers(), **configuration})


def build_host(config_source: str | None, output: Path, *, with_configuration: bool = True) -> Path:
    """The same for the host's zip, which is unpacked into `/hammer-correlation-engine`, the manual's folder.

    It does not hold the packages that its code needs; `requirements.txt` at its root names them, with the digests of
    their files. Raises ConfigurationError.
    """
    files = {
        path.relative_to(base).as_posix(): path
        for base, names in ((_HOST_CODE, _HOST_PACKAGES), (REPOSITORY, ("library",)))
        for name in names
        for path in (base / name).rglob("*")
        if path.suffix in _HOST_FILES
    }
    requirements = {"requirements.txt": _HOST_LOCK}
    configuration = _configuration(config_source, wanted=with_configuration)
    return _write(output / HOST_PACKAGE_NAME, {**files, **requirements, **configuration})


def _write(package: Path, files: Mapping[str, Path]) -> Path:
    package.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=package.parent) as folder:
        unfinished = Path(folder) / package.name
        with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            for name in sorted(files):
                entry = zipfile.ZipInfo(name, _TIMESTAMP)
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.create_system = _UNIX
                entry.external_attr = _MODE << 16
                archive.writestr(entry, files[name].read_bytes())
        unfinished.replace(package)
    return package


def _handlers() -> dict[str, Path]:
    return {path.name: path for path in _HANDLERS.glob("*.py")}


def _library() -> dict[str, Path]:
    """The modules of `library` that the handlers import, directly or not; those of the host alone stay out."""
    files: dict[str, Path] = {}
    waiting = list(_handlers().values())
    while waiting:
        for path in _imported(waiting.pop()):
            name = path.relative_to(REPOSITORY).as_posix()
            if name not in files:
                files[name] = path
                waiting.append(path)
    return files


def _imported(module: Path) -> Iterator[Path]:
    """The files of `library` that a module's import statements name, in functions and under conditions, too."""
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            if name.startswith("library."):
                yield from _files_of(name.split("."))


def _files_of(name: list[str]) -> Iterator[Path]:
    """The files of a dotted name: of each package that leads to it, and of the module; none for any other name."""
    for end in range(1, len(name) + 1):
        place = REPOSITORY.joinpath(*name[:end])
        yield from filter(Path.is_file, (place.with_suffix(".py"), place / "__init__.py"))


def _configuration(source: str | None, *, wanted: bool) -> dict[str, Path]:
    """The configuration files for a zip, checked; none if they are not `wanted`, but checked all the same."""
    folder = Path(source) if source else REPOSITORY / "config"
    load(str(folder))
    if not wanted:
        return {}
    return {f"config/{name}": folder / name for name in FILES if (folder / name).is_file()}


def _dependencies() -> dict[str, Path]:
    """The files of the locked packages, by their place in the zip, taken from where they are installed."""
    files = {}
    for pin in pins(_LOCK):
        try:
            package = importlib.metadata.distribution(pin.name)
        except importlib.metadata.PackageNotFoundError:
            raise BuildError(f"{pin.name} is not installed; {_LOCK.name} asks for {pin.version}") from None
        if package.version != pin.version:
            raise BuildError(f"{pin.name} {package.version} is installed; {_LOCK.name} asks for {pin.version}")
        for file in package.files or ():
            if file.suffix in _COMPILED:
                raise BuildError(f"{pin.name} is compiled for one architecture: {file}")
            if ".." in file.parts or file.suffix == ".pyc" or file.name in _INSTALLER_FILES:
                continue
            files[file.as_posix()] = _as_installed(pin.name, file)
    return files


def _as_installed(package: str, file: importlib.metadata.PackagePath) -> Path:
    """Where a file of a package is; raises BuildError if it is not what pip has put there, after checking its digest.

    https://packaging.python.org/en/latest/specifications/recording-installed-packages/#the-record-file
    """
    place = Path(str(file.locate()))
    digest = base64.urlsafe_b64encode(hashlib.sha256(place.read_bytes()).digest()).rstrip(b"=").decode()
    if file.hash is None or (file.hash.mode, file.hash.value) != ("sha256", digest):
        raise BuildError(f"{package}: {file} was changed after it had been installed; install it again: `make clean`")
    return place


@command()
@config_argument
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=REPOSITORY / "build",
    help="Folder that the zips are written to; build/ of the repository if not given.",
)
@click.option(
    "--without-configuration",
    is_flag=True,
    help="Leave the configuration files out: both stacks are deployed with a ConfigSource, which is read instead.",
)
def main(config_folder: str | None, output: Path, without_configuration: bool) -> None:
    """Check the configuration in CONFIG_FOLDER (config/ if not given), and build the functions' and the host's zip.

    Beside each is the list of the packages that it is made of, in the form of CycloneDX (SBOM). The same files give
    the same bytes.

    Exit codes: 0 built, 1 the installed packages do not fit, 2 the configuration is wrong.
    """
    with exit_codes():
        for build_package, lock in ((build, _LOCK), (build_host, _HOST_LOCK)):
            package = build_package(config_folder, output, with_configuration=not without_configuration)
            click.echo(f"{package} ({package.stat().st_size / _KIBIBYTE:.0f} KiB)")
            click.echo(f"{write_sbom(package, lock)}")


if __name__ == "__main__":
    main()
