package main

import (
	"context"

	"github.com/containerd/containerd/content"
	"github.com/containerd/containerd/images"
	specs "github.com/opencontainers/image-spec/specs-go/v1"
)

const version = "1.7.35"

// choose is what the CRI plugin and its client use to find the image of an index.
var choose = images.Manifest

func (all blobs) ReaderAt(_ context.Context, described specs.Descriptor) (content.ReaderAt, error) {
	return all.open(described)
}
