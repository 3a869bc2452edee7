//go:build fleet

package bus

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"homellm/engine/fleet"
)

// The streams of a fleet, and the subjects in them.
//
//	FLEET_JOBS   fleet.job.QUEUE.RUN.JOB                    a job, in the queue of what it demands of its box
//	FLEET_PLAYS  fleet.from.KEY.play.BOX.RUN.JOB.ATTEMPT    the journal of a play, in parts
//	FLEET_BOXES  fleet.from.KEY.box.BOX                     what a box says of itself
//	FLEET_STATE  fleet.about                                the version of the protocol
//	             fleet.set.KEY.BOX                          the queues that a box asks, and whether it is drained
//	             fleet.over.RUN, fleet.over.RUN.JOB         what nobody has to play any more
//	             fleet.run.RUN                              a run, for those who look
//	FLEET_FILES  fleet.file.TOKEN.N                         a document, in parts
const (
	jobsStream  = "FLEET_JOBS"
	playsStream = "FLEET_PLAYS"
	boxesStream = "FLEET_BOXES"
	stateStream = "FLEET_STATE"
	filesStream = "FLEET_FILES"

	aboutSubject = "fleet.about"
)

// The rhythm of leases.
const (
	Lease = 45 * time.Second // a job whose box does not answer for it for so long is offered again
	kept  = 30 * 24 * time.Hour
)

// part is the size of the parts in which files and journals travel: below the broker's limit of 1 MiB.
const part = 512 << 10

func jobSubject(queue string, j fleet.Job) string {
	return "fleet.job." + queue + "." + j.Run + "." + j.ID
}

func playSubject(box fleet.Box, j fleet.Job, attempt string) string {
	return strings.Join([]string{"fleet.from", box.Key, "play", box.Name, j.Run, j.ID, attempt}, ".")
}

func boxSubject(b fleet.Box) string { return "fleet.from." + b.Key + ".box." + b.Name }

func setSubject(id string) string { return "fleet.set." + id }

// assignedTo is the id of the box for which the broker keeps a message.
func assignedTo(subject string) string { return strings.TrimPrefix(subject, setSubject("")) }

func overSubject(run string) string { return "fleet.over." + run }

func settledSubject(run, job string) string { return "fleet.over." + run + "." + job }

func runSubject(run string) string { return "fleet.run." + run }

func fileSubject(token string, n int) string { return fmt.Sprintf("fleet.file.%s.%d", token, n) }

// from reads who sent a message: key and box, and of a play also its run, job and attempt.
func from(subject string) (key string, rest []string) {
	words := strings.Split(subject, ".")
	if len(words) < 5 {
		return "", nil
	}
	return words[2], words[4:]
}

var word = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// Name makes the name of a host one that a box or a key can have.
func Name(host string) string {
	clean := strings.Map(func(r rune) rune {
		if word.MatchString(string(r)) {
			return r
		}
		return '-'
	}, host)
	return clean[:min(len(clean), 64)]
}

// Named says whether a name is one that a box or a key can have: a word of subjects.
func Named(name string) bool { return word.MatchString(name) }

// streams are the settings of the streams. Several replicas need a cluster of as many brokers.
func streams(replicas int) []jetstream.StreamConfig {
	all := []jetstream.StreamConfig{
		{Name: jobsStream, Subjects: []string{"fleet.job.>"}, Retention: jetstream.WorkQueuePolicy, MaxAge: kept},
		{Name: playsStream, Subjects: []string{"fleet.from.*.play.>"}, MaxAge: kept},
		{Name: boxesStream, Subjects: []string{"fleet.from.*.box.*"}, MaxMsgsPerSubject: 1, AllowDirect: true,
			MaxAge: kept},
		{Name: stateStream, MaxMsgsPerSubject: 1, AllowDirect: true,
			Subjects: []string{aboutSubject, "fleet.set.>", "fleet.over.>", "fleet.run.>"}},
		{Name: filesStream, Subjects: []string{"fleet.file.>"}, AllowDirect: true, MaxAge: kept},
	}
	for i := range all {
		all[i].Replicas, all[i].Storage = replicas, jetstream.FileStorage
	}
	return all
}
