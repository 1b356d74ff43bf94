"""Print the files whose lines run in the first training step of a chapter: from `run_cell` to the end of ``opt.step``.

``python .ci/reader_path.py [CHAPTER]`` (dale if omitted) runs the chapter's smallest form and traces its last cell.
"""

import runpy
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
chapter = sys.argv[1] if len(sys.argv) > 1 else "dale"
paths: list[list[str]] = []
recording = False


def trace(frame, event, _):
    """Start at each call of `run_cell`, stop where the optimiser's first step ends."""
    global recording
    code = frame.f_code
    if code.co_name == "run_cell" and event == "call":
        recording = True
        paths.append([])
    if recording:
        file = code.co_filename
        if file.startswith(str(ROOT)) and "/.venv/" not in file and file not in paths[-1]:
            paths[-1].append(file)
        if code.co_name == "step" and file.endswith("optim.py"):
            return until_return
    return None


def until_return(frame, event, _):
    """Stop the record when the step returns."""
    global recording
    if event == "return":
        recording = False
    return until_return


with tempfile.TemporaryDirectory() as out:
    sys.argv = [f"chapters/{chapter}.py", "--smoke", "--out", out]
    sys.settrace(trace)
    runpy.run_path(str(ROOT / "chapters" / f"{chapter}.py"), run_name="__main__")
    sys.settrace(None)
files = [Path(file) for file in paths[-1] if "/kernels/" not in file]
lengths = {file: len(file.read_text(encoding="utf-8").splitlines()) for file in files}
print(f"\nfrom run_cell of chapters/{chapter}.py to the end of opt.step, kernels aside:")
for file, length in lengths.items():
    print(f"  {length:5d}  {file.relative_to(ROOT)}")
print(f"{len(files)} files, {sum(lengths.values())} lines")
