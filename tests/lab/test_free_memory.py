"""Free memory is read where Linux says it."""

from minisparse.lab import free_memory


def test_free_memory_is_read_where_linux_says_it(tmp_path):
    (tmp_path / "meminfo").write_text("MemTotal:  100 kB\nMemAvailable:    50 kB\n")
    assert free_memory.on_host(tmp_path / "meminfo") == 51_200
    assert free_memory.on_host(tmp_path / "none") == free_memory.UNKNOWN
    assert free_memory.in_group(tmp_path) == free_memory.UNKNOWN
    (tmp_path / "memory").mkdir()
    for name, text in (("limit_in_bytes", "90"), ("usage_in_bytes", "40"), ("stat", "cache 7\ninactive_file 5\n")):
        (tmp_path / "memory" / f"memory.{name}").write_text(text)
    assert free_memory.in_group(tmp_path) == 55
    for name, text in (("max", "max\n"), ("current", "40\n"), ("stat", "inactive_file 5\n")):
        (tmp_path / f"memory.{name}").write_text(text)
    assert free_memory.in_group(tmp_path) == 55  # version 2 sets no limit here
    (tmp_path / "memory.max").write_text("60\n")
    assert free_memory.in_group(tmp_path) == 25
