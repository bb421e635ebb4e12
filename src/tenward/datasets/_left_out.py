"""Which files of a folder or a change are never shown to a judge, by their names alone."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import PurePosixPath

__all__ = ["is_ignored_folder", "reason_to_leave_out"]

_LOCK_FILES = frozenset(
    {
        "bun.lock",
        "bun.lockb",
        "cargo.lock",
        "composer.lock",
        "flake.lock",
        "gemfile.lock",
        "go.sum",
        "mix.lock",
        "npm-shrinkwrap.json",
        "package-lock.json",
        "package.resolved",
        "packages.lock.json",
        "pdm.lock",
        "pipfile.lock",
        "pixi.lock",
        "pnpm-lock.yaml",
        "podfile.lock",
        "poetry.lock",
        "pubspec.lock",
        "uv.lock",
        "yarn.lock",
    }
)

# A judge may be a service: what commonly holds credentials does not leave the machine unasked.
_SECRETS = (
    "*.env",
    ".env.*",
    ".envrc",
    ".git-credentials",
    ".htpasswd",
    ".netrc",
    ".npmrc",
    ".pypirc",
    "*.jks",
    "*.key",
    "*.p12",
    "*.pem*",
    "*.pfx",
    "*.tfvars",
    "credentials*",
    "id_dsa",
    "id_ecdsa",
    "id_ed25519*",
    "id_rsa",
    "kubeconfig",
    "secrets.*",
    "service-account*.json",
)
_SECRET_TEMPLATES = (".env.example", ".env.sample", ".env.template", ".env.dist")

_GENERATED = ("*.min.js", "*.min.css", "*.min.mjs", "*.js.map", "*.css.map", "*.mjs.map", "*.ts.map")

_PICTURES = ("*.svg", "*.eps", "*.xpm")

_IGNORED_FOLDERS = frozenset(
    {"__pycache__", "bower_components", "build", "dist", "node_modules", "target", "vendor", "venv"}
)


def reason_to_leave_out(path: str) -> str | None:
    """Return why the file at ``path`` is not worth showing to a judge, or None when it is.

    Binary files need no rule here: their bytes give them away.
    """
    name = PurePosixPath(path).name.lower()
    if name in _LOCK_FILES:
        return "lock file"
    if any(fnmatchcase(name, pattern) for pattern in _SECRETS) and name not in _SECRET_TEMPLATES:
        return "may hold secrets"
    if any(fnmatchcase(name, pattern) for pattern in _GENERATED):
        return "minified or generated"
    if any(fnmatchcase(name, pattern) for pattern in _PICTURES):
        return "picture"
    return None


def is_ignored_folder(name: str) -> bool:
    """Say whether a folder is skipped where git's own ignore rules cannot be asked."""
    return name.startswith(".") or name in _IGNORED_FOLDERS or name.endswith(".egg-info")
