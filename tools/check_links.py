"""Checks that the links in Markdown files lead somewhere.

    python tools/check_links.py README.md docs

Takes Markdown files and folders of them. Links to files and to headings must resolve;
links to other sites are left alone, as the check must work without a network. Prints
``file:line: what is wrong`` for each broken link and exits with 1 if there is any.
"""

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})")
CODE_SPAN = re.compile(r"(`+)(?!`).*?(?<!`)\1(?!`)")
# [text](target), [text](target "title"), [text](<target>) and the same with images.
INLINE_LINK = re.compile(r"\]\(\s*<?([^\s<>()]*(?:\([^\s()]*\)[^\s<>()]*)*)>?[^()]*\)")
# [label]: target
LINK_DEFINITION = re.compile(r"^ {0,3}\[[^\]^][^\]]*\]:\s+<?([^\s<>]+)>?")
HEADING = re.compile(r"^ {0,3}#{1,6}\s+(.*?)\s*#*\s*$")
EXPLICIT_ANCHOR = re.compile(r"<a\s+(?:id|name)=\"([^\"]+)\"")
OTHER_SITE = re.compile(r"^(?:[a-z][a-z0-9+.-]*:|//)", re.IGNORECASE)


class Link(NamedTuple):
    """A link as it stands in a file."""

    line: int
    target: str


def text_lines(markdown: str) -> Iterator[tuple[int, str]]:
    """Yields the numbered lines that are not in fenced code blocks."""
    fence = ""
    for number, line in enumerate(markdown.splitlines(), start=1):
        mark = FENCE.match(line)
        if not fence:
            if mark:
                fence = mark[1]
            else:
                yield number, line
        elif line.strip().startswith(fence) and not line.strip().strip(fence[0]):
            fence = ""


def links(markdown: str) -> Iterator[Link]:
    """Yields the links of a Markdown text, those in code aside."""
    for number, line in text_lines(markdown):
        prose = CODE_SPAN.sub("", line)
        for pattern in (INLINE_LINK, LINK_DEFINITION):
            for match in pattern.finditer(prose):
                yield Link(number, match[1])


def anchors(markdown: str) -> set[str]:
    """Returns the names by which parts of a Markdown text can be linked to.

    Headings get the names that GitHub gives them: in lower case, with hyphens for
    spaces, without other punctuation, and numbered from the second occurrence on.
    """
    found: set[str] = set()
    occurrences: dict[str, int] = {}
    for _, line in text_lines(markdown):
        found.update(EXPLICIT_ANCHOR.findall(line))
        heading = HEADING.match(line)
        if heading:
            title = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading[1])
            slug = re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
            count = occurrences.get(slug, 0)
            occurrences[slug] = count + 1
            found.add(f"{slug}-{count}" if count else slug)
    return found


def complaint(file: Path, target: str) -> str | None:
    """Returns what is wrong with a link in a file, or None if it resolves."""
    if OTHER_SITE.match(target):
        return None
    path, _, anchor = unquote(target).partition("#")
    destination = file.parent / path if path else file
    if not target:
        return "the link is empty"
    if not destination.exists():
        return f"there is no {path!r} beside this file"
    if (
        anchor
        and destination.suffix == ".md"
        and anchor not in anchors(destination.read_text(encoding="utf-8"))
    ):
        return f"there is no heading #{anchor} in {destination.name}"
    return None


def markdown_files(paths: list[Path]) -> Iterator[Path]:
    """Yields the given files, and the Markdown files below the given folders."""
    for path in paths:
        if path.is_dir():
            yield from sorted(path.rglob("*.md"))
        else:
            yield path


def main(arguments: list[str] | None = None) -> int:
    """Checks the files named on the command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("paths", nargs="+", type=Path, metavar="FILE_OR_FOLDER")
    paths = parser.parse_args(arguments).paths
    files = checked = broken = 0
    for file in markdown_files(paths):
        files += 1
        for link in links(file.read_text(encoding="utf-8")):
            checked += 1
            problem = complaint(file, link.target)
            if problem:
                broken += 1
                print(f"{file}:{link.line}: ({link.target}) {problem}", file=sys.stderr)
    print(f"{files} Markdown files, {checked} links, {broken} broken")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
