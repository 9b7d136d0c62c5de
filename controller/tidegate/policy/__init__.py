"""ImagePolicy and TrustStore objects: parsed, matched and compiled into one immutable snapshot. Pure."""
