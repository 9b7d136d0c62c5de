"""What a signature proves, from bytes alone: no file, clock or network. It does not apply policies."""
