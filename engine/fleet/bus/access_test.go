//go:build fleet

package bus

import (
	"errors"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"homellm/engine/fleet"
)

// TestWorker_MayNot checks what the key of a worker cannot do.
func TestWorker_MayNot(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	if _, err := r.store.Add("cellar", Worker); err != nil {
		t.Fatal(err)
	}
	time.Sleep(1500 * time.Millisecond) // the broker reads its keys every second
	operator := r.dial("operator")
	c := r.dial("cellar")
	refused := make(chan error, 16)
	c.nc.SetErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { refused <- err })
	job := fleet.Job{ID: "job", Run: "run"}
	for _, try := range []struct{ what, subject string }{
		{"add a job", jobSubject("set", job)},
		{"send as another box", playSubject(fleet.Box{Key: "worker", Name: "x"}, job, "1")},
		{"end a run", overSubject("run")},
		{"choose its jobs", setSubject("cellar.x")},
		{"read what others play", "$JS.API.DIRECT.GET." + playsStream + ".fleet.from.worker.play.x.run.job.1"},
		{"list the runs", "$JS.API.DIRECT.GET." + stateStream + "." + runSubject("run")},
		{"make a consumer", "$JS.API.CONSUMER.CREATE." + playsStream},
		{"look at a stream", "$JS.API.STREAM.INFO." + filesStream},
	} {
		if err := c.nc.Publish(try.subject, nil); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-refused:
			if !errors.Is(err, nats.ErrPermissionViolation) {
				t.Errorf("%s: %v", try.what, err)
			}
		case <-time.After(5 * time.Second):
			t.Errorf("a worker can %s", try.what)
		}
	}
	for _, subject := range []string{"fleet.>", "_INBOX_operator.>", "_INBOX.>"} {
		if _, err := c.nc.SubscribeSync(subject); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-refused:
			if !errors.Is(err, nats.ErrPermissionViolation) {
				t.Errorf("%s: %v", subject, err)
			}
		case <-time.After(5 * time.Second):
			t.Errorf("a worker can read %s", subject)
		}
	}
	info, err := operator.js.Stream(t.Context(), jobsStream)
	if err != nil || info.CachedInfo().State.Msgs > 0 {
		t.Errorf("jobs were added: %v", err)
	}
}

// TestJoin_SameName has a second worker take the name of a box that is there: it is refused, and the first goes on.
func TestJoin_SameName(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, first := r.join("attic", write)
	time.Sleep(300 * time.Millisecond)
	_, second := r.join("attic", write)
	select {
	case err := <-second:
		if err == nil || !strings.Contains(err.Error(), `a box named "attic" is in the fleet`) {
			t.Errorf("the second worker ended with %v", err)
		}
	case <-time.After(time.Minute):
		t.Error("the second worker plays")
	}
	select {
	case err := <-first:
		t.Errorf("the first worker ended with %v", err)
	default:
	}
}

// TestDial_OtherVersion has a worker of another version come: it is refused with a clear word.
func TestDial_OtherVersion(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c := r.dial("operator")
	if _, err := c.js.Publish(t.Context(), aboutSubject, []byte("99")); err != nil {
		t.Fatal(err)
	}
	_, err := Dial(t.Context(), "", r.key("worker"), r.say)
	if err == nil || !strings.Contains(err.Error(), "the fleet speaks version 99 of its protocol, and this homellm version 1") {
		t.Errorf("a worker of another version: %v", err)
	}
}

// TestRevoke checks that a worker whose key is revoked is out within seconds, and stays out.
func TestRevoke(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, ended := r.join("attic", write)
	k := r.key("worker")
	time.Sleep(300 * time.Millisecond)
	if err := r.store.Revoke("worker"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(r.store.path("worker.key")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("its file is left: %v", err)
	}
	time.Sleep(2 * time.Second)
	if _, err := Dial(t.Context(), "", k, r.say); err == nil || !strings.Contains(err.Error(), "cannot be reached") {
		t.Errorf("a revoked key connects: %v", err)
	}
	select {
	case err := <-ended:
		if err == nil || !strings.Contains(err.Error(), "revoked") {
			t.Errorf("the worker ended with %v", err)
		}
	case <-time.After(30 * time.Second):
		t.Error("the worker still runs")
	}
}

// TestEncrypted checks that the connection to an address that others can reach is encrypted with a certificate that is
// dated back, and that the key of another fleet does not connect.
func TestEncrypted(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.stop()
	_, port, err := net.SplitHostPort(r.addr)
	if err != nil {
		t.Fatal(err)
	}
	r = &rig{t: t, store: Store{Dir: t.TempDir()}, addr: "0.0.0.0:" + port}
	r.serve()
	k := r.key("operator")
	address := "nats://127.0.0.1:" + port
	c, err := Dial(t.Context(), address, k, r.say)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	state, err := c.nc.TLSConnectionState()
	if err != nil {
		t.Fatal(err)
	}
	if back := time.Since(state.PeerCertificates[0].NotBefore); back < 47*time.Hour {
		t.Errorf("the certificate is dated back by %v", back)
	}
	other := Store{Dir: t.TempDir()}
	if _, err := other.certify("0.0.0.0"); err != nil {
		t.Fatal(err)
	}
	k.CA, err = other.authority()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Dial(t.Context(), address, k, r.say); err == nil {
		t.Error("the certificate of another fleet is accepted")
	}
	k.CA = ""
	if _, err := Dial(t.Context(), address, k, r.say); err == nil {
		t.Error("a connection without a certificate is accepted")
	}
}
