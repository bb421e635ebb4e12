"""What every command may read: the system, without its secrets, and the tools on the path."""

from __future__ import annotations

import os
import sys
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["hidden", "is_below_home", "readable", "roots"]

_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc", "/opt", "/nix/store", "/gnu/store")
_SECRETS = (
    "/etc/shadow",
    "/etc/shadow-",
    "/etc/gshadow",
    "/etc/gshadow-",
    "/etc/ssh",
    "/etc/ssl/private",
    "/etc/sudoers",
    "/etc/sudoers.d",
    "/etc/krb5.keytab",
    "/etc/NetworkManager",
    "/etc/wireguard",
    "/etc/kubernetes",
    "/etc/machine-id",
)
_MANAGERS = {".pyenv", ".rbenv", ".nodenv", ".asdf", ".volta"}
"""Folders in the home folder whose programs need the whole of them; others, such as ~/.cargo, may hold credentials."""

_RESOLVER = "/etc/resolv.conf"


def is_below_home(path: Path) -> bool:
    """Whether a path lies in the user's home folder."""
    home = Path.home()
    return path != home and path.is_relative_to(home)


def roots(*, network: bool) -> tuple[Path, ...]:
    """The folders of the system and of tools, and links to such; looked for once for a path.

    Args:
        network: Whether names are to be resolved.
    """
    return _roots(os.environ.get("PATH", ""), network=network)


@lru_cache(maxsize=16)
def _roots(_path: str, *, network: bool) -> tuple[Path, ...]:
    found = [path for path in map(Path, _SYSTEM) if os.path.lexists(path)]
    found += [path for path in toolchain() if not any(path.is_relative_to(one) for one in found)]
    resolver = Path(_RESOLVER).resolve()
    if network and resolver.exists() and not any(resolver.is_relative_to(one) for one in found):
        found.append(resolver)
    return tuple(found)


def hidden(paths: Iterable[Path], *, network: bool) -> tuple[Path, ...]:
    """What is there below the roots and is hidden: the system's secrets, and these paths.

    Args:
        paths: What else is hidden.
        network: As for :func:`roots`.
    """
    every = {Path(one) for one in _SECRETS} | {path for one in paths for path in (one, one.resolve())}
    below = (path for path in every if any(path.is_relative_to(root) for root in roots(network=network)))
    return tuple(sorted(path for path in below if os.path.lexists(path)))


def readable(hide: tuple[Path, ...], *, network: bool) -> tuple[Path, ...]:
    """The roots, and of those that hold something hidden all the rest, for rules that can only allow.

    Args:
        hide: What is hidden, besides the system's secrets.
        network: As for :func:`roots`.
    """
    return _readable(roots(network=network), hidden(hide, network=network))


@lru_cache(maxsize=64)
def _readable(wanted: tuple[Path, ...], hide: tuple[Path, ...]) -> tuple[Path, ...]:
    gone = list(hide)
    return tuple(dict.fromkeys(part for root in wanted for part in _spread(root, gone)))


def _spread(path: Path, gone: list[Path]) -> Iterator[Path]:
    """A path, or what in it is not hidden."""
    if any(path.is_relative_to(one) for one in gone) or not os.path.lexists(path):
        return
    if not any(one.is_relative_to(path) for one in gone):
        yield path
        return
    if path.is_symlink():  # leads to what is looked at by itself
        yield path
        return
    try:
        children = sorted(path.iterdir())
    except OSError:
        return
    for child in children:
        yield from _spread(child, gone)


def toolchain() -> list[Path]:
    """Where programs on the path, this Python and its libraries lie outside of the system's folders."""
    found: dict[Path, None] = {}
    places = [Path(sys.prefix), Path(sys.base_prefix), Path(sys.exec_prefix)]
    if environment := os.environ.get("VIRTUAL_ENV"):
        places.append(Path(environment))
    for word in os.environ.get("PATH", "").split(os.pathsep):
        if word and os.path.isabs(word):  # noqa: PTH117 - an empty word or a relative one is none of ours
            places += _of_programs(Path(word))
    for place in places:
        for path in {place, place.resolve()}:
            if path.exists() and not _holds_home(path):
                found[path] = None
    return [path for path in found if not any(other != path and path.is_relative_to(other) for other in found)]


def _of_programs(folder: Path) -> list[Path]:
    """What programs of a folder on the path need beside it: the whole of an environment or a tool's own folder."""
    above = folder.parent
    if (above / "pyvenv.cfg").exists() or (above / "conda-meta").exists():
        return [above]
    if is_below_home(above) and above.name in _MANAGERS:
        return [above]
    libraries = [above / name for name in ("lib", "lib64", "libexec")] if folder.name in {"bin", "sbin"} else []
    return [folder, *libraries]


def _holds_home(path: Path) -> bool:
    return Path.home().is_relative_to(path)
