"""Build the slides, and the handouts as PDF: `python docs/lectures/build.py [DIR]`.

Chromium prints the handouts, and measures with the network cut whether each slide fits; without it the slides are built
all the same. `--pictures` also keeps a picture of every slide, 1280 x 720, and of every handout.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
LECTURES = ("bptt", "numbers")
WIDE, HIGH = 1280, 720
OFFLINE = ("--headless", "--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP * ~NOTFOUND")


def sphinx(builder, out, *options):
    """Run Sphinx on the lectures, all of them anew because results may have changed; a warning is an error."""
    with tempfile.TemporaryDirectory() as doctrees:
        made = ["-q", "-W", "-E", "-a", "-b", builder, "-d", doctrees, *options, HERE, out]
        subprocess.run([sys.executable, "-m", "sphinx", *map(str, made)], check=True)


def chromium(*options):
    """Run the browser without a network; returns what it prints."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    wait = "--virtual-time-budget=60000"
    return subprocess.run([browser, *OFFLINE, wait, *options], check=True, capture_output=True, text=True).stdout


def measured(deck):
    """Return for each slide its place and the right and lower end of what it shows."""
    page = chromium("--dump-dom", f"--window-size={WIDE},{HIGH}", f"file://{deck}?measure")
    return json.loads(re.search(r'id="measured">(.*?)</script>', page)[1])


def build(out, pictures=False):
    """Build everything into a folder; returns the slides that are larger than the screen."""
    sphinx("revealjs", out / "slides")
    sphinx("html", out / "handouts", "-t", "handouts")
    if not any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))):
        print("no chromium: handouts are not printed, slides are not measured")
        return []
    large = []
    for name in LECTURES:
        pdf = out / f"handout-{name}.pdf"
        chromium(f"--print-to-pdf={pdf}", "--no-pdf-header-footer", f"file://{out}/handouts/handout-{name}.html")
        pages = len(re.findall(rb"/Type\s*/Page\b", pdf.read_bytes()))
        large += [f"handout-{name}: {pages} pages"] * (pages != 1)
        deck = out / "slides" / f"lecture-{name}.html"
        slides = measured(deck)
        large += [f"{name} {s}" for s in slides if s["right"] > WIDE or s["bottom"] > HIGH or s["cut"]]
        print(f"{deck}: {len(slides)} slides; {pdf}: {pages} page")
        for k, slide in enumerate(slides if pictures else ()):
            shot = f"--screenshot={out}/pictures/{name}-{k + 1:02d}.png"
            (out / "pictures").mkdir(exist_ok=True)
            chromium(shot, f"--window-size={WIDE},{HIGH}", f"file://{deck}#/{slide['h']}/{slide['v']}")
    return large


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", nargs="?", type=Path, default=HERE.parent / "_build" / "lectures")
    parser.add_argument("--pictures", action="store_true", help="keep a picture of every slide")
    args = parser.parse_args()
    large = build(args.out.resolve(), args.pictures)
    sys.exit(f"too large: {'; '.join(large)}" if large else 0)
