"""`lreg ca`: the certificate of the private CA."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lreg.cli.options.settings import with_settings
from lreg.config import CA_FILE
from lreg.errors import LregError

if TYPE_CHECKING:
    from lreg.config import Loaded


@click.command(epilog="Example: lreg ca > /etc/docker/certs.d/$(lreg address)/ca.crt")
@with_settings("store")
@click.option("--path", "as_path", is_flag=True, help="Print where the file lies instead.")
def command(loaded: Loaded, *, as_path: bool) -> None:
    """Print the certificate of the private CA, PEM, for clients to trust.

    `lreg serve --tls auto`, or one that listens on https://, makes it when it first starts.
    """
    file = loaded.config.ca_folder / CA_FILE
    try:
        text = file.read_text()
    except FileNotFoundError:
        raise LregError(
            f"there is no CA at {file}: `lreg serve --tls auto` on this store makes one"
        ) from None
    click.echo(str(file) if as_path else text, nl=as_path)
