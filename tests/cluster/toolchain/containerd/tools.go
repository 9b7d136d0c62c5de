//go:build tools

// Package tools names the commands that the tests build, so that go.mod and go.sum pin every byte of them.
package tools

import (
	_ "github.com/containerd/containerd/v2/cmd/containerd"
	_ "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2"
)
