package engine

import (
	"context"
	"fmt"

	"homellm/engine/engines"
	"homellm/engine/server"
)

// preflight sends requests that are not part of the scenario, before anything is measured. It
// makes sure that the model answers at all, that what the server reports of its cache is true,
// and that what isolates one repeat from the next does so: the same new prompt sent twice must
// be found in the cache, and must not be found after a reset or under another salt.
func (s *session) preflight(ctx context.Context) error {
	b := &s.beside
	*b = beside{noted: b.noted, disagree: b.disagree, traffic: b.traffic}
	side := s.target.Side
	if !s.tested() {
		if _, err := s.canary("")(ctx, "Hello"); err != nil {
			return s.refused(ctx, err)
		}
		if rule := s.cell.Server.Capabilities.CacheReport; rule.Source != "none" && rule.Source != "" {
			b.report = server.Report{InReply: true, Source: rule.Source} // the profile vouches for it
		}
		s.watchCounters()
		return s.unproven()
	}
	report, err := side.SelfTest(ctx, s.target.Block, s.canary(""))
	if err != nil {
		return s.refused(ctx, err)
	}
	b.report = report
	if !report.Proven() {
		b.report.Why = "self-test: " + report.Why + reportHint(s.target.Facts.Engine)
	} else {
		s.target.Facts.Capabilities = append(s.target.Facts.Capabilities, "cache_report_proven")
	}
	s.watchCounters()
	return s.proveIsolation(ctx)
}

// tested reports whether the cache report of this server is put to the test.
func (s *session) tested() bool {
	rule := s.cell.Server.Capabilities.CacheReport
	return s.target.Side != nil && rule.Source != "none" && rule.Source != "" && (rule.Verify || rule.Source == "counters")
}

// watchCounters decides whether the counters are read around every turn: not where every reply says
// all that they say, and better.
func (s *session) watchCounters() {
	side := s.target.Side
	s.beside.counters = side != nil && side.HasMetrics() && s.cell.Server.Capabilities.Metrics != "" &&
		(!side.Engine().Metrics.InReply || !s.beside.report.InReply)
}

// proveIsolation makes sure that the scenario's isolation isolates on this server.
func (s *session) proveIsolation(ctx context.Context) error {
	side, report := s.target.Side, s.beside.report
	if !report.Proven() {
		return s.unproven()
	}
	var err error
	switch s.cell.Scenario.Run.Cache {
	case "salt":
		err = side.VerifySalt(ctx, report, s.canary(s.newSalt(pass{}, "canary")), s.maker.Lead())
	case "reset":
		if s.target.Reset != nil {
			err = side.VerifyReset(ctx, report, s.canary(""))
		}
	}
	if err == nil {
		return nil
	}
	if _, failed := asRefusal(err); failed || ctx.Err() != nil {
		return s.refused(ctx, err)
	}
	return s.unisolated("%s: isolation by %s does not work: %w", s.target.Facts.URL, s.cell.Scenario.Run.Cache, err)
}

// unisolated is the error of an isolation that fails, at the place of the server's profile.
func (s *session) unisolated(format string, args ...any) error {
	profile := s.cell.Server
	return server.WithHint(profile.Errorf(format, args...), "use another isolation: run.isolation.cache: salt, reset, restart or none")
}

// unproven says of an isolation that it was taken on trust, where no report of cached tokens can
// tell whether it works.
func (s *session) unproven() error {
	if cache := s.cell.Scenario.Run.Cache; cache == "reset" && s.target.Reset != nil {
		s.once("isolation_unproven", "isolation by %s was not proven: the server's report of cached tokens, which would show it, is not to be had", cache)
	}
	return nil
}

// reportHint says how an engine is told to report cached tokens.
func reportHint(engine string) string {
	if e := engines.Of(engine); e.Hints.ReportFlag != "" {
		return "; start " + e.Title + " with " + e.Hints.ReportFlag
	}
	return ""
}

// refused decides whether a failed preflight request means that this cell cannot run here. A
// server that answers with errors is measured all the same: its failures are what the run finds.
func (s *session) refused(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	e, ok := asRefusal(err)
	if !ok {
		return err
	}
	if e.Class == "connect" || e.Class == "reset" {
		if died := s.target.Ended(); died != nil {
			return died
		}
	}
	if hint, fatal := s.target.Hints(s.cell.Server)[e.Class]; fatal {
		return server.WithHint(fmt.Errorf("%s does not answer: %s", s.target.Facts.URL, e.Message), hint)
	}
	s.beside.report = server.Report{Why: "the cache self-test failed: " + e.Message}
	s.watchCounters()
	return nil
}
