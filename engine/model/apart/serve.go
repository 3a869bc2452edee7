package apart

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/signal"
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"
	"syscall"
	"time"

	"homellm/engine/crash"
	"homellm/engine/model"
)

// mostStack limits recursion: the runtime ends the process at this stack size, instead of at a gigabyte.
const mostStack = 64 << 20

// watchEvery is the interval of checks of the memory in use. On systems that support it, the memory limit bounds what
// a single step allocates.
const watchEvery = 5 * time.Millisecond

// Serve is the child's main function: it answers until in ends. Exit ends the process at once.
func Serve(in io.Reader, out io.Writer, exit func(code int)) {
	signal.Ignore(os.Interrupt, syscall.SIGTERM, syscall.SIGHUP) // the parent ends it by closing its input
	debug.SetMaxStack(mostStack)
	boundMemory(mostMemory + mostMemory/4)
	var deadline atomic.Int64 // nanoseconds since the start; when the rendering has to be over
	deadline.Store(math.MaxInt64)
	began := time.Now()
	crash.Go(func() {
		heap := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
		for range time.Tick(watchEvery) {
			if metrics.Read(heap); heap[0].Value.Uint64()-heap[1].Value.Uint64() > mostMemory {
				exit(exitMemory)
			}
			if int64(time.Since(began)) > deadline.Load() {
				exit(exitTime)
			}
		}
	})
	known := map[int]model.Renderer{}
	lines := bufio.NewReader(in)
	for {
		var q question
		texts, err := read(lines, &q)
		if err != nil || len(texts) != len(q.Heads) {
			return // the parent has ended or closed the pipe
		}
		deadline.Store(int64(time.Since(began) + q.Limit + grace))
		a, p := q.answer(known, texts)
		deadline.Store(math.MaxInt64)
		frame, err := frameOf(a, p.BOS, p.Text)
		if err == nil {
			_, err = out.Write(frame)
		}
		if err != nil {
			return
		}
	}
}

// answer parses or renders. A panic in the library is an error of the template.
func (q question) answer(known map[int]model.Renderer, texts []string) (a answer, p model.Prompt) {
	defer func() {
		if value := recover(); value != nil {
			a, p = answer{Error: fmt.Sprintf("the library that renders it fails: %v", value)}, model.Prompt{}
		}
	}()
	if q.Spec != nil {
		render, err := model.Parse(q.Template, *q.Spec)
		if err != nil {
			return failed(err), p
		}
		known[q.ID] = render
	}
	if len(texts) == 0 {
		return answer{}, p
	}
	messages := q.Heads
	for i, text := range texts {
		messages[i].Content = text
	}
	q.Options.Vars = whole(q.Options.Vars)
	p, err := known[q.ID](messages, q.Options)
	if err != nil {
		return failed(err), p
	}
	return answer{}, p
}

func failed(err error) answer {
	if refusal, ok := errors.AsType[*model.Refusal](err); ok {
		return answer{Refusal: &refusal.Why}
	}
	if wrong, ok := errors.AsType[*model.SyntaxError](err); ok {
		return answer{Syntax: wrong}
	}
	return answer{Error: err.Error()}
}

// whole converts whole numbers to integers: JSON does not distinguish them, and a template prints them.
func whole(vars map[string]any) map[string]any {
	for name, v := range vars {
		vars[name] = integer(v)
	}
	return vars
}

func integer(v any) any {
	switch v := v.(type) {
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
			return int(v)
		}
	case []any:
		for i := range v {
			v[i] = integer(v[i])
		}
	case map[string]any:
		return whole(v)
	}
	return v
}
