package client

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"time"

	"homellm/engine/event"
	"homellm/engine/wire"
)

// Config says which server to talk to and how. The zero value of every bound means that there is
// none, except for those that say otherwise.
type Config struct {
	BaseURL string   // http or https; the path is where the API starts, /v1 if there is none
	APIKey  string   // sent as a bearer token; empty: none
	Model   string   // as the server calls it
	API     wire.API // name of a dialect; empty: chat
	Stream  bool

	ReasoningTags string // none: what looks like reasoning in an answer is part of it

	Connect    time.Duration // to make a connection; 10 s if zero
	FirstToken time.Duration // from sending to the first token, reasoning or not
	Idle       time.Duration // between two events once tokens flow; keep-alive comments do not count
	MaxBytes   int           // of one reply's text and framing, kept in memory; 16 MiB if zero

	TLS  *tls.Config // roots, certificates; nil: the system's
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	Raw  func(*event.Exchange, Raw) // gets the bytes of every reply, when it is over
}

// Raw is a reply as it came off the connection, without HTTP's own framing. It is valid during
// the call that hands it out.
type Raw struct {
	Header http.Header
	Body   []byte // at most Config.MaxBytes
	Reads  []Read
}

// Read is one piece of a body: Bytes of it arrived at an instant since the start of the run.
type Read struct {
	At    time.Duration
	Bytes int
}

// defaultMaxBytes bounds a reply where the configuration does not.
const defaultMaxBytes = 16 << 20
