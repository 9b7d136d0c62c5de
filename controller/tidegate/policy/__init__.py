"""What is demanded: ImagePolicy objects, parsed, matched and compiled into one immutable snapshot. Pure."""
