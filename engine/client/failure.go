package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"

	"homellm/engine/client/transport"
	"homellm/engine/event"
	"homellm/engine/wire"
)

// failure says what is wrong with a reply whose body ended with err, or nil. Inner is the request's own context; its
// cause tells which of the request's time-outs expired.
func (k *call) failure(ctx, inner context.Context, err error) *event.Error {
	x, r := k.x, k.record
	switch cause := context.Cause(inner); {
	case r.err != nil:
		return r.err
	case err == nil, x.Wire.DoneMarker:
	case ctx.Err() != nil:
		return interrupted(ctx.Err())
	case errors.Is(cause, errFirstToken), errors.Is(cause, errIdle):
		return k.tooSlow(cause)
	case x.Finish == "":
		return &event.Error{Class: "reset", Body: keep(k.head), Message: fmt.Sprintf(
			"the connection broke in the middle of the reply, after %d events: look into the log of the server, and of any "+
				"proxy before it (%s)", x.Wire.Events, wire.OneLine(err.Error()))}
	}
	return k.shortfall()
}

// givenUp are the finish reasons by which servers report an incomplete reply: SGLang and vLLM when they abort a
// request, gateways when their upstream failed.
var givenUp = map[string]bool{"abort": true, "error": true}

// withheld are the finish reasons of replies that the server or the model withholds.
var withheld = map[string]bool{"refusal": true, "content_filter": true}

// typed are the APIs whose events state their type. They have no [DONE], so a stream that ends with one and has none of
// their events belongs to another API.
var typed = map[wire.API]bool{wire.Responses: true, wire.Messages: true}

// shortfall says what is missing in a reply that ended cleanly.
func (k *call) shortfall() *event.Error {
	x, r := k.x, k.record
	e := new(event.Error)
	switch {
	case x.Wire.Bytes == 0:
		e.Class = "empty"
		e.Message = fmt.Sprintf("HTTP %d with an empty body: look into the server's log", x.Status)
	case x.Wire.Events+k.commentsSeen() == 0:
		e.Class = "protocol"
		e.Message = fmt.Sprintf("the reply (%s) is not a stream of events, it is %s: "+
			"check the URL, the base path and the API", orNone(x.Wire.ContentType), describe(k.head))
	case !r.choices && x.Wire.Events > 0 && (!x.Wire.DoneMarker || typed[k.client.dialect.Name] &&
		x.Finish == ""):
		e.Class = "protocol"
		e.Message = "the reply holds no completion: it is that of another API: check the base path and the API: " +
			describe(k.head)
	case !r.whole && !r.complete():
		e.Class = "truncated"
		e.Message = fmt.Sprintf("the stream ended after %d events without a finish reason and without [DONE]: the server "+
			"gave up, and some servers lose the reason: look into its log", x.Wire.Events)
	case givenUp[x.Finish]:
		e.Class = "server_error"
		e.Message = fmt.Sprintf("the server gave up the reply after %d events (finish reason %s): look into its log",
			x.Wire.Events, x.Finish)
	case !r.answered() && withheld[x.Finish]:
		e.Class = "empty"
		e.Message = fmt.Sprintf("the server refused to answer and generated nothing (finish reason %s)", x.Finish)
	case !r.answered():
		e.Class = "empty"
		e.Message = fmt.Sprintf("the reply is well formed and holds no token (finish reason %s): check the prompt's "+
			"template and max_tokens", orNone(x.Finish))
	default:
		return nil
	}
	e.Body = keep(k.head)
	return e
}

