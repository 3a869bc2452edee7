package client_test

import (
	"context"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"homellm/engine/client"
	"homellm/engine/client/conformance"
	"homellm/engine/client/goldentest"
)

// TestPlanted proves that the conformance table turns red: each mistake that a client could make
// has to show in the figure that it falsifies.
func TestPlanted(t *testing.T) {
	for _, tt := range []struct{ mistake, shape, figure string }{
		{"role is a token", "role-early", "TTFT"},
		{"reasoning is not a token", "reasoning", "TTFT"},
		{"usage counts only without choices", "usage-last-chunk", "completion tokens"},
		{"the running count is ignored", "usage-every-chunk", "tokens per event"},
		{"error events are skipped", "error-object", "class"},
		{"a missing cache count means zero", "usage-cached-null", "cached tokens"},
		{"it is patient", "hang-middle", "gave up after"},
		{"stamps are taken late", "plain", "TTFT"},
	} {
		t.Run(tt.mistake, func(t *testing.T) {
			play := func(plant bool) (rows []conformance.Row) {
				synctest.Test(t, func(t *testing.T) {
					golden := goldentest.New(goldentest.Pace{First: 100 * time.Millisecond, Gap: 10 * time.Millisecond, Tokens: 20})
					var err error
					rows, err = conformance.Run(t.Context(), conformance.Options{
						Server: golden, Base: "http://golden",
						Dial:       func(context.Context, string, string) (net.Conn, error) { return golden.Pipe(), nil },
						FirstToken: time.Minute,
						Idle:       10 * time.Second,
						Only:       func(s goldentest.Shape, _ string) bool { return s.Name == tt.shape },
						New: func(cfg client.Config) (*client.Client, error) {
							c, err := client.New(cfg)
							if err == nil && plant {
								client.Plant(c, tt.mistake)
							}
							return c, err
						},
					})
					if err != nil {
						t.Fatal(err)
					}
					time.Sleep(time.Second) // the connection that reads late is not done yet
				})
				return conformance.Failed(rows)
			}
			if bad := play(false); len(bad) > 0 {
				t.Errorf("without the mistake: %v", bad)
			}
			if !slices.ContainsFunc(play(true), func(r conformance.Row) bool { return r.Figure == tt.figure }) {
				t.Errorf("with the mistake, %s of shape %s stays green", tt.figure, tt.shape)
			}
		})
	}
}
