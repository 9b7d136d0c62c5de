"""AWS, and the only use of its SDK: blocking calls, answers read into evidence, errors with their cause."""
