"""Reports from verdicts: what would be refused, what turned bad, and one image from all sides. It does no I/O."""
