// Package hub downloads models from a hub that speaks Hugging Face's protocol into the cache that its
// programs share: what a repository holds, which files a model needs, resumed and verified transfers.
//
// In come endpoints, tokens, folders and progress callbacks; out come files and what is wrong with
// them. It reads no environment, prints nothing, and knows no servers, templates or tokens of a text.
package hub

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Hub is a model hub that speaks Hugging Face's protocol.
type Hub struct {
	Endpoint string       // base URL; empty: https://huggingface.co
	Token    string       // sent to Endpoint and to no other host; empty: none
	Agent    string       // User-Agent
	Client   *http.Client // nil: one fit for large files; its redirect policy is not used

	Attempts int           // tries of one request that makes no progress; 0: 5
	Backoff  time.Duration // before the second try, doubled for each further one; 0: one second
	Idle     time.Duration // a transfer that brings nothing for so long is tried anew; 0: 30 s

	prepared bool
}

// DefaultEndpoint is the hub where none is configured.
const DefaultEndpoint = "https://huggingface.co"

// FromEnv reads what huggingface-cli reads: HF_ENDPOINT, and HF_TOKEN, HUGGING_FACE_HUB_TOKEN or
// the file that HF_TOKEN_PATH names (by default "token" in the cache's parent folder).
func FromEnv(getenv func(string) string, home string, readFile func(string) ([]byte, error)) Hub {
	h := Hub{Endpoint: strings.TrimRight(getenv("HF_ENDPOINT"), "/")}
	h.Token = cmp.Or(getenv("HF_TOKEN"), getenv("HUGGING_FACE_HUB_TOKEN"))
	if h.Token == "" {
		path := cmp.Or(getenv("HF_TOKEN_PATH"), filepath.Join(hubHome(getenv, home), "token"))
		if data, err := readFile(path); err == nil {
			h.Token = string(data)
		}
	}
	h.Token = strings.TrimSpace(h.Token)
	return h
}

// CacheFromEnv is the folder in which every Hugging Face program keeps models: HF_HUB_CACHE, else
// "hub" in HF_HOME, else in ~/.cache/huggingface.
func CacheFromEnv(getenv func(string) string, home string) Cache {
	return Cache{Dir: cmp.Or(getenv("HF_HUB_CACHE"), getenv("HUGGINGFACE_HUB_CACHE"), filepath.Join(hubHome(getenv, home), "hub"))}
}

func hubHome(getenv func(string) string, home string) string {
	base := cmp.Or(getenv("XDG_CACHE_HOME"), filepath.Join(home, ".cache"))
	return cmp.Or(getenv("HF_HOME"), filepath.Join(base, "huggingface"))
}

// Error is an answer of the hub that says no, in words for the one who asked.
type Error struct {
	Repo      string
	Path      string // of the file; empty if the repository was asked about
	Status    int
	Code      string // the hub's X-Error-Code
	Message   string // the hub's own
	RequestID string // for its support
	Hint      string // what to do
}

func (e *Error) Error() string {
	what := e.Repo
	if e.Path != "" {
		what += "/" + e.Path
	}
	text := fmt.Sprintf("%s: the hub answered %d", what, e.Status)
	if e.Message != "" {
		text += " (" + e.Message + ")"
	}
	if e.Hint != "" {
		text += ": " + e.Hint
	}
	return text
}

// hints say what to do about an error code. {repo} and {endpoint} are filled in.
var hints = map[string]string{
	"GatedRepo":        "{repo} is gated: open {endpoint}/{repo}, accept its licence, then set HF_TOKEN to a token of that account",
	"RepoNotFound":     "there is no such repository, or it is private; check the name, or set HF_TOKEN to a token that may read it",
	"RevisionNotFound": "the repository has no such revision: its history was rewritten, or the revision is mistyped",
	"EntryNotFound":    "the revision has no such file",
	"DisabledRepo":     "the repository was disabled by the hub",
}

// hintOf explains an answer that carries no error code.
var hintOf = map[int]string{
	http.StatusUnauthorized:    "the repository does not exist, or it is private or gated and HF_TOKEN is missing or invalid",
	http.StatusForbidden:       "this account may not read it; if {repo} is gated, accept its licence at {endpoint}/{repo}",
	http.StatusNotFound:        "there is no such repository, revision or file",
	http.StatusTooManyRequests: "too many requests: wait some minutes, or set HF_TOKEN for a higher limit",
}

func (h *Hub) refusal(r *http.Response, repo, path string) error {
	e := &Error{
		Repo: repo, Path: path, Status: r.StatusCode, Code: r.Header.Get("X-Error-Code"),
		Message: r.Header.Get("X-Error-Message"), RequestID: r.Header.Get("X-Request-Id"),
	}
	hint, ok := hints[e.Code]
	if !ok {
		hint = hintOf[e.Status]
	}
	e.Hint = strings.NewReplacer("{repo}", repo, "{endpoint}", h.endpoint()).Replace(hint)
	return e
}

