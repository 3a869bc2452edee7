package server

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// odd are texts that known servers do not write but others may.
var odd = []string{
	"a 1\n", "a 1 1700000000000\n", "a 1 soon\n", "a 1 2 3\n", "a\n", "a 1", "a one\n", "a 0x1p3\n", "a 1_0\n",
	" a\t+Inf\n",
	"a NaN\n", "a{} 1\n", "a{b=\"c\",} 1\n", "a{b=\"c\"}1\n", "a { b = \"c\" , d = \"e\" } 1\n",
	"a{b=\"c\" d=\"e\"} 1\n",
	"a{b=\"x\\\\y\\\"z\\n\"} 1\n", "a{b=\"\\x\"} 1\n", "a{b=\"\xff\"} 1\n", "a{b=\"c\n\"} 1\n", "a{b=c} 1\n",
	"a{b} 1\n",
	"a{b=\"1\",b=\"2\"} 1\n", "a{__name__=\"b\"} 1\n", "a{,} 1\n", "a{=\"b\"} 1\n", "a{b=\"c\"\n", "{} 1\n",
	"{a} 1\n", "1a 2\n",
	"{\"a.b\",c=\"d\"} 1\n", "{\"a.b\"} 1\n", "{\"a\",\"b\"} 1\n",
	"# HELP \"a.b\" c\n# TYPE \"a.b\" counter\n{\"a.b\"} 2\n",
	"# TYPE a counter\n# TYPE a counter\na 1\n", "a 1\n# TYPE a counter\n", "# TYPE a Gauge\na 1\na 2\n",
	"# TYPE a\na 1\n",
	"# TYPE a what\na 1\n", "# TYPE { counter\n", "#\n#TYPE a counter\n# EOF\na 1\n", "\n\n  \na 1\n", "a 1\r\n",
	"# HELP a", "",
	"# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 3\nh_count 2\n" +
		"h_sum{x=\"y\"} 4\nh_count{x=\"y\"} 5\n",
	"# TYPE h histogram\nh_sum -3\nh_count -2\n", "# TYPE h histogram\nh_sum NaN\nh_count 2\n",
	"h_sum 1\n# TYPE h histogram\nh_count 2\n",
	"# TYPE h gaugehistogram\nh_sum 1\nh_count 2\n",
	"# TYPE s summary\ns{quantile=\"0.5\"} 1\ns_sum 1\ns_count 2\ns_bucket 3\n",
	"# TYPE a_total counter\na_total 1\na_created 2\na 7\n", "a_sum 1\na_count 2\n",
}

// sameAs compares what is read from a text with the result of Prometheus' own parser, if both accept it.
func sameAs(t *testing.T, text []byte) (err, refusal error) {
	t.Helper()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	theirs, refusal := parser.TextToMetricFamilies(bytes.NewReader(text))
	ours, err := families(string(text))
	if err != nil || refusal != nil {
		return err, refusal
	}
	shot := &Snapshot{ours}
	for name, f := range theirs {
		got, want := ours[name], f.GetMetric()
		if got == nil {
			t.Fatalf("%q: %s is missing", text, name)
		}
		switch f.GetType() {
		case dto.MetricType_HISTOGRAM, dto.MetricType_GAUGE_HISTOGRAM:
			if _, ok := shot.sum(name, nil); ok || !got.histogram() {
				t.Errorf("%q: %s has one number", text, name)
			}
			continue
		case dto.MetricType_SUMMARY:
			if _, ok := got.value(sample{}); ok {
				t.Errorf("%q: %s has one number", text, name)
			}
			continue
		}
		if len(got.samples) != len(want) {
			t.Fatalf("%q: %s has %d samples and not %d", text, name, len(got.samples), len(want))
		}
		for i, m := range want {
			v := m.GetCounter().GetValue() + m.GetGauge().GetValue() + m.GetUntyped().GetValue()
			if g := got.samples[i].value; g != v && !(math.IsNaN(g) && math.IsNaN(v)) {
				t.Errorf("%q: %s is %v and not %v", text, name, g, v)
			}
			for _, l := range m.GetLabel() {
				if g := got.samples[i].label(l.GetName()); g != l.GetValue() {
					t.Errorf("%q: %s has %s=%q and not %q", text, name, l.GetName(), g, l.GetValue())
				}
			}
		}
	}
	if len(theirs) != len(ours) {
		t.Errorf("%q: %d families and not %d", text, len(ours), len(theirs))
	}
	return nil, nil
}

// Texts that servers write, or might write, are read or refused as by Prometheus.
func TestFamilies(t *testing.T) {
	files, err := filepath.Glob("testdata/*.prom")
	if err != nil || len(files) < 5 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err, _ := sameAs(t, text); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		if err, _ := sameAs(t, append(text, "# TYPE it counter\nit 1"...)); err == nil {
			t.Errorf("%s is taken although it is cut", file)
		}
	}
	for _, text := range odd {
		if err, refusal := sameAs(t, []byte(text)); (err == nil) != (refusal == nil) {
			t.Errorf("%q: %v, and Prometheus says %v", text, err, refusal)
		}
	}
}

// A histogram is the sum of its series.
func TestFamilies_Histogram(t *testing.T) {
	all, err := families("# TYPE h histogram\nh_sum 3\nh_count 2\nh_sum{x=\"y\"} 4\nh_count{x=\"y\"} 5\n")
	if err != nil {
		t.Fatal(err)
	}
	if sum, count, ok := (&Snapshot{all}).histogram("h"); !ok || sum != 7 || count != 7 {
		t.Errorf("it is %v of %v, %v", sum, count, ok)
	}
	if _, err := families("a 1\n\nb one\n"); err == nil || !strings.HasPrefix(err.Error(), "line 3: ") {
		t.Errorf("it says %v", err)
	}
}

func FuzzFamilies(f *testing.F) {
	for _, text := range odd {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) { _, _ = sameAs(t, text) })
}
