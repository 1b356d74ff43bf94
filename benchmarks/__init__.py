"""What minisparse costs: every number a ratio of interleaved runs, or a share of what the machine can do.

``python -m benchmarks`` runs all parts and writes a table, a JSON file and plots; ``--help`` lists the parts.
"""