func (h *Hub) endpoint() string {
	return strings.TrimRight(cmp.Or(h.Endpoint, DefaultEndpoint), "/")
}

// Listing is what a repository holds at one commit.
type Listing struct {
	Commit string
	Gated  bool
	Files  []Remote
}

// Remote is a file of a repository.
type Remote struct {
	Path  string
	Bytes int64
	Etag  string // SHA-256 of large files, git's SHA-1 of others; the name of the file in the cache
}

var (
	repoName   = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*/[A-Za-z0-9_][A-Za-z0-9_.-]*$`)
	commitName = regexp.MustCompile(`^[0-9a-f]{40}$`)
	etagName   = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)
)

// defaultRevision is the branch that a repository has if nobody says another.
const defaultRevision = "main"

// list asks what a repository holds. Revision is a commit, a branch or a tag.
func (h *Hub) list(ctx context.Context, repo, revision string) (Listing, error) {
	if !repoName.MatchString(repo) || strings.Contains(repo, "..") || strings.Contains(repo, "--") {
		return Listing{}, fmt.Errorf("%q is not a repository's name (want organisation/model)", repo)
	}
	address := h.endpoint() + "/api/models/" + repo + "/revision/" + url.PathEscape(revision) + "?blobs=true"
	var body struct {
		SHA      string          `json:"sha"`
		Gated    json.RawMessage `json:"gated"`
		Siblings []struct {
			Path   string `json:"rfilename"`
			Size   int64  `json:"size"`
			BlobID string `json:"blobId"`
			LFS    *struct {
				SHA256 string `json:"sha256"`
				Size   int64  `json:"size"`
			} `json:"lfs"`
		} `json:"siblings"`
	}
	err := h.retry(ctx, func() error {
		ctx, touch, done := h.watch(ctx)
		defer done()
		r, _, err := h.get(ctx, address, "") //nolint:bodyclose // drain closes it
		if err != nil {
			return stalled(ctx, err)
		}
		defer drain(r.Body)
		if r.StatusCode != http.StatusOK {
			return again(r, h.refusal(r, repo, ""))
		}
		const limit = 64 << 20 // the largest repositories list some ten thousand files
		if err := json.NewDecoder(io.LimitReader(watched{r.Body, touch}, limit)).Decode(&body); err != nil {
			return stalled(ctx, &transient{err: fmt.Errorf("reading the hub's answer: %w", err)})
		}
		return nil
	})
	if err != nil {
		return Listing{}, fmt.Errorf("listing %s at %s: %w", repo, revision, err)
	}
	if !commitName.MatchString(body.SHA) {
		return Listing{}, fmt.Errorf("listing %s at %s: the hub names no commit", repo, revision)
	}
	if commitName.MatchString(revision) && revision != body.SHA {
		return Listing{}, fmt.Errorf("listing %s: the pinned revision %s is answered as %s", repo, revision, body.SHA)
	}
	l := Listing{Commit: body.SHA, Gated: len(body.Gated) > 0 && string(body.Gated) != "false" && string(body.Gated) != "null"}
	for _, s := range body.Siblings {
		f := Remote{Path: s.Path, Bytes: s.Size, Etag: s.BlobID}
		if s.LFS != nil {
			f.Bytes, f.Etag = s.LFS.Size, s.LFS.SHA256
		}
		if !filepath.IsLocal(filepath.FromSlash(f.Path)) || strings.Contains(f.Path, `\`) {
			return Listing{}, fmt.Errorf("listing %s: the file name %q leads out of the repository", repo, f.Path)
		}
		if !etagName.MatchString(f.Etag) || f.Bytes < 0 {
			return Listing{}, fmt.Errorf("listing %s: the hub gives no usable hash or size of %s", repo, f.Path)
		}
		l.Files = append(l.Files, f)
	}
	return l, nil
}

// get sends a GET and follows redirects by hand: the token goes to the endpoint alone, not even to
// its subdomains, and never from https to http. It also returns the address that answered.
func (h *Hub) get(ctx context.Context, address, byteRange string) (*http.Response, string, error) {
	const redirects = 10
	for range redirects {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		if err != nil {
			return nil, "", fmt.Errorf("building a request: %w", err)
		}
		if h.Agent != "" {
			r.Header.Set("User-Agent", h.Agent)
		}
		if byteRange != "" {
			r.Header.Set("Range", byteRange)
		}
		if h.Token != "" && sameOrigin(address, h.endpoint()) {
			r.Header.Set("Authorization", "Bearer "+h.Token)
		}
		response, err := h.Client.Do(r)
		if err != nil {
			if errors.Is(context.Cause(ctx), context.Canceled) || errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
				return nil, "", ctx.Err()
			}
			return nil, "", &transient{err: withoutQuery(err)}
		}
		location := response.Header.Get("Location")
		if response.StatusCode < 300 || response.StatusCode > 399 || location == "" {
			return response, address, nil
		}
		drain(response.Body)
		next, err := response.Request.URL.Parse(location)
		if err != nil {
			return nil, "", fmt.Errorf("following a redirect: %w", err)
		}
		if response.Request.URL.Scheme == "https" && next.Scheme != "https" {
			return nil, "", fmt.Errorf("refusing a redirect from https to %s://%s", next.Scheme, next.Host)
		}
		address = next.String()
	}
	return nil, "", errors.New("the hub redirects in a circle")
}

// withoutQuery takes the signature of a download address out of an error.
func withoutQuery(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		if i := strings.IndexByte(u.URL, '?'); i >= 0 {
			u.URL = u.URL[:i]
		}
	}
	return err
}

func sameOrigin(a, b string) bool {
	x, errX := url.Parse(a)
	y, errY := url.Parse(b)
	return errX == nil && errY == nil && x.Scheme == y.Scheme && strings.EqualFold(x.Host, y.Host)
}

// transient is an error that another try may mend.
type transient struct {
	err   error
	after time.Duration // the server asked for this pause
}

func (t *transient) Error() string { return t.err.Error() }
func (t *transient) Unwrap() error { return t.err }

// again makes an error transient where the status says that it may pass.
func again(r *http.Response, err error) error {
	switch r.StatusCode {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
	default:
		return err
	}
	t := &transient{err: err}
	if s, e := strconv.ParseUint(r.Header.Get("Retry-After"), 10, 31); e == nil {
		t.after = time.Duration(s) * time.Second
	} else if when, e := http.ParseTime(r.Header.Get("Retry-After")); e == nil {
		t.after = max(0, time.Until(when))
	}
	if t.after > longestPause {
		return fmt.Errorf("%w; it asks to come again in %v", err, t.after.Round(time.Second))
	}
	return t
}

// longestPause is how long a server that asks for a pause is waited for.
const longestPause = 2 * time.Minute

// errIdle is why a request that was silent for too long is cancelled.
var errIdle = errors.New("nothing came for too long")

// watch cancels a request that brings nothing for too long: touch says that something came.
func (h *Hub) watch(ctx context.Context) (watched context.Context, touch, done func()) {
	watched, cancel := context.WithCancelCause(ctx)
	idle := cmp.Or(h.Idle, 30*time.Second)
	timer := time.AfterFunc(idle, func() { cancel(errIdle) })
	return watched, func() { timer.Reset(idle) }, func() { timer.Stop(); cancel(nil) }
}

// stalled tells our own cancellation of a silent request from the user's.
func stalled(ctx context.Context, err error) error {
	if errors.Is(context.Cause(ctx), errIdle) {
		return &transient{err: errIdle}
	}
	return err
}

// watched says of every piece that it came.
type watched struct {
	io.Reader
	touch func()
}

func (w watched) Read(p []byte) (int, error) {
	n, err := w.Reader.Read(p)
	w.touch()
	return n, err
}

// retry repeats f while it fails in a way that may pass.
func (h *Hub) retry(ctx context.Context, f func() error) error {
	pause := cmp.Or(h.Backoff, time.Second)
	for try := 1; ; try++ {
		err := f()
		t, ok := errors.AsType[*transient](err)
		if !ok || ctx.Err() != nil {
			return err
		}
		if try >= cmp.Or(h.Attempts, 5) {
			return fmt.Errorf("giving up after %d tries: %w", try, t.err)
		}
		if err := sleep(ctx, max(pause, t.after)); err != nil {
			return err
		}
		const longest = 8 // backoffs
		pause = min(2*pause, longest*cmp.Or(h.Backoff, time.Second))
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// drain reads a little of what is left, so that the connection can be used again.
func drain(body io.ReadCloser) {
	const little = 64 << 10
	_, _ = io.CopyN(io.Discard, body, little)
	_ = body.Close()
}

// largeFileClient opens a connection for every transfer: over HTTP/2 they would share one.
func largeFileClient() *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.ForceAttemptHTTP2 = false
	t.Protocols = new(http.Protocols)
	t.Protocols.SetHTTP1(true)
	t.DisableCompression = true // lengths and hashes are those of the plain bytes
	t.MaxIdleConnsPerHost = 16
	t.ReadBufferSize = 64 << 10
	t.ResponseHeaderTimeout = 60 * time.Second
	return &http.Client{Transport: t}
}

// ready returns the hub with a client that does not follow redirects.
func (h Hub) ready() *Hub {
	if h.prepared {
		return &h
	}
	h.prepared = true
	client := h.Client
	if client == nil {
		client = largeFileClient()
	}
	own := *client
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	h.Client = &own
	return &h
}
