"""A machine that the host's bootstrap is run on, as its template has it: a folder stands for it."""

from __future__ import annotations

import email
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cfnlint.decode import decode  # type: ignore[import-untyped]

from deployment.build_packages import build_host
from deployment.local.estate import CONFIG

if TYPE_CHECKING:
    from collections.abc import Mapping

REPOSITORY = Path(__file__).resolve().parents[2]
TEMPLATE = REPOSITORY / "deployment" / "cloudformation" / "reporting-remediation-host.yaml"
PARAMETERS = {
    "AWS::Region": "eu-west-1",
    "AWS::StackName": "hammer-host",
    "ArtifactBucket": "hammer-deployment-123456789012-eu-west-1",
    "HostPackageKey": "packages/host-1.zip",
    "HostPackageDigest": "0" * 64,
    "ConfigSource": "",
    "PipIndexUrl": "",
    "LeastCriterionDays": "",
    "LeastRetentionDays": "",
    "MostKeysPerRun": "",
}
SITE = f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
# What only AWS or root of a real machine can do; each writes down how it was called.
STAND_INS = {
    "aws": 'if [ "$1 $2" = "s3 cp" ]; then cp "$PACKAGE" "$4"; fi',
    "cfn-signal": "exit 1",
    "chown": "",
    "dnf": "",
    "nft": "",
    "id": '[ "$1" = -u ] && echo 0 || exit 1',
    # pip, too, comes from where these tests have it, and finds there all that is required: nothing is downloaded.
    "python3.11": f'''
if [ "$2" != venv ]; then exec {sys.executable} "$@"; fi
{sys.executable} -m venv --without-pip "$3" && echo "{sysconfig.get_path("purelib")}" > "$3/{SITE}/tests.pth"
''',
    "rpm": '[ -e "$HAMMER_ROOT/usr/bin/crond" ]',
    "systemctl": "",
    "useradd": 'mkdir -p "$HAMMER_ROOT/home/$2"',
}


def user_data(**parameters: str) -> dict[str, str]:
    """The parts of the user data by their content type, with these parameters of the template."""
    template, _ = decode(str(TEMPLATE))
    text: str = template["Resources"]["HostTemplate"]["Properties"]["LaunchTemplateData"]["UserData"]["Fn::Base64"][
        "Fn::Sub"
    ]
    for name, value in (PARAMETERS | parameters).items():
        text = text.replace(f"${{{name}}}", value)
    parts = email.message_from_string(text.replace("${!", "${"))
    found = {}
    for part in parts.walk():
        if not part.is_multipart():
            content = part.get_payload(decode=True)
            assert isinstance(content, bytes)
            found[part.get_content_type()] = content.decode()
    return found


@dataclass(frozen=True)
class Machine:
    """A folder in which the bootstrap finds what a freshly launched machine has."""

    root: Path
    package: Path
    digest: str
    """Of the package that was built, in hex."""

    def boot(
        self, *, stand_ins: Mapping[str, str] = STAND_INS, **parameters: str
    ) -> subprocess.CompletedProcess[str]:
        """Run the bootstrap as cloud-init does."""
        commands = self.root.parent / "commands"
        shutil.rmtree(commands, ignore_errors=True)
        commands.mkdir()
        calls = self.root.parent / "calls"
        for name, body in stand_ins.items():
            path = commands / name
            path.write_text(f'#!/bin/bash\necho "{name} $*" >> "{calls}"\n{body}\n')
            path.chmod(0o755)
        calls.unlink(missing_ok=True)
        script = self.root.parent / "user-data.sh"
        script.write_text(user_data(**{"HostPackageDigest": self.digest, **parameters})["text/x-shellscript"])
        inherited = {name: value for name, value in os.environ.items() if name != "HAMMER_CONFIG"}
        nowhere = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}
        environment = (
            nowhere
            | inherited
            | {
                "HAMMER_ROOT": str(self.root),
                "PACKAGE": str(self.package),
                "PATH": f"{commands}:{os.environ['PATH']}",
            }
        )
        return subprocess.run(
            ["bash", str(script)], env=environment, cwd="/", capture_output=True, text=True, timeout=300
        )

    def calls(self) -> list[str]:
        """What the bootstrap asked of AWS and of the machine, in order."""
        lines = (self.root.parent / "calls").read_text().splitlines()
        return [line for line in lines if not line.startswith("id ")]

    @property
    def home(self) -> Path:
        """Where the commands are."""
        return self.root / "hammer-correlation-engine"

    def shell(self, command: str) -> str:
        """What a command prints that an operator gives after `sudo su -` and `cd /hammer-correlation-engine`."""
        profile = self.root / "etc/profile.d/hammer.sh"
        run = subprocess.run(
            ["bash", "-c", f". {profile}\ncd {self.home}\n{command}"],
            env={"PATH": f"{self.root.parent / 'commands'}:/usr/bin:/bin"},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return run.stdout


def launched(folder: Path, config: Path = CONFIG, *, with_configuration: bool = True) -> Machine:
    """A new machine with the key pair that it was launched with, and the host's package."""
    authorized = folder / "root" / "home" / "ec2-user" / ".ssh" / "authorized_keys"
    authorized.parent.mkdir(parents=True)
    authorized.write_text("ssh-ed25519 AAAA operator\n")
    package = build_host(str(config), folder, with_configuration=with_configuration)
    return Machine(folder / "root", package, hashlib.sha256(package.read_bytes()).hexdigest())
