// Package otlp sends what a run measured to a collector of OpenTelemetry: each turn as a span, the run's figures as
// metrics, by the semantic conventions for generative AI.
//
// The input is an address and a folded run that has ended; the output is requests to that address. Nothing is sent
// while a run is measured, and no text of a prompt or a reply is.
package otlp

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"

	"homellm/engine/metrics"
)

// patience bounds all of the sending: a collector that does not answer costs no more.
const patience = 10 * time.Second

// Collector is where runs are sent.
type Collector struct {
	base     string // without a slash at its end
	version  string // of homellm
	patience time.Duration
}

// NewCollector reads the address of a collector, such as http://127.0.0.1:4318, which may end in the path of a signal.
// Headers, such as a key, come from OTEL_EXPORTER_OTLP_HEADERS, because others can see a command line.
func NewCollector(address, version string) (*Collector, error) {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return nil, errors.New("it is no address such as http://127.0.0.1:4318")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("an address of a collector has no user, query or fragment; a key goes into " +
			"OTEL_EXPORTER_OTLP_HEADERS")
	}
	base := u.String()
	for _, signal := range []string{"/v1/traces", "/v1/metrics"} {
		base = strings.TrimSuffix(strings.TrimRight(base, "/"), signal)
	}
	return &Collector{strings.TrimRight(base, "/"), version, patience}, nil
}

// Send sends one run. It takes at most ten seconds.
func (c *Collector) Send(ctx context.Context, run *metrics.Run) error {
	ctx, cancel := context.WithTimeout(ctx, c.patience)
	defer cancel()
	about := c.about(run)
	if err := errors.Join(c.sendSpans(ctx, about, run), c.sendFigures(ctx, about, run)); err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("%s did not take it within %s", c.base, c.patience)
		}
		return err
	}
	return nil
}

// about describes the run, for everything that is sent of it.
func (c *Collector) about(run *metrics.Run) *resource.Resource {
	s := run.Started
	return resource.NewWithAttributes(semconv.SchemaURL,
		semconv.ServiceName("homellm"), semconv.ServiceVersion(c.version), semconv.ServiceInstanceID(s.ID),
		attribute.String("homellm.run.id", s.ID), attribute.String("homellm.scenario", s.Scenario.Name))
}

func (c *Collector) sendSpans(ctx context.Context, about *resource.Resource, run *metrics.Run) error {
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(c.base+"/v1/traces"),
		otlptracehttp.WithRetry(otlptracehttp.RetryConfig{}))
	if err != nil {
		return err
	}
	err = spans(ctx, about, run, exporter.ExportSpans)
	return errors.Join(err, exporter.Shutdown(ctx))
}

func (c *Collector) sendFigures(ctx context.Context, about *resource.Resource, run *metrics.Run) error {
	exporter, err := otlpmetrichttp.New(ctx, otlpmetrichttp.WithEndpointURL(c.base+"/v1/metrics"),
		otlpmetrichttp.WithRetry(otlpmetrichttp.RetryConfig{}))
	if err != nil {
		return err
	}
	all, err := figures(ctx, about, run)
	if err == nil {
		err = exporter.Export(ctx, all)
	}
	return errors.Join(err, exporter.Shutdown(ctx))
}
