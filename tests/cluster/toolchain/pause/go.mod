module tidegate.dev/tests/cluster/toolchain/pause

go 1.26.0
