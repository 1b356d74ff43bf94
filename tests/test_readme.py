"""The README: its code blocks run, its numbers come from the result files, its files exist."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import Phase, settings

from minisparse.lab import again, provenance, results

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_a_code_block_runs_as_printed(number, tmp_path):
    done = subprocess.run([sys.executable, "-c", BLOCKS[number]], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "DISAGREE" not in done.stdout


def test_the_test_of_a_layer_passes_as_printed_and_names_the_mistake_printed_beside_it():
    block = BLOCKS[2]
    test = block[block.index("@given") :]
    assert len(test.strip().splitlines()) <= 10
    printed = {}
    exec(compile(block, "README.md", "exec"), printed)
    printed["test_normalised_layer"]()
    beside = r"Take the norm for a constant, `(dv = .*?)`.*?`(v: .*?) \[along\]`"
    mistake, sentence = re.search(beside, README, re.DOTALL).groups()
    right = next(line.strip() for line in block.splitlines() if line.strip().startswith("dv = "))
    planted = {}
    exec(compile(block.replace(right, mistake), "README.md", "exec"), planted)
    once = settings(max_examples=3, phases=[Phase.generate])(planted["test_normalised_layer"])
    with pytest.raises(AssertionError) as failed:
        once()
    assert sentence in str(failed.value)
    assert "[along]" in str(failed.value)


def test_the_generated_part_agrees_with_the_result_files():
    assert results.readme(README) == README, "run: python -m minisparse.results --write"


def test_the_list_of_results_agrees_with_the_result_files():
    found = (ROOT / "RESULTS.md").read_text(encoding="utf-8")
    assert results.results_md() == found, "run: python -m minisparse.results --write"
    assert set(re.findall(r"\| ([A-Z][A-Z -]+)(?:, STALE)? \|$", found, re.MULTILINE)) <= set(results.STATUSES)


CHAPTER = """
import sys
from pathlib import Path
from minisparse.lab import again, provenance, results
out = Path(sys.argv[sys.argv.index("--out") + 1]) if "--out" in sys.argv else Path("out")
row = results.claim("1A", "it grows", "once", "2.0", "", "REPRODUCED", growth={growth})
results.append(out, [row], provenance.stamp("python chapters/tiny.py", "tiny"))
"""


def test_a_claim_is_run_again_and_compared(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "ROOT", tmp_path)
    monkeypatch.setattr(results, "RESULTS", tmp_path / "results")
    for folder in ("chapters", "results"):
        (tmp_path / folder).mkdir()
    script = tmp_path / "chapters" / "tiny.py"
    script.write_text(CHAPTER.format(growth=2.0))
    row = results.claim("1A", "it grows", "once", "2.0", "", "REPRODUCED", growth=2.0)
    made_by = {"command": "python chapters/tiny.py --record", "commit": "abc", "backend": "backend: numpy"}
    made_by |= {"sources": [], "sources_sha256": provenance.sources_hash([])}
    results.write(tmp_path / "results" / "tiny.jsonl", [{**row, "made_by": made_by}])
    assert again.verify("tiny") == again.verify("tiny:1A") == []
    assert "| 1A | it grows | once | 2.0 | no number | REPRODUCED |" in results.results_md()
    script.write_text(CHAPTER.format(growth=3.0))
    assert again.verify("tiny") == ["tiny, 1A: growth was 2, is 3.0"]
    script.write_text("raise SystemExit('no such data')")
    assert again.verify("tiny") == ["tiny: the command failed: no such data"]
    script.write_text("raise SystemExit(4)")
    assert again.verify("tiny") == ["tiny: the command failed: it said nothing and ended with code 4"]
    script.write_text("import sys; sys.exit(repr(sys.argv[1:3]))")
    made_by["command"] = "python chapters/tiny.py --data-dir 'my data' --record"
    results.write(tmp_path / "results" / "tiny.jsonl", [{**row, "made_by": made_by}])
    assert again.verify("tiny") == ["tiny: the command failed: ['--data-dir', 'my data']"]
    with pytest.raises(ValueError, match="there is no claim under 'tiny:9'; the files are tiny"):
        again.verify("tiny:9")
    with pytest.raises(ValueError, match="status 'FINE' is unknown"):
        results.claim("1A", "", "", "", "", "FINE")


def test_every_file_the_readme_names_exists():
    for name in re.findall(r"\]\(([^)]+)\)", README) + re.findall(r"python ((?:chapters|benchmarks)/\S+\.py)", README):
        assert (ROOT / name).is_file(), name


def test_a_damaged_row_is_named_by_its_line(tmp_path):
    path = tmp_path / "rows.jsonl"
    results.write(path, [{"a": 1}, {"a": 2}])
    assert results.read(path) == [{"a": 1}, {"a": 2}]
    path.write_text('{"a": 1}\n{"a":\n')
    with pytest.raises(OSError, match="line 2 is no JSON object"):
        results.read(path)


def test_a_claim_is_stale_if_any_row_of_its_file_is(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "RESULTS", tmp_path)
    made_by = {"command": "python a.py", "commit": "abc", "backend": "backend: numpy", "sources": []}
    made_by["sources_sha256"] = provenance.sources_hash([])
    claim = {**results.claim("1A", "it grows", "once", "2.0", "", "REPRODUCED"), "made_by": made_by}
    cell = {"part": "cells", "made_by": {**made_by, "sources_sha256": "of other sources"}}
    results.write(tmp_path / "tiny.jsonl", [cell, claim])
    assert "| no number | REPRODUCED, STALE |" in results.results_md()


def test_claims_keep_the_stamp_of_the_sources_the_run_began_with(tmp_path):
    source = tmp_path / "source.py"
    source.write_text("a = 1")
    began = provenance.stamp("python a.py", also=[str(source)])
    results.append(tmp_path, [{"part": "claim"}], began)
    (row,) = results.read(tmp_path / "rows.jsonl")
    assert not provenance.is_stale(row)
    source.write_text("a = 2")
    results.append(tmp_path, [{"part": "claim"}], began)
    (row,) = results.read(tmp_path / "rows.jsonl")
    assert provenance.is_stale(row)
