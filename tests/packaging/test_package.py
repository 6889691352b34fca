"""The package: public names, files, and code that older Pythons must understand."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

import pytest_peer
from pytest_peer.launch import bootstrap
from pytest_peer.link.protocol import unpatched

ROOT = Path(__file__).parents[2]
PACKAGE = Path(pytest_peer.__file__).parent
AGENT = PACKAGE / "agent"
PROTOCOL = PACKAGE / "link" / "protocol"
#: Run in peers under the agent's package, whose relative imports mean the same there.
OWN = {Path(file) for file in bootstrap.own_files()} & set(PACKAGE.rglob("*.py"))
#: Imported by peers that have no pytest_peer.
STUBS = {Path(stub["file"]) for stub in bootstrap.stubs().values()}
#: What starts a peer behind a launcher.
RELAY = {PACKAGE / "launch" / "relay" / f"{name}.py" for name in ("remote", "frames")}
SENT_TO_PEERS = sorted({AGENT / "boot.py"} | OWN | STUBS | RELAY)
#: Run beside code that may patch modules.
BESIDE_TESTS = {path for path in OWN - STUBS if path.parent in (AGENT, PROTOCOL)}
BESIDE_TESTS -= {AGENT / "loader.py", PROTOCOL / "unpatched.py"}
MOST_LINES = 350

#: Top-level modules of the standard library that Python 3.8 does not have.
LATER_THAN_3_8 = {"_zoneinfo", "annotationlib", "compression", "graphlib", "tomllib", "zoneinfo"}
#: Of these, what a peer needs is sent along under its own name.
SENT_ALONG = {"cloudpickle", "pytest_peer", "pytest_peer_agent"}
#: It is used where it is.
IF_THERE = {
    "agent/assertions.py": {"_pytest"},
    "agent/coverage.py": {"coverage"},
    "link/protocol/by_value.py": {"annotationlib"},
}
IMPORTABLE_IN_PEERS = sys.stdlib_module_names - LATER_THAN_3_8 | SENT_ALONG


def relative(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def test_public_names_are_sorted() -> None:
    assert list(pytest_peer.__all__) == sorted(set(pytest_peer.__all__))


def test_public_names_resolve() -> None:
    missing = [name for name in pytest_peer.__all__ if not hasattr(pytest_peer, name)]
    assert not missing


def test_plugin_is_registered() -> None:
    (plugin,) = metadata.entry_points(group="pytest11", name="peer")
    assert plugin.value == "pytest_peer.plugin"


def test_agent_is_there() -> None:
    assert list(AGENT.rglob("*.py"))


@pytest.mark.parametrize("path", SENT_TO_PEERS, ids=relative)
def test_peers_of_python_3_8_understand(path: Path) -> None:
    ast.parse(path.read_bytes(), filename=str(path), feature_version=(3, 8))


@pytest.mark.parametrize("path", SENT_TO_PEERS, ids=relative)
def test_peers_need_only_the_standard_library(path: Path) -> None:
    tree = ast.parse(path.read_bytes(), filename=str(path))
    foreign = [
        f"line {line}: {module}"
        for line, module in absolute_imports(tree)
        if module.partition(".")[0] not in IMPORTABLE_IN_PEERS | IF_THERE.get(relative(path), set())
    ]
    assert not foreign


@pytest.mark.parametrize("path", sorted(OWN - STUBS), ids=relative)
def test_modules_of_the_agent_import_only_what_is_sent(path: Path) -> None:
    tree = ast.parse(path.read_bytes(), filename=str(path))
    sent = {file.with_suffix("") for file in OWN}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            module = path.parents[node.level - 1].joinpath(*(node.module or "").split("."))
            assert {module, *(module / alias.name for alias in node.names)} & sent


@pytest.mark.parametrize("path", sorted(BESIDE_TESTS), ids=relative)
def test_the_agent_needs_nothing_that_tests_patch(path: Path) -> None:
    imported = {module for _, module in absolute_imports(ast.parse(path.read_bytes()))}
    assert not imported & set(unpatched.__all__)


def absolute_imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.lineno, node.module


def test_no_file_is_too_long() -> None:
    lengths = {relative(path): len(path.read_text().splitlines()) for path in PACKAGE.rglob("*.py")}
    assert not {name: lines for name, lines in lengths.items() if lines > MOST_LINES}


@pytest.mark.skipif(
    "PEER_TESTS_WHEEL" not in os.environ, reason="tox -e package installs the wheel"
)
def test_installed_wheel_is_what_is_tested() -> None:
    assert ROOT / "pytest_peer" != PACKAGE


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the source tree by the build backend itself, so that nothing is fetched."""
    directory = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(directory)]
    built = subprocess.run(
        command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    assert built.returncode == 0, built.stdout
    (path,) = directory.glob("*.whl")
    return path


def names_in(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    tops = {name.partition("/")[0] for name in names_in(wheel)}
    (information,) = tops - {"pytest_peer"}
    assert information.endswith(".dist-info")


def test_wheel_is_complete(wheel: Path) -> None:
    source = ROOT / "pytest_peer"
    wanted = {path.relative_to(ROOT).as_posix() for path in source.rglob("*.py")}
    assert any(name.startswith("pytest_peer/agent/") for name in wanted)
    assert not (wanted | {"pytest_peer/py.typed"}) - names_in(wheel)


def test_wheel_has_the_licence(wheel: Path) -> None:
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names_in(wheel))
