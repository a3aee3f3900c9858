"""Builds the installed package: the folders become `leadscore.data`, `leadscore.features`, … and their imports say so.

In a checkout a folder is imported under its own name; installed, a package named `data` would stand beside other
people's. CONTRIBUTING.md says why both are so.
"""

from __future__ import annotations

import ast
import shutil
from collections.abc import Collection
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py
from setuptools.command.egg_info import egg_info

NAME = "leadscore"
FROM = b"from "
SETTINGS = "leadscore.toml"
"""What `leadscore demo` trains by."""


class Build(build_py):
    """Gathers modules, packages and data files in one package; an editable install leaves the checkout as it is."""

    def finalize_options(self) -> None:
        """Everything is built below build/lib/leadscore."""
        super().finalize_options()
        self.build_lib = str(Path(self.build_lib) / NAME)

    def run(self) -> None:
        """Builds anew, so that nothing of an earlier build gets in. Raises SyntaxError as `renamed` does."""
        if self.editable_mode:
            return
        root = Path(self.build_lib)
        shutil.rmtree(root, ignore_errors=True)
        super().run()
        names = {package.partition(".")[0] for package in self.packages} | ({*self.py_modules} - {NAME})
        for path in sorted(root.rglob("*.py")):
            path.write_bytes(renamed(path.read_bytes(), names))
        shutil.copy(root / f"{NAME}.py", root / "__main__.py")
        (root / f"{NAME}.py").rename(root / "__init__.py")
        shutil.copy(SETTINGS, root)
        (root / "py.typed").touch()


class Metadata(egg_info):
    """Says that what is installed has one name."""

    def write_file(self, what: str, filename: str, data: str) -> None:
        """Writes a file of metadata."""
        super().write_file(what, filename, f"{NAME}\n" if Path(filename).name == "top_level.txt" else data)


def renamed(source: bytes, names: Collection[str]) -> bytes:
    """A source that imports the modules `names`, and those below them, from inside the package.

    Raises SyntaxError for `import data.contract`, which binds the name `data`, and for unusual spaces.

    >>> renamed(b"from data.contract import US_PER_DAY", {"data"})
    b'from leadscore.data.contract import US_PER_DAY'
    """
    lines = source.splitlines(keepends=True)
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Import | ast.ImportFrom)]
    for node in sorted(
        nodes, key=lambda node: node.col_offset, reverse=True
    ):  # from the right: columns to the left stay
        if isinstance(node, ast.Import):
            if any(_is_below(alias.name, names) for alias in node.names):
                raise SyntaxError(f"line {node.lineno}: write `from … import …`, which can be moved into a package")
        elif not node.level and _is_below(node.module, names):
            line, start = lines[node.lineno - 1], node.col_offset
            if not line.startswith(FROM + str(node.module).encode() + b" import ", start):
                raise SyntaxError(f"line {node.lineno}: write `from {node.module} import …` with single spaces")
            end = start + len(FROM)
            lines[node.lineno - 1] = line[:end] + f"{NAME}.".encode() + line[end:]
    return b"".join(lines)


def _is_below(module: str | None, names: Collection[str]) -> bool:
    return (module or "").partition(".")[0] in names


if __name__ == "__main__":
    setup(cmdclass={"build_py": Build, "egg_info": Metadata})
