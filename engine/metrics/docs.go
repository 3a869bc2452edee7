package metrics

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// WriteMetricDocs writes the page docs/metrics.md: every metric of [Defs] and every statistic.
func WriteMetricDocs(w io.Writer) error {
	b := bufio.NewWriter(w) // keeps the first error for Flush
	fmt.Fprint(b, docsHead)
	sections := []struct {
		level        Level
		title, intro string
	}{
		{TurnLevel, "Of one turn", "Below `turn.`, `first_turn.` and `steps.<id>.`; in scenario scope with a statistic: " +
			"`steps.<id>.<metric>.p50`. Where the last column names a fold, the metric also exists below `step.`, " +
			"`phases.<phase>.` and `conv.`."},
		{ConversationLevel, "Of a conversation, a phase or a step with several turns",
			"Below `conv.`, `step.` and `phases.<phase>.`; in scenario scope one value a repeat: " +
				"`conversations.<id>.<metric>.max`."},
		{RunLevel, "Of all measured turns of a cell", "Below `run.`, in scenario scope."},
		{CellLevel, "Of the machine while a cell was measured",
			"At the top of scenario scope, alone (folded as the last column says) or with a statistic: `gpu.power_w.max`."},
	}
	for _, s := range sections {
		fmt.Fprintf(b, "## %s\n\n%s\n\n", s.title, s.intro)
		fmt.Fprintln(b, "| Metric | Unit | Better | What it is | Formula | Source | Fold |")
		fmt.Fprintln(b, "|---|---|---|---|---|---|---|")
		for i := range Defs {
			d := &Defs[i]
			if !d.At(s.level) {
				continue
			}
			fmt.Fprintf(b, "| `%s` | %s | %s | %s | %s | %s | %s |\n", d.Name, unitDoc(d), better[d.Better+1],
				cell(d.Doc), cell(d.Formula), cell(d.Source), d.Fold)
		}
		fmt.Fprintln(b)
	}
	fmt.Fprint(b, "## Statistics\n\n| Statistic | What it is | Values it needs |\n|---|---|---|\n")
	for _, s := range Stats {
		floor := "–"
		if s.Floor > 0 {
			floor = fmt.Sprint(s.Floor)
		}
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", s.Name, cell(s.Doc), floor)
	}
	if err := b.Flush(); err != nil {
		return fmt.Errorf("writing the metric docs: %w", err)
	}
	return nil
}

// Words of the page in the style of code, which a raw string cannot hold.
const (
	kernelStamps = "`stamped_by: kernel`"
	prefillStep  = "`inject` with `prefill: true`"
)

const docsHead = `# Metrics

<!-- Written by: go test ./engine/metrics -update. Edit engine/metrics/defs_*.go instead. -->

Every number homellm shows is one of these. A number that was not measured is unknown: ` + "`–`" + ` in text,
` + "`null`" + ` in JSON, an empty field in CSV, and never 0. Failed requests are part of no latency, speed or
rate; they are counted by ` + "`requests_failed`" + `.

In the formulas *sent* is the first byte of the request handed to the kernel, *t_1 … t_k* are the arrivals of
the non-empty deltas of any channel, *n* is the server's own count of output tokens and *k1* the tokens that
came with the first delta (1 for each delta of that read unless the server says more, or a tokeniser counts the
text behind it; where none of these settles it, and more than 5 % hangs on it, an interval). Instants are monotonic. On
Linux they are the kernel's stamps of the packets that brought the bytes (` + kernelStamps + ` in result.json), so
that what a reader waits to be woken is in no figure; elsewhere they are taken when a read returns,
before anything is decoded (` + "`" + `reader` + "`" + `). Deltas that one read delivered share an instant.

How several turns become one number (fold): *mean* and *ratio* use the turns that did not fail,
*ratio* divides the sum of the numerators by the sum of the denominators, so that a long turn weighs more
than a short one; *sum* and *max* are unknown as soon as a turn failed; *all* is true if it is true of every
turn.

Where some of the turns are unknown the number lies between two limits, and is shown as such: 0.34-0.72, ≥ 50
ms. The unknown turns are put at both ends of what they may be: rates lie from 0 to 1, cached tokens from 0 to all but
one of the prompt, the prompt is at least as long as what it repeats and fits the context, numerator and denominator of
a ratio are those of the same turns, and times have no upper limit. Percentiles, smallest, largest, mean and standard
deviation of several values are limits in the same way, by nearest rank over all of them. JSON gives the limits beside
the null (within), CSV has an empty field. known() is false of such a number. A turn for which there is nothing to know
(no gap in a reply of one token, no connection where one was reused, no efficiency where nothing could be reused) is
left out and hides nothing.

A step, phase or conversation of which not all turns were played, because the repeat broke off or a turn failed, has no
value in that repeat; what counts requests and failures has.

A prefill (` + prefillStep + `) asks nothing: it is no part of the latencies and decode
speeds of a phase or conversation, only of those of its own step; its tokens, cache and prefill speed count everywhere.
Percentiles are nearest rank. Reports print a percentile only where there are enough values to
bound the true one with 95 % confidence.

`

var better = [...]string{"lower", "–", "higher"}

func unitDoc(d *Def) string {
	switch {
	case d.Rate:
		return "0..1"
	case d.Unit != "":
		return d.Unit
	}
	return string(d.Kind)
}

func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }
