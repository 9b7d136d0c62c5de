"""What policies require of signatures, and which verification answers it. Pure: no file, clock or network."""
