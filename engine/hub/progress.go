package hub

import (
	"math"
	"time"
)

// Progress is the state of a pull.
type Progress struct {
	File           string // being fetched
	Files          int    // of how many
	Number         int    // number of this file, from 1
	Done, Total    int64  // bytes of the whole pull; Done includes what was there before
	BytesPerSecond float64
	ETA            time.Duration // 0: not known yet
	Waiting        bool          // another pull holds the file
}

const (
	reportInterval = 100 * time.Millisecond // at most one report in this time while bytes arrive
	speedWindow    = 5 * time.Second        // older bytes hardly count for the speed
	longestETA     = 1000 * time.Hour       // longer ones are noise, and the longest overflow a duration
)

// meter turns byte counts into progress.
type meter struct {
	Progress
	tell    func(Progress)
	since   time.Time // of the last update of the speed
	came    int64     // over the wire since then
	fetched int64     // over the wire in all
}

func newMeter(files []File, tell func(Progress)) *meter {
	m := &meter{tell: tell, since: time.Now(), Progress: Progress{Files: len(files)}}
	for _, f := range files {
		m.Total += f.Bytes
	}
	return m
}

// add counts bytes that were there before; a negative number takes back what has to be fetched again.
func (m *meter) add(n int64) {
	m.Done += n
	if time.Since(m.since) >= reportInterval {
		m.report()
	}
}

// arrived counts bytes from the wire.
func (m *meter) arrived(n int64) {
	m.came += n
	m.fetched += n
	m.add(n)
}

// report tells the state. The speed is an average in which the last seconds count most.
func (m *meter) report() {
	if elapsed := time.Since(m.since); elapsed >= reportInterval {
		weight := 1.0
		if m.BytesPerSecond > 0 {
			weight -= math.Exp(-elapsed.Seconds() / speedWindow.Seconds())
		}
		m.BytesPerSecond += weight * (float64(m.came)/elapsed.Seconds() - m.BytesPerSecond)
		m.since, m.came = time.Now(), 0
	}
	m.ETA = 0
	if left := float64(m.Total-m.Done) / m.BytesPerSecond; left < longestETA.Seconds() { // not NaN or infinite
		m.ETA = time.Duration(left * float64(time.Second))
	}
	if m.tell != nil {
		m.tell(m.Progress)
	}
}
