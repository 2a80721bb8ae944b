package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// payload is the file that is moved.
type payload struct {
	path string
	copy string // where it is received
	size int64  // bytes
	sum  [sha256.Size]byte
}

// openPayload opens or generates the file, and computes its checksum.
func openPayload(opts options, dir string) (payload, error) {
	p := payload{path: opts.file, copy: filepath.Join(dir, "received")}
	if p.path == "" {
		p.path = filepath.Join(dir, "sent")
		if err := generate(p.path, int64(opts.size)<<20); err != nil {
			return p, fmt.Errorf("generating a file: %w", err)
		}
	}
	info, err := os.Stat(p.path)
	if err != nil {
		return p, err
	}
	if !info.Mode().IsRegular() || info.Size() == 0 {
		return p, fmt.Errorf("%s is not a file with contents", p.path)
	}
	f, err := os.Open(p.path)
	if err != nil {
		return p, err
	}
	defer f.Close()
	hash := sha256.New()
	if p.size, err = io.Copy(hash, f); err != nil {
		return p, err
	}
	hash.Sum(p.sum[:0])
	return p, nil
}

// generate writes random bytes, which cannot be compressed, so that the bytes on the wire
// show the tunnel's own overhead.
func generate(path string, size int64) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = io.CopyN(f, rand.NewChaCha8([32]byte{}), size)
	return errors.Join(err, f.Close())
}
