"""Turns the knobs of `tests/knobs/__init__.py` in whatever Python starts with this folder in its path."""

import importlib.abc
import importlib.machinery
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any


def _lease(module: Any) -> None:
    module.LEASE_S = int(os.environ["KNOB_LEASE_S"])


def _slow(module: Any) -> None:
    module.SLOW_S = os.environ["KNOB_SLOW_S"]


def _play(module: Any) -> None:
    """Every play gets the callback that holds it, and the patience asked for."""
    run = module.run

    def knobbed(**given: Any) -> Any:
        for name in ("wait_s", "lists_s"):
            if asked := os.environ.get(f"KNOB_{name.upper()}"):
                given["cmdline"] += f" -e {name}={asked}"
        ours = Path(__file__).parent / "callback"  # first: a play that waits here asks the gate afterwards
        given["envvars"]["ANSIBLE_CALLBACK_PLUGINS"] = f"{ours}:{given['envvars']['ANSIBLE_CALLBACK_PLUGINS']}"
        return run(**given)

    module.run = knobbed


def _push(module: Any) -> None:
    """After one step of a push to a router, wait as long as the file is there; `.held` says that it does."""
    step, _, named = os.environ["KNOB_PUSH"].partition(":")
    router, path = module.Device, Path(named)

    def after(word: str) -> None:
        if word == step and path.exists():
            path.with_suffix(".held").touch()
            while path.exists():
                time.sleep(0.05)

    def wrap(name: str) -> None:
        plain = getattr(router, name)

        def held(self: Any, *given: Any, **more: Any) -> Any:
            said = plain(self, *given, **more)
            after(name if name != "look" or said[0].loaded else "")
            return said

        setattr(router, name, held)

    for name in ("arm", "load", "look", "confirm"):
        wrap(name)


KNOBS: dict[str, tuple[str, Callable[[Any], None]]] = {
    "provisioner.operation.lease": ("KNOB_LEASE_S", _lease),
    "provisioner.package_cache": ("KNOB_SLOW_S", _slow),
    "provisioner.router.platforms.debian_router": ("KNOB_PUSH", _push),
    "ansible_runner": ("KNOB_", _play),
}


class _Knobs(importlib.abc.MetaPathFinder):
    """Finds these modules as everybody does, and turns their knob once they are there."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name not in KNOBS or not any(variable.startswith(KNOBS[name][0]) for variable in os.environ):
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec and spec.loader:
            execute = spec.loader.exec_module

            def turned(module: ModuleType) -> None:
                execute(module)
                KNOBS[name][1](module)

            spec.loader.exec_module = turned  # type: ignore[method-assign]
        return spec


sys.meta_path.insert(0, _Knobs())
