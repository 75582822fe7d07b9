"""What is built holds what its receiver needs: to run shoptalk, and from the source, to test it."""

import shutil
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NOT_SOURCE = (".git", ".venv", ".*_cache", "__pycache__", "*.egg-info", "build", "dist")
FOLDERS = ("shoptalk", "tests", "benchmarks", "docs", "examples", ".ci")
FILES = (
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "Makefile",
    "README.md",
    "pyproject.toml",
    "setup.cfg",
)
BUILD = """
import sys
from setuptools import build_meta
folder = sys.argv[1]  # setuptools writes over it
build_meta.build_sdist(folder)
build_meta.build_wheel(folder)
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a source tree, and beside it the wheel and the sdist built from it."""
    folder = tmp_path_factory.mktemp("built")
    ignored = shutil.ignore_patterns(*NOT_SOURCE, ".hypothesis")
    source = shutil.copytree(ROOT, folder / "source", ignore=ignored)
    command = [sys.executable, "-c", BUILD, str(folder)]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    return folder


def sources(built: Path, *folders: str) -> set[str]:
    root = built / "source"
    found = (path for folder in folders for path in (root / folder).rglob("*") if path.is_file())
    names = {str(path.relative_to(root)) for path in found}
    return {name for name in names if ".egg-info/" not in name}


def wheel_of(built: Path) -> zipfile.ZipFile:
    [path] = built.glob("*.whl")
    return zipfile.ZipFile(path)


def test_the_sdist_holds_all_that_make_test_needs(built: Path) -> None:
    [path] = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {each.name.partition("/")[2] for each in archive if each.isfile()}
    assert sorted((sources(built, *FOLDERS) | set(FILES)) - names) == []


def test_the_wheel_holds_the_whole_package_and_nothing_else(built: Path) -> None:
    with wheel_of(built) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert names == sources(built, "shoptalk")
    assert {"shoptalk/sandbox/data/dialogues.jsonl", "shoptalk/py.typed"} <= names
    assert any(name.startswith("shoptalk/migrations/versions/") for name in names)


def test_the_metadata_says_who_made_it_and_what_it_is_about(built: Path) -> None:
    with wheel_of(built) as wheel:
        [name] = [each for each in wheel.namelist() if each.endswith("/METADATA")]
        metadata = message_from_bytes(wheel.read(name))
    assert metadata["Author"] == "shoptalk maintainers"
    assert "chatwoot" in metadata["Keywords"]
