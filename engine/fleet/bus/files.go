//go:build fleet

package bus

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"homellm/engine/fleet"
)

// File is a file to send with a run. The name of one in the scenario's folder is relative to it.
type File struct {
	Name string
	Data []byte
}

// upload sends files in parts, under subjects that cannot be guessed.
func (c *Conn) upload(ctx context.Context, files []File) ([]fleet.Document, error) {
	var out []fleet.Document
	for _, f := range files {
		var secret [16]byte
		if _, err := rand.Read(secret[:]); err != nil {
			return nil, err
		}
		sum := sha256.Sum256(f.Data)
		d := fleet.Document{Name: f.Name, SHA256: hex.EncodeToString(sum[:]), Bytes: len(f.Data),
			Token: hex.EncodeToString(secret[:])}
		for rest := f.Data; len(rest) > 0; d.Parts++ {
			n := min(len(rest), part)
			if _, err := c.publish(ctx, fileSubject(d.Token, d.Parts), rest[:n]); err != nil {
				return nil, fmt.Errorf("sending %s: %w", f.Name, err)
			}
			rest = rest[n:]
		}
		out = append(out, d)
	}
	return out, nil
}

// readLate reads a message that was stored a moment ago: of several brokers, the one that answers may not have it yet.
func (c *Conn) readLate(ctx context.Context, stream, subject string) (data []byte, err error) {
	for range 5 {
		if data, _, err = c.read(ctx, stream, subject); !errors.Is(err, errNone) {
			break
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(300 * time.Millisecond):
		}
	}
	return data, err
}

// download writes the files of a job into a folder. The names come from elsewhere: none leads out of the folder.
func (c *Conn) download(ctx context.Context, files []fleet.Document, dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	for _, d := range files {
		data := make([]byte, 0, min(max(d.Bytes, 0), 64<<20))
		for n := range d.Parts {
			more, err := c.readLate(ctx, filesStream, fileSubject(d.Token, n))
			if err != nil {
				return fmt.Errorf("fetching %s: %w", d.Name, err)
			}
			data = append(data, more...)
		}
		if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != d.SHA256 {
			return fmt.Errorf("fetching %s: it did not arrive as it was sent", d.Name)
		}
		name := filepath.FromSlash(d.Name)
		if parent := filepath.Dir(name); parent != "." {
			if err := root.MkdirAll(parent, 0o700); err != nil {
				return fmt.Errorf("fetching %s: %w", d.Name, err)
			}
		}
		if err := root.WriteFile(name, data, 0o600); err != nil {
			return fmt.Errorf("fetching %s: %w", d.Name, err)
		}
	}
	return nil
}
