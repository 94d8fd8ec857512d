"""The options of every verb that serves pages: where, and to whom."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

_FILE = click.Path(path_type=Path, dir_okay=False)


def endpoint_options(port: int) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """`--listen`, `--port`, `--certificate`, `--key`, `--password-file`; the verb gets them judged together, as `where`."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @click.option(
            "--listen", metavar="ADDRESS", default="127.0.0.1", show_default=True, help="Of this machine; others need TLS."
        )
        @click.option("--port", type=click.IntRange(1, 65535), default=port, show_default=True, help="Its port.")
        @click.option("--certificate", metavar="FILE", type=_FILE, help="For TLS, with its chain (PEM).")
        @click.option("--key", metavar="FILE", type=_FILE, help="The certificate's private key (PEM).")
        @click.option("--password-file", metavar="FILE", type=_FILE, help="Its one line is asked for; any name.")
        @functools.wraps(function)
        def served(
            *words: Any,
            listen: str,
            port: int,
            certificate: Path | None,
            key: Path | None,
            password_file: Path | None,
            **rest: Any,
        ) -> Any:
            from provisioner import endpoint

            return function(*words, where=endpoint.judge(listen, port, certificate, key, password_file), **rest)

        return served

    return decorate
