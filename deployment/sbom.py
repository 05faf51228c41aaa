"""What a package is made of, as a CycloneDX list (SBOM) beside the zip: same zip, same list."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import subprocess
import sys
from typing import TYPE_CHECKING

from deployment.pins import BuildError

if TYPE_CHECKING:
    from pathlib import Path

_PROJECT = "hammer-iam-user-inactive-keys"
_TOOL = ("-m", "cyclonedx_py", "requirements", "--output-reproducible", "--of", "JSON")


def write_sbom(package: Path, lock: Path) -> Path:
    """Write beside a zip which locked packages it holds or has installed, and return the list's path.

    The zip itself is its main component, by name, version and SHA-256; the packages have the digests of the lock.
    https://cyclonedx.org/docs/1.6/json/

    Raises BuildError if cyclonedx-bom, which writes it, is not installed here or refuses the lock.
    """
    done = subprocess.run([sys.executable, *_TOOL, str(lock)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise BuildError(f"the list of what {package.name} is made of was not written: {said[-1]}")
    document = json.loads(done.stdout)
    document["metadata"]["component"] = {
        "bom-ref": package.stem,
        "hashes": [{"alg": "SHA-256", "content": hashlib.sha256(package.read_bytes()).hexdigest()}],
        "name": package.stem,
        "type": "application",
        "version": importlib.metadata.version(_PROJECT),
    }
    path = package.with_suffix(".cdx.json")
    path.write_text(json.dumps(document, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return path
