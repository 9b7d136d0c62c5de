"""One file for each check: policy and evidence in, one result out. Pure; every result is constructed, never defaulted."""
