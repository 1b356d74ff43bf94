"""Open every page of the built book in Chromium, without a network: python docs/look.py [FOLDER] [--pictures DIR].

It counts the links inside the book and says which are broken. Then it says what is wrong with a page, at the width of a
screen and of a phone: an image that does not show, has no alternative text or is too small to be read, a formula that
is not typeset, text wider than the page, an address of the network that it would load, a chapter without a figure.
"""

from __future__ import annotations

import argparse
import html
import json
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.parse
from pathlib import Path

WIDTHS = (1280, 390)
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP * ~NOTFOUND")
SCRIPT = """<!doctype html><meta charset="utf-8"><pre id="found"></pre><script>
const raw = /\\\\\\(|\\\\\\[|:math:|:doc:|:ref:/;
async function look(page, width) {
  const frame = document.createElement("iframe");
  frame.style.width = width + "px"; frame.style.height = "900px";
  frame.src = page;
  await new Promise(done => { frame.onload = done; document.body.appendChild(frame); });
  const inside = frame.contentWindow, there = frame.contentDocument;
  for (const image of there.images) {
    image.loading = "eager";
    if (!image.complete) await new Promise(done => { image.onload = image.onerror = done; });
  }
  if (inside.MathJax && inside.MathJax.startup) await inside.MathJax.startup.promise;
  const text = [...there.querySelectorAll("article p, article li, article td, article h1, article h2, article dd")]
    .filter(part => !part.closest("pre")).map(part => {
      const copy = part.cloneNode(true);
      copy.querySelectorAll("code, mjx-container, script").forEach(part => part.remove());
      return copy.textContent; }).filter(text => raw.test(text));
  const maths = [...there.querySelectorAll(".math")];
  const found = {page, width,
    images: [...there.images].filter(image => !image.naturalWidth).map(image => image.src),
    silent: [...there.querySelectorAll("article img")].filter(image => !image.alt).map(image => image.src),
    figures: there.querySelectorAll("article img").length,
    small: [...there.querySelectorAll("a.image-reference img")]
      .filter(image => image.width < Math.min(700, image.naturalWidth / 1.5) - 1).map(image => image.src),
    maths: maths.length,
    plain: maths.filter(part => !part.querySelector("mjx-container")).length,
    wrong: there.querySelectorAll("mjx-merror, [data-mjx-error]").length,
    text: text.slice(0, 3),
    wide: there.documentElement.scrollWidth - there.documentElement.clientWidth};
  frame.remove();
  return found;
}
(async () => {
  const found = [];
  for (const page of PAGES) for (const width of WIDTHS) found.push(await look(page, width));
  document.getElementById("found").textContent = JSON.stringify(found);
})().catch(error => { document.getElementById("found").textContent = JSON.stringify(String(error.stack)); });
</script>"""


def browser() -> str | None:
    """Return the path of Chromium, or None where it is not installed."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def pages(folder: Path) -> list[Path]:
    """Return the pages of a built book; slides and handouts are measured where they are built."""
    made = {"_static", "slides", "handouts"}
    return sorted(path for path in folder.rglob("*.html") if not made & set(path.parts))


def look(folder: Path) -> list[dict]:
    """Return what a browser sees on each page, at each width."""
    script = SCRIPT.replace("PAGES", json.dumps([path.as_uri() for path in pages(folder)]))
    with tempfile.TemporaryDirectory() as home:
        wrapper = Path(home) / "look.html"
        wrapper.write_text(script.replace("WIDTHS", json.dumps(WIDTHS)), encoding="utf-8")
        options = ("--allow-file-access-from-files", f"--user-data-dir={home}/profile")
        command = [browser(), *FLAGS, *options, "--virtual-time-budget=2000000", "--dump-dom", wrapper.as_uri()]
        said = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=300).stdout
    found = re.search(r'<pre id="found">(.+?)</pre>', said, re.DOTALL)
    if not found:
        raise RuntimeError("the browser did not come to an end")
    return json.loads(html.unescape(found[1]))


def complaints(folder: Path) -> list[str]:
    """Return a sentence for everything that is wrong with the pages of a built book, links apart."""
    wrong, seen = [], look(folder)
    for row in seen:
        page = Path(urllib.parse.unquote(urllib.parse.urlparse(row["page"]).path)).relative_to(folder)
        name = f"{page} at {row['width']} pixels"
        wrong += [f"{name}: {image} does not show" for image in row["images"]]
        wrong += [f"{name}: {image} has no alternative text" for image in row["silent"]]
        wrong += [f"{name}: {image} is too small to be read" for image in row["small"]]
        wrong += [f"{name}: not typeset: {text!r}" for text in row["text"]]
        wrong += [f"{name}: {row[kind]} formulas are {kind}" for kind in ("plain", "wrong") if row[kind]]
        wrong += [f"{name}: {row['wide']} pixels too wide"] * (row["wide"] > 0)
        chapter = page.parts[0] == "chapters" and page.stem != "index"
        wrong += [f"{name}: no figure"] * (chapter and not row["figures"])
    return wrong


LINK = re.compile(r'<(a|img|script|link)\b[^>]*?\s(?:href|src)="([^"]+)"')


def links(folder: Path) -> tuple[int, list[str]]:
    """Count the links inside the book; return a sentence for each that leads nowhere, and for each thing that a page
    loads from the network.
    """
    source = {path: path.read_text(encoding="utf-8") for path in pages(folder)}
    places = {path: set(re.findall(r'\b(?:id|name)="([^"]+)"', text)) for path, text in source.items()}
    count, wrong = 0, []
    for path, text in source.items():
        name = path.relative_to(folder)
        for tag, address in LINK.findall(text):
            url = urllib.parse.urlparse(html.unescape(address))
            if url.scheme or url.netloc:
                wrong += [f"{name} loads {address}"] * (tag != "a" and url.scheme != "data")
                continue
            count += 1
            target = (path.parent / urllib.parse.unquote(url.path)).resolve() if url.path else path
            place = urllib.parse.unquote(url.fragment)
            if not target.is_file():
                wrong.append(f"{name}: {address} does not exist")
            elif place and target in places and place not in places[target]:
                wrong.append(f"{name}: {address} has no such place")
    return count, wrong


def pictures(folder: Path, out: Path) -> None:
    """Photograph every page at every width."""
    out.mkdir(parents=True, exist_ok=True)
    for path in pages(folder):
        for width, height in zip(WIDTHS, (2600, 2400), strict=True):
            target = out / f"{path.stem}-{width}.png"
            command = [browser(), *FLAGS, f"--screenshot={target}", f"--window-size={width},{height}"]
            subprocess.run([*command, "--virtual-time-budget=15000", path.as_uri()], capture_output=True, check=True)


def main() -> int:
    """Return 1 if something is wrong, 2 without a browser or a book."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).parent / "_build" / "html")
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="also photograph each page")
    args = parser.parse_args()
    folder = args.folder.resolve()
    if not browser() or not (folder / "index.html").is_file():
        print("this needs Chromium, and the book: python -m sphinx -b html docs docs/_build/html", file=sys.stderr)
        return 2
    count, broken = links(folder)
    print(f"{count} links inside the book, {len(broken)} of them broken", flush=True)
    wrong = broken + complaints(folder)
    print("\n".join(wrong or [f"{len(pages(folder))} pages at {len(WIDTHS)} widths: nothing is wrong"]))
    if args.pictures:
        pictures(folder, args.pictures)
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
