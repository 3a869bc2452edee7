package otlp

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"mime"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

const (
	protobuf = "application/x-protobuf"
	firstTry = 500 * time.Millisecond // before the first retry; doubled for each further one
	replied  = 64 << 10               // how much of a reply is read
)

// exporter sends the requests of one signal.
type exporter struct {
	url    string
	agent  string
	header http.Header
	zip    bool
	client *http.Client
}

// newExporter reads the environment variables of a signal ("traces"). A variable that names the signal takes precedence
// over the one for all signals.
func newExporter(base, signal, agent string, getenv func(string) string) (*exporter, error) {
	named := func(name string) string {
		own := "OTEL_EXPORTER_OTLP_" + strings.ToUpper(signal) + "_" + name
		if getenv(own) != "" {
			return own
		}
		return "OTEL_EXPORTER_OTLP_" + name
	}
	e := &exporter{url: base + "/v1/" + signal, agent: agent, header: http.Header{}}
	headers, err := pairs(getenv, named("HEADERS"))
	if err != nil {
		return nil, err
	}
	for _, h := range headers {
		e.header.Set(h.key, h.value)
	}
	switch how := named("COMPRESSION"); getenv(how) {
	case "", "none":
	case "gzip":
		e.zip = true
	default:
		return nil, fmt.Errorf("%s is neither gzip nor none", how)
	}
	trust := &tls.Config{MinVersion: tls.VersionTLS12}
	if file := named("CERTIFICATE"); getenv(file) != "" {
		pem, err := os.ReadFile(getenv(file))
		trust.RootCAs = x509.NewCertPool()
		if err != nil || !trust.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s does not name a readable file of certificates", file)
		}
	}
	if file := named("CLIENT_CERTIFICATE"); getenv(file) != "" {
		own, err := tls.LoadX509KeyPair(getenv(file), getenv(named("CLIENT_KEY")))
		if err != nil {
			return nil, fmt.Errorf("%s and its key: %w", file, err)
		}
		trust.Certificates = []tls.Certificate{own}
	}
	e.client = &http.Client{
		Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: trust, ForceAttemptHTTP2: true},
		// A redirection would carry the headers, and a key among them, somewhere else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return e, nil
}

type pair struct{ key, value string }

// pairs reads a variable that holds key=value,key=value, in which values are escaped as in an address.
func pairs(getenv func(string) string, name string) (out []pair, err error) {
	for one := range strings.SplitSeq(getenv(name), ",") {
		if one = strings.TrimSpace(one); one == "" {
			continue
		}
		key, value, ok := strings.Cut(one, "=")
		key = strings.TrimSpace(key)
		value, err := url.PathUnescape(strings.TrimSpace(value))
		if !ok || err != nil || key == "" || strings.ContainsAny(key+value, "\r\n\x00") || strings.Contains(key, " ") {
			return nil, fmt.Errorf("%s is not a list such as key=value,other=value", name) // the list itself may hold a secret
		}
		out = append(out, pair{key, value})
	}
	return out, nil
}

func (e *exporter) close() { e.client.CloseIdleConnections() }

// post sends a request, and repeats it while the collector asks for that and the context lasts.
func (e *exporter) post(ctx context.Context, m message) error {
	body := []byte(m)
	if e.zip {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		if _, err := z.Write(m); err != nil {
			return err
		}
		if err := z.Close(); err != nil {
			return err
		}
		body = b.Bytes()
	}
	for wait := firstTry; ; wait *= 2 {
		err := e.try(ctx, body)
		var busy *busyError
		if !errors.As(err, &busy) {
			return err
		}
		pause := wait/2 + rand.N(wait)
		if busy.after != nil {
			pause = *busy.after
		}
		if end, ok := ctx.Deadline(); ok && time.Until(end) < pause {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

// busyError is a collector's answer that asks for the same request later.
type busyError struct {
	said  string
	after *time.Duration // how long to wait; nil: it does not say
}

func (e *busyError) Error() string {
	if e.after != nil {
		return fmt.Sprintf("%s, to be tried again in %s", e.said, *e.after)
	}
	return e.said
}

// try sends a request once.
func (e *exporter) try(ctx context.Context, body []byte) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header = e.header.Clone()
	r.Header.Set("Content-Type", protobuf)
	r.Header.Set("User-Agent", e.agent)
	if e.zip {
		r.Header.Set("Content-Encoding", "gzip")
	}
	reply, err := e.client.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = reply.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(reply.Body, replied))
	if err != nil {
		return err
	}
	kind, _, _ := mime.ParseMediaType(reply.Header.Get("Content-Type"))
	if reply.StatusCode/100 == 2 {
		if kind != protobuf {
			return nil
		}
		return partly(text)
	}
	said := reply.Status
	if why := reason(kind, text); why != "" {
		said += ": " + why
	}
	switch reply.StatusCode {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return &busyError{said, retryAfter(reply.Header.Get("Retry-After"))}
	}
	return errors.New(said)
}

// retryAfter reads a header: seconds, or a date.
func retryAfter(header string) *time.Duration {
	var after time.Duration
	if n, err := strconv.ParseUint(header, 10, 31); err == nil {
		after = time.Duration(n) * time.Second
	} else if at, err := http.ParseTime(header); err == nil {
		after = max(0, time.Until(at))
	} else {
		return nil
	}
	return &after
}

// partialError is the reply of a collector that accepted only a part of a request, or accepted it with a warning.
type partialError struct {
	rejected uint64
	why      string
}

func (e *partialError) Error() string {
	switch {
	case e.rejected == 0:
		return "accepted with a warning: " + e.why
	case e.why == "":
		return fmt.Sprintf("%d were rejected", e.rejected)
	}
	return fmt.Sprintf("%d were rejected: %s", e.rejected, e.why)
}

// partly reads the reply of a collector that accepted a request; nil: it accepted everything.
func partly(reply []byte) error {
	var e partialError
	read(reply, func(field protowire.Number, _ uint64, partial []byte) {
		if field != responsePartial {
			return
		}
		read(partial, func(field protowire.Number, number uint64, b []byte) {
			switch field {
			case partialRejected:
				e.rejected = number
			case partialMessage:
				e.why = line(b)
			}
		})
	})
	if e == (partialError{}) {
		return nil
	}
	return &e
}

// reason is why a collector refused a request, by its reply: a Status in Protocol Buffers, or a text.
func reason(kind string, reply []byte) (why string) {
	switch kind {
	case protobuf:
		read(reply, func(field protowire.Number, _ uint64, b []byte) {
			if field == failureMessage {
				why = line(b)
			}
		})
	case "text/plain", "application/json":
		why = line(reply)
	}
	return why
}

// line is the beginning of a text, on one line.
func line(b []byte) string {
	words := strings.Join(strings.Fields(strings.ToValidUTF8(string(b), "\uFFFD")), " ")
	if r := []rune(words); len(r) > 200 {
		return string(r[:200]) + "…"
	}
	return words
}
