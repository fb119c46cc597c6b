"""Pack installed distributions as the wheels that they came from, for pip to install without an index.

Names, versions, requirements and files are the distribution's own. One exception, for its 4 GB: PyTorch, Triton and
NVIDIA's libraries hold, instead of their files, a line that puts a folder of links to them on the path.
"""

import argparse
import base64
import csv
import hashlib
import io
import re
import zipfile
from email import message_from_string
from importlib.metadata import Distribution, PackagePath, distributions
from pathlib import Path

from packaging.requirements import Requirement

LARGE = re.compile(r"torch|triton|nvidia-.*|cuda-.*")
BY_THE_INSTALLER = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"}


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def place(path: PackagePath, stem: str, scripts: set[str]) -> str | None:
    """Return where a wheel has an installed file; None for what the installer makes itself."""
    if "__pycache__" in path.parts or (path.parts[0].endswith(".dist-info") and path.name in BY_THE_INSTALLER):
        return None
    outside = path.parts.count("..")  # a file elsewhere in the environment: bin/, share/, ...
    if not outside:
        return path.as_posix()
    folder, *within = path.parts[outside:]
    if folder == "bin":
        return None if path.name in scripts else f"{stem}.data/scripts/{path.name}"
    return f"{stem}.data/data/{'/'.join([folder, *within])}"


def as_packed(name: str, content: bytes) -> bytes:
    """Return the content of a file before it was installed: the first line of a script names no Python of its own."""
    return re.sub(rb"^#!.*python.*", b"#!python", content, count=1) if ".data/scripts/" in name else content


def contents(distribution: Distribution, stem: str, links: Path) -> dict[str, bytes]:
    """Return the files of a distribution by their path in the wheel."""
    scripts = {entry.name for entry in distribution.entry_points if entry.group.endswith("_scripts")}
    placed = {path: place(path, stem, scripts) for path in distribution.files or []}
    sources = {name: Path(distribution.locate_file(path)) for path, name in placed.items() if name}
    if LARGE.fullmatch(canonical(distribution.name)):
        site = Path(distribution.locate_file(""))
        for top in {name.split("/")[0] for name in sources if ".dist-info/" not in name and ".data/" not in name}:
            if not (links / top).is_symlink():
                (links / top).symlink_to(site / top)
        sources = {name: source for name, source in sources.items() if ".dist-info/" in name}
        line = {f"_links_of_{canonical(distribution.name)}.pth": f"{links.absolute()}\n".encode()}
        return line | {name: source.read_bytes() for name, source in sources.items()}
    return {name: as_packed(name, source.read_bytes()) for name, source in sources.items()}


def tag(distribution: Distribution) -> str:
    """Return the Pythons, ABIs and platforms of a distribution, as in the name of its wheel."""
    tags = message_from_string(distribution.read_text("WHEEL") or "").get_all("Tag", [])
    return "-".join(".".join(sorted(set(part))) for part in zip(*(each.split("-") for each in tags), strict=True))


def write_wheel(distribution: Distribution, out: Path, links: Path) -> None:
    """Write the wheel of a distribution."""
    stem = f"{canonical(distribution.name).replace('-', '_')}-{distribution.version}"
    files = contents(distribution, stem, links)
    info = next(name.split("/")[0] for name in files if name.endswith(".dist-info/METADATA"))
    record = io.StringIO()
    writer = csv.writer(record, lineterminator="\n")
    for name, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        writer.writerow([name, f"sha256={digest}", len(content)])
    writer.writerow([f"{info}/RECORD", "", ""])
    with zipfile.ZipFile(out / f"{stem}-{tag(distribution)}.whl", "w") as wheel:  # stored: made once, read once
        for name, content in {**files, f"{info}/RECORD": record.getvalue().encode()}.items():
            wheel.writestr(name, content)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--site", type=Path, required=True, help="folder with the installed distributions")
    parser.add_argument("--requirements", type=Path, required=True, help="name==version, a line each")
    parser.add_argument("--links", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    for folder in (given.links, given.out):
        folder.mkdir(parents=True)
    installed = {canonical(each.name): each for each in distributions(path=[str(given.site.absolute())])}
    for requirement in map(Requirement, given.requirements.read_text(encoding="utf-8").splitlines()):
        if requirement.marker and not requirement.marker.evaluate():
            continue
        found = installed.get(canonical(requirement.name))
        if found is None or not requirement.specifier.contains(found.version, prereleases=True):
            here = f"version {found.version}" if found else "not at all"
            raise SystemExit(f"{requirement} is locked and installed {here}: run `make` again, which installs the lock")
        write_wheel(found, given.out, given.links)


if __name__ == "__main__":
    main()
