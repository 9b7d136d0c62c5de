"""The edge towards AWS, and the only home of its SDK: blocking calls, answers as evidence, errors with their cause."""
