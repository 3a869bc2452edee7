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

// Config says which server to talk to and how. A bound of zero means no bound, unless its comment says otherwise.
type Config struct {
	BaseURL string   // http or https; the path is where the API starts, /v1 if there is none
	APIKey  string   // sent as a bearer token; empty: none
	Model   string   // the server's name of the model
	API     wire.API // name of a dialect; empty: chat
	Stream  bool

	ReasoningTags string // none: reasoning tags inside an answer are left in it

	Connect    time.Duration // to make a connection; 10 s if zero
	FirstToken time.Duration // from sending to the first token, reasoning or not
	Idle       time.Duration // between two events once tokens flow; keep-alive comments do not count
	MaxBytes   int           // of the text and framing of one reply, kept in memory; 16 MiB if zero

	TLS  *tls.Config // roots, certificates; nil: the system's
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	Raw  func(*event.Exchange, Raw) // receives the bytes of every reply when it has ended
}

// Raw is a reply as it came off the connection, without HTTP's framing. It belongs to the receiver.
type Raw struct {
	Header http.Header
	Body   [][]byte // in pieces; at most Config.MaxBytes
	Reads  []Read
}

// Read is one piece of a body: Bytes of it arrived At after the start of the run.
type Read struct {
	At    time.Duration
	Bytes int
}

// defaultMaxBytes bounds a reply where the configuration sets no bound.
const defaultMaxBytes = 16 << 20
