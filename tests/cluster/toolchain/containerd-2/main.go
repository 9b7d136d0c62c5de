// Command containerd says which image of an index a node runs, by containerd's own code.
//
// It reads one JSON object a line: an index (root), the text of each blob by digest that no earlier line gave, and nodes.
// It prints one JSON list a line: for each node the digest of the config of the image that containerd would run, or ""
// where it would run none.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"

	// The runtime links these in, so that digests of both families are known.
	_ "crypto/sha256"
	_ "crypto/sha512"

	"github.com/containerd/platforms"
	"github.com/opencontainers/go-digest"
	specs "github.com/opencontainers/image-spec/specs-go/v1"
)

const longestLine = 16 << 20

type question struct {
	Root  specs.Descriptor         `json:"root"`
	Blobs map[digest.Digest]string `json:"blobs"`
	Nodes []specs.Platform         `json:"nodes"`
}

// blobs is a content store in memory.
type blobs map[digest.Digest]string

// blob is one opened blob; bytes.Reader has its size.
type blob struct{ *bytes.Reader }

func (blob) Close() error { return nil }

func (all blobs) open(described specs.Descriptor) (blob, error) {
	text, found := all[described.Digest]
	if !found {
		return blob{}, errors.New("no such blob")
	}
	return blob{bytes.NewReader([]byte(text))}, nil
}

func answer(asked question, known blobs) []digest.Digest {
	maps.Copy(known, asked.Blobs)
	chosen := make([]digest.Digest, len(asked.Nodes))
	for i, node := range asked.Nodes {
		// On Linux platforms.Default() is platforms.Only() of the node's platform.
		manifest, err := choose(context.Background(), known, asked.Root, platforms.Only(node))
		if err == nil {
			chosen[i] = manifest.Config.Digest
		}
	}
	return chosen
}

func main() {
	if len(os.Args) > 1 {
		fmt.Println(version)
		return
	}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, longestLine)
	answers := bufio.NewWriter(os.Stdout)
	encoder := json.NewEncoder(answers)
	known := blobs{}
	for lines.Scan() {
		var asked question
		err := json.Unmarshal(lines.Bytes(), &asked)
		if err == nil {
			err = encoder.Encode(answer(asked, known))
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	if err := errors.Join(lines.Err(), answers.Flush()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
