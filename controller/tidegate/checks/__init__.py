"""The checks, one a file: policy and evidence in, one result out. Pure; every result is constructed, never defaulted."""
