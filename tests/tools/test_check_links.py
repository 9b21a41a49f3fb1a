"""Tests of tools/check_links.py."""

import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "tools" / "check_links.py"


@pytest.fixture(scope="module")
def checker():
    specification = importlib.util.spec_from_file_location("check_links", SCRIPT)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.fixture
def check(checker, tmp_path, capsys):
    """Returns a function that writes README.md, checks it and returns complaints."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "guide.md").write_text("# The `fit` guide, v2\n\n## Use\n")

    def run(markdown: str) -> list[str]:
        (tmp_path / "README.md").write_text(markdown)
        status = checker.main([str(tmp_path / "README.md")])
        complaints = capsys.readouterr().err.splitlines()
        assert status == (1 if complaints else 0)
        return complaints

    return run


@pytest.mark.parametrize(
    "markdown",
    [
        "[guide](docs/guide.md)",
        "[guide](<docs/guide.md>)",
        '[guide](docs/guide.md "with a title")',
        "[folder](docs)",
        "[part](docs/guide.md#use)",
        "[part](docs/guide.md#the-fit-guide-v2)",
        "# Use\n\n# Use\n\n[first](#use) [second](#use-1)",
        '<a id="here"></a>\n\n[anchor](#here)',
        "[site](https://example.org/absent.md#nowhere) [mail](mailto:a@example.org)",
        "[text][label]\n\n[label]: docs/guide.md",
        "`[code](absent.md)` and ``[more](absent.md) ` ``",
        "```\n[code](absent.md)\n```",
        "````\n```\n[code](absent.md)\n```\n[code](absent.md)\n````\n",
        "a footnote[^1]\n\n[^1]: words, not a target",
    ],
)
def test_links_that_resolve_or_are_not_ours_pass(check, markdown):
    assert check(markdown) == []


@pytest.mark.parametrize(
    ("markdown", "complaint"),
    [
        ("\n[x](absent.md)", "README.md:2: (absent.md) there is no 'absent.md'"),
        ("![x](absent.png)", "there is no 'absent.png'"),
        ("[x](docs/guide.md#no)", "there is no heading #no in guide.md"),
        ("# Use\n[x](#use-1)", "there is no heading #use-1 in README.md"),
        ("[x]()", "the link is empty"),
        ("[x][y]\n\n[y]: absent.md", "README.md:3: (absent.md)"),
        ("```\ncode\n```\n[x](absent.md)", "README.md:4: (absent.md)"),
        ("`a` [x](absent.md) `b`", "README.md:1: (absent.md)"),
        ("[x](docs/guide.md) [x](absent_(2).md)", "(absent_(2).md)"),
    ],
)
def test_broken_links_are_reported_with_file_and_line(check, markdown, complaint):
    complaints = check(markdown)
    assert len(complaints) == 1
    assert complaint in complaints[0]


def test_folders_are_searched_for_markdown(checker, tmp_path, capsys):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "one.md").write_text("[x](absent.md) [y](two.txt)")
    (tmp_path / "deep" / "two.txt").write_text("[x](absent.md)")
    assert checker.main([str(tmp_path)]) == 1
    assert "1 Markdown files, 2 links, 1 broken" in capsys.readouterr().out
