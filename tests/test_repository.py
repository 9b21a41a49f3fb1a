"""Tests of the files around the code: dependencies, versions, citation."""

import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import pyprobound._version

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def pins():
    """Returns the version that constraints.txt gives to each package."""
    versions = {}
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            name, version = line.split("==")
            assert canonicalize_name(name) not in versions
            versions[canonicalize_name(name)] = version
    return versions


def test_every_direct_dependency_is_pinned_within_its_range(project, pins):
    requirements = [
        *project["build-system"]["requires"],
        *project["project"]["dependencies"],
        *(
            entry
            for group in project["dependency-groups"].values()
            for entry in group
            if isinstance(entry, str)
        ),
    ]
    assert len(requirements) > 20
    for requirement in map(Requirement, requirements):
        version = pins[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), str(requirement)


def test_torch_is_pinned_to_a_plain_release(pins):
    """A local version (+cpu, +cu128) would name one build and shut out the others."""
    assert pins["torch"] == "2.13.0"


def test_citation_names_the_method_and_the_licence(project):
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()
    assert citation["title"] == project["project"]["name"]
    assert citation["license"] == project["project"]["license"]
    method = citation["references"][0]
    assert method["doi"] == "10.1038/s41587-022-01307-0"
    assert [method["authors"][i]["family-names"] for i in (0, -1)] == [
        "Rube",
        "Bussemaker",
    ]
    for reference in citation["references"]:
        assert {"type", "title", "authors"} <= reference.keys()


def test_changelog_covers_the_version_under_way():
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    version = pyprobound._version.__version__
    heading = "Unreleased" if "dev" in version else version
    assert f"## [{heading}]" in changelog
