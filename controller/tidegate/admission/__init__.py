"""Question and answer: what the API server asks, which images that is about, and every word that users read. Pure."""