// tooSlow says which of the request's time-outs expired, and how far the reply was.
func (k *call) tooSlow(cause error) *event.Error {
	x, cfg := k.x, &k.client.cfg
	e := &event.Error{Class: "timeout_first_token", Body: keep(k.head)}
	switch {
	case !errors.Is(cause, errFirstToken):
		e.Class = "timeout_idle"
		e.Message = fmt.Sprintf("no event for %v after %d of them: the server hangs, or raise timeouts.idle", cfg.Idle,
			x.Wire.Events)
		if x.Finish != "" {
			e.Message = fmt.Sprintf("the reply was complete (finish reason %s), but for %v the server neither sent [DONE] nor "+
				"ended the body", x.Finish, cfg.Idle)
		}
	case x.Status == 0:
		e.Message = fmt.Sprintf("no answer, not even headers, for %v: the server may be busy with another request; if the "+
			"prompt takes that long, raise timeouts.first_token", cfg.FirstToken)
	default:
		e.Message = fmt.Sprintf("headers came, but no token for %v (%d events, %d keep-alive comments): if the prompt "+
			"takes that long, raise timeouts.first_token",
			cfg.FirstToken, x.Wire.Events, k.commentsSeen())
	}
	return e
}

// interrupted tells the step's time-out from the end of the run.
func interrupted(err error) *event.Error {
	if errors.Is(err, context.DeadlineExceeded) {
		return &event.Error{Class: "timeout", Message: "the step's time-out ran out before the reply was complete: raise " +
			"the step's timeout, or lower max_tokens"}
	}
	return &event.Error{Class: "cancelled", Message: "the run was interrupted before the reply was complete"}
}

func notJSON(data []byte) *event.Error {
	return &event.Error{Class: "protocol", Body: keep(data),
		Message: "the reply is not what the API promises: an event is " + describe(data)}
}

func tooLarge(limit int) *event.Error {
	return &event.Error{Class: "too_large", Message: fmt.Sprintf("the reply exceeds the limit of %d bytes: set "+
		"max_tokens, or check whether the server repeats itself", limit)}
}

// describe names what a body is, for a message to someone who expected something else.
func describe(body []byte) string {
	if f := wire.ReadFault(body); f.Page {
		return f.Message
	}
	const shown = 120
	text := wire.OneLine(string(body[:min(len(body), shown)]))
	if len(body) > shown {
		text += " …"
	}
	return fmt.Sprintf("%q", text)
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return wire.OneLine(s)
}

// unanswered says why no response came.
func (k *call) unanswered(ctx, inner context.Context, err error) *event.Error {
	cause := context.Cause(inner)
	var failed transport.ConnectError
	switch {
	case ctx.Err() != nil:
		return interrupted(ctx.Err())
	case errors.As(err, &failed):
		return &event.Error{Class: "connect", Message: unconnected(k.client.url.Host, failed)}
	case errors.Is(cause, errFirstToken):
		return k.tooSlow(cause)
	case strings.Contains(err.Error(), "malformed HTTP"):
		return &event.Error{Class: "protocol", Message: fmt.Sprintf("what listens at %s does not speak HTTP here: check "+
			"the port, and http or https (%s)", k.client.url.Host, wire.OneLine(err.Error()))}
	}
	return &event.Error{Class: "reset", Message: fmt.Sprintf("the server closed the connection without an answer: it "+
		"may have crashed: look into its log (%s)", wire.OneLine(err.Error()))}
}

// unconnected says why no connection could be made.
func unconnected(host string, err error) string {
	var (
		dns     *net.DNSError
		plain   tls.RecordHeaderError
		unknown x509.UnknownAuthorityError
		name    x509.HostnameError
		timeout net.Error
	)
	advice := "check the URL and that the server runs"
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		advice = "nothing listens there: start the server, or check the port"
	case errors.As(err, &dns):
		advice = "the host name is not known: check the URL"
	case errors.As(err, &plain):
		advice = "it does not speak TLS: use http:// instead of https://"
	case errors.As(err, &unknown), errors.As(err, &name):
		advice = "its certificate is not trusted for this name"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		advice = "it did not answer in time: check that the machine is up and no firewall drops packets"
	}
	return fmt.Sprintf("no connection to %s: %s (%s)", host, advice, wire.OneLine(err.Error()))
}
