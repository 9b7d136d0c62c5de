// Command reference says how the container runtime's own grammar reads image references.
//
// It reads one JSON string a line and prints one JSON object a line: what the reference was read as, or the error.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	// The runtime links these in, so that digests of both families are known to the grammar.
	_ "crypto/sha256"
	_ "crypto/sha512"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
)

const longestLine = 1 << 20

type reading struct {
	Error  string        `json:"error,omitempty"`
	Domain string        `json:"domain"`
	Path   string        `json:"path"`
	Tag    string        `json:"tag"`
	Digest digest.Digest `json:"digest"`
}

func read(text string) reading {
	// The runtime's reading, in which a digest displaces the tag, decides what is accepted.
	named, err := reference.ParseDockerRef(text)
	if err != nil {
		return reading{Error: err.Error()}
	}
	result := reading{Domain: reference.Domain(named), Path: reference.Path(named)}
	if digested, ok := named.(reference.Digested); ok {
		result.Digest = digested.Digest()
		// The tag beside a digest is only in the full reading.
		if named, err = reference.ParseNormalizedNamed(text); err != nil {
			return reading{Error: err.Error()}
		}
	}
	if tagged, ok := named.(reference.Tagged); ok {
		result.Tag = tagged.Tag()
	}
	return result
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, longestLine)
	answers := bufio.NewWriter(os.Stdout)
	encoder := json.NewEncoder(answers)
	for lines.Scan() {
		var text string
		err := json.Unmarshal(lines.Bytes(), &text)
		if err == nil {
			err = encoder.Encode(read(text))
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	if err := lines.Err(); err == nil {
		err = answers.Flush()
		if err == nil {
			return
		}
	}
	fmt.Fprintln(os.Stderr, "the lines could not be read or answered")
	os.Exit(1)
}
