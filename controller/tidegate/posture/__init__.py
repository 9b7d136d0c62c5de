"""What the configuration of a repository allows and risks: pure evaluators of its policies and settings."""
