package hub

import "time"

// Progress is the state of a pull.
type Progress struct {
	File           string // being fetched
	Files          int    // of how many
	Number         int    // this is which, from 1
	Done, Total    int64  // bytes of the whole pull; Done includes what was there before
	BytesPerSecond float64
	ETA            time.Duration // 0: not known yet
	Waiting        bool          // another pull holds the file
}

// meter turns byte counts into progress.
type meter struct {
	tell  func(Progress)
	p     Progress
	files []Remote
	last  time.Time // of the last report
	since time.Time // start of the window that the speed is measured over
	base  int64     // arrived before the window
	came  int64     // arrived over the wire
}

func newMeter(files []Remote, tell func(Progress)) *meter {
	m := &meter{tell: tell, files: files, since: time.Now(), p: Progress{Files: len(files)}}
	for _, f := range files {
		m.p.Total += f.Bytes
	}
	return m
}

func (m *meter) begin(i int) {
	m.p.File, m.p.Number, m.p.Waiting = m.files[i].Path, i+1, false
	m.report()
}

func (m *meter) waiting() {
	m.p.Waiting = true
	m.report()
}

// add counts bytes that were there before; a negative number takes back what has to be fetched again.
func (m *meter) add(n int64) {
	m.p.Done += n
	m.p.Waiting = false
	if time.Since(m.last) >= reportInterval {
		m.report()
	}
}

// arrived counts bytes from the wire.
func (m *meter) arrived(n int64) {
	m.came += n
	m.add(n)
}

const (
	reportInterval = 100 * time.Millisecond // at most one report in this time while bytes arrive
	speedWindow    = 5 * time.Second
	longestETA     = 1000 * time.Hour // longer ones are noise, and the longest overflow a duration
)

// report tells the state. The speed is that of the last one to two windows.
func (m *meter) report() {
	if m.tell == nil {
		return
	}
	now := time.Now()
	m.last = now
	elapsed := now.Sub(m.since)
	if elapsed >= reportInterval {
		m.p.BytesPerSecond = float64(m.came-m.base) / elapsed.Seconds()
	}
	m.p.ETA = 0
	if left := float64(m.p.Total-m.p.Done) / m.p.BytesPerSecond; left < longestETA.Seconds() { // not NaN or infinite
		m.p.ETA = time.Duration(left * float64(time.Second))
	}
	if elapsed > 2*speedWindow {
		// Start the next window in the middle of this one, at its average speed.
		m.base += int64(m.p.BytesPerSecond * (elapsed - speedWindow).Seconds())
		m.since = now.Add(-speedWindow)
	}
	m.tell(m.p)
}
