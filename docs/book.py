"""What the book makes at build time: chapters drawn from recorded rows, and the pages that are generated."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from PIL import Image
from sphinx_gallery.scrapers import figure_rst

from minisparse.lab import page, rows, verify
from minisparse.lab.provenance import ROOT

DOCS = ROOT / "docs"
DRAWN = DOCS / "_build" / "drawn"
"""Where the chapters write their figures while the book is built."""


class Order:
    """The order of the chapters: bptt first, then that of the table in chapters/findings.md."""

    def __init__(self, folder: str):
        self.names = ["bptt", *re.findall(r"\(chapters/(\w+)\.py\)", page.section("chapters"))]

    def __call__(self, file: str) -> tuple:
        name = Path(file).stem
        return self.names.index(name) if name in self.names else len(self.names), name


def recorded_flags(gallery_conf: dict, script_vars: dict) -> list[str]:
    """Return a chapter's flags: those that its rows were recorded with, and to take these rows instead of running."""
    name = Path(script_vars["src_file"]).stem
    out = DRAWN / name
    shutil.rmtree(out, ignore_errors=True)
    scraper.seen.clear()
    table, flags = rows.RESULTS / f"{name}.jsonl", []
    if cells := [row for row in rows.read(table) if "key" in row]:
        _, *flags = verify.arguments(cells[0]["made_by"]["command"])
        flags += ["--rows", str(table)]
    return [*flags, "--out", str(out)]


def alt_of(path: Path) -> str:
    """Return the alternative text inside a PNG file that `minisparse.plot.save` wrote."""
    with Image.open(path) as image:
        return " ".join(image.text["Description"].split())


class Scraper:
    """Show the figures that a block of a chapter has saved."""

    def __init__(self):
        self.seen: set[Path] = set()

    def __call__(self, block: tuple, block_vars: dict, gallery_conf: dict) -> str:
        folder, shown = DRAWN / Path(block_vars["src_file"]).stem, []
        new = sorted(set(folder.glob("*.png")) - self.seen, key=lambda path: path.stat().st_mtime_ns)
        for path in new:
            self.seen.add(path)
            target = next(block_vars["image_path_iterator"])
            shutil.copyfile(path, target)
            shown.append(figure_rst([target], gallery_conf["src_dir"], alt_of(path)))
        return "\n".join(shown)


scraper = Scraper()


def on_source(app, name: str, source: list[str]) -> None:
    """Complete the page of a chapter, and let it speak of the folder that a reader's own run writes to."""
    chapter = re.fullmatch(r"chapters/(\w+)", name)
    if chapter and chapter[1] not in ("index", "sg_execution_times"):
        source[0] = source[0].replace(f"{DRAWN}/", "out/")


def setup(app) -> dict:
    app.connect("source-read", on_source)
    return {"parallel_read_safe": True}
