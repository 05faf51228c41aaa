"""Command: IAM and STS of the scanned accounts by themselves."""

import click

from deployment.local.scanned_accounts.server import ScannedAccounts


@click.command()
@click.option("--port", type=int, required=True, help="Port on 127.0.0.1.")
def main(port: int) -> None:
    """Serve IAM and STS of the scanned accounts until the process is ended."""
    server = ScannedAccounts(port)
    server.start()
    click.echo(f"IAM and STS of the scanned accounts: {server.url}")
    server.wait()


if __name__ == "__main__":
    main()
