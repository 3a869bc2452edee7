//go:build fleet

package bus

import (
	"context"
	"errors"
	"os"
	"strings"
	"time"
)

// errFull says that the broker cannot store any more what it is sent. A stream that could not be written is not tried
// again by a server that runs: it has to be started again.
var errFull = errors.New("nothing more can be stored")

// unstored says whether the server complains that it could not store something.
func unstored(text string) bool {
	return strings.Contains(text, "failed to store a msg") || strings.Contains(text, "no space left on device")
}

// room is how much must fit on the disk before a broker whose disk was full goes on.
const room = 4 << 20

// roomAgain waits until there is room on the disk. Nothing is lost meanwhile: who sends keeps what was not confirmed.
func (b Broker) roomAgain(ctx context.Context) error {
	b.Warn("the disk of %s is full, or cannot be written: the fleet waits until there is room there for %d MiB",
		b.Store.Dir, room>>20)
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-t.C:
		}
		if b.Store.fits(room) {
			b.Warn("there is room again: the fleet goes on")
			return nil
		}
	}
}

// fits says whether so many bytes can be stored.
func (s Store) fits(n int) bool {
	f, err := os.CreateTemp(s.Dir, "room")
	if err != nil {
		return false
	}
	_, err = f.Write(make([]byte, n))
	err = errors.Join(err, f.Sync(), f.Close())
	return errors.Join(err, os.Remove(f.Name())) == nil
}
