"""The README: its code blocks run, its numbers come from the result files, its files exist."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import Phase, settings

from minisparse import results

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


def test_every_file_the_readme_names_exists():
    for name in re.findall(r"\]\(([^)]+)\)", README) + re.findall(r"python ((?:chapters|benchmarks)/\S+\.py)", README):
        assert (ROOT / name).is_file(), name


def test_a_row_whose_sources_changed_reads_stale(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "ROOT", tmp_path)
    (tmp_path / "source.py").write_text("a = 1\n")
    row = {"made_by": {"sources": ["source.py"], "sources_sha256": results.sources_hash(["source.py"])}}
    assert not results.is_stale(row)
    (tmp_path / "source.py").write_text("a = 2\n")
    assert results.is_stale(row)


def test_a_damaged_row_is_named_by_its_line(tmp_path):
    path = tmp_path / "rows.jsonl"
    results.write(path, [{"a": 1}, {"a": 2}])
    assert results.read(path) == [{"a": 1}, {"a": 2}]
    path.write_text('{"a": 1}\n{"a":\n')
    with pytest.raises(OSError, match="line 2 is no JSON object"):
        results.read(path)
