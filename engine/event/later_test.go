package event

import (
	"reflect"
	"slices"
	"testing"
	"time"
)

// TestLater sets every duration of every kind of event, and checks that exactly the instants are moved. A new field of
// type duration has to be named here if it is no instant.
func TestLater(t *testing.T) {
	lengths := []string{"Waited", "Connect", "RetryAfter", "TTFT", "Each", "Budget", "Duration", "Embed", "Rerank"}
	instants := 0
	for kind, decode := range kinds {
		body, err := decode([]byte(`{}`))
		if err != nil {
			t.Fatal(err)
		}
		made := reflect.New(reflect.TypeOf(body)).Elem()
		durations(made, "", func(_ string, v reflect.Value) { v.SetInt(int64(time.Second)) })
		filled, ok := reflect.TypeAssert[Body](made)
		if !ok {
			t.Fatalf("%s is no body", kind)
		}
		e := Event{At: time.Second, Body: filled}.Later(time.Hour)
		got := reflect.New(reflect.TypeOf(body)).Elem()
		got.Set(reflect.ValueOf(e.Body))
		durations(got, "", func(name string, v reflect.Value) {
			want := time.Second
			if !slices.Contains(lengths, name) {
				want += time.Hour
				instants++
			}
			if v.Int() != int64(want) {
				t.Errorf("%s: %s is %v, want %v", kind, name, time.Duration(v.Int()), want)
			}
		})
		durations(made, "", func(name string, v reflect.Value) {
			if v.Int() != int64(time.Second) {
				t.Errorf("%s: %s of the original was changed", kind, name)
			}
		})
		if e.At != time.Second+time.Hour {
			t.Errorf("%s is at %v", kind, e.At)
		}
	}
	if instants < 10 {
		t.Errorf("only %d instants were found", instants)
	}
}

// durations calls f for every duration in a value, which it completes: a list has one element, and no pointer is nil.
func durations(v reflect.Value, name string, f func(name string, v reflect.Value)) {
	switch {
	case v.Type() == reflect.TypeFor[time.Duration]():
		f(name, v)
	case v.Type() == reflect.TypeFor[time.Time]() || !v.CanSet():
	case v.Kind() == reflect.Pointer:
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		durations(v.Elem(), name, f)
	case v.Kind() == reflect.Slice:
		if v.Len() == 0 {
			v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		}
		durations(v.Index(0), name, f)
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			durations(v.Field(i), v.Type().Field(i).Name, f)
		}
	}
}
