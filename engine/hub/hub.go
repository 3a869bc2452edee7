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
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
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
	Idle     time.Duration // a transfer that receives nothing for this long is tried again; 0: 30 s
}

// defaultEndpoint is the hub where none is configured.
const defaultEndpoint = "https://huggingface.co"

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
	own := filepath.Join(hubHome(getenv, home), "hub")
	return Cache{Dir: cmp.Or(getenv("HF_HUB_CACHE"), getenv("HUGGINGFACE_HUB_CACHE"), own)}
}

func hubHome(getenv func(string) string, home string) string {
	base := cmp.Or(getenv("XDG_CACHE_HOME"), filepath.Join(home, ".cache"))
	return cmp.Or(getenv("HF_HOME"), filepath.Join(base, "huggingface"))
}

// Error is a refusal of the hub, with what the user can do about it.
type Error struct {
	Repo    string
	Path    string // of the file; empty if the repository was asked about
	Status  int
	Code    string // the hub's X-Error-Code
	Message string // the hub's own
	Hint    string // what to do
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
	"GatedRepo": "{repo} is gated: open {endpoint}/{repo}, accept its licence, " +
		"then set HF_TOKEN to a token of that account",
	"RepoNotFound": "there is no such repository, or it is private; check the name, " +
		"or set HF_TOKEN to a token that may read it",
	"RevisionNotFound": "the repository has no such revision: its history was rewritten, or the revision is mistyped",
	"EntryNotFound":    "the revision has no such file",
	"DisabledRepo":     "the repository was disabled by the hub",
}

// hintOf explains an answer that carries no error code.
var hintOf = map[int]string{
	http.StatusUnauthorized: "the repository does not exist, " +
		"or it is private or gated and HF_TOKEN is missing or invalid",
	http.StatusForbidden: "this account may not read it; " +
		"if {repo} is gated, accept its licence at {endpoint}/{repo}",
	http.StatusNotFound:        "there is no such repository, revision or file",
	http.StatusTooManyRequests: "too many requests: wait some minutes, or set HF_TOKEN for a higher limit",
}

func (h *Hub) refusal(r *http.Response, repo, path string) error {
	e := &Error{
		Repo: repo, Path: path, Status: r.StatusCode, Code: r.Header.Get("X-Error-Code"),
		Message: r.Header.Get("X-Error-Message"),
	}
	hint, ok := hints[e.Code]
	if !ok {
		hint = hintOf[e.Status]
	}
	e.Hint = strings.NewReplacer("{repo}", repo, "{endpoint}", h.endpoint()).Replace(hint)
	return e
}

func (h *Hub) endpoint() string {
	return strings.TrimRight(cmp.Or(h.Endpoint, defaultEndpoint), "/")
}

// listing is what a repository holds at one commit.
type listing struct {
	commit string
	files  []Remote
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

// defaultRevision is the branch that a repository has if no other is named.
const defaultRevision = "main"

// largestFile is the most that a hub may say of a file, so that sizes can be added without an overflow: a
// listing is too short for a million files.
const largestFile = 4 << 40

// listingBytes bounds the answer to list; the largest repositories list some ten thousand files.
const listingBytes = 64 << 20

// sibling is a file in a hub's answer.
type sibling struct {
	Path   string `json:"rfilename"`
	Size   int64  `json:"size"`
	BlobID string `json:"blobId"`
	LFS    *struct {
		SHA256 string `json:"sha256"`
		Size   int64  `json:"size"`
	} `json:"lfs"`
}

// list asks what a repository holds. Revision is a commit, a branch or a tag.
func (h *Hub) list(ctx context.Context, repo, revision string) (listing, error) {
	if !repoName.MatchString(repo) || strings.Contains(repo, "..") || strings.Contains(repo, "--") {
		return listing{}, fmt.Errorf("%q is not a repository's name (want organisation/model)", repo)
	}
	var body struct {
		SHA      string    `json:"sha"`
		Siblings []sibling `json:"siblings"`
	}
	address := h.endpoint() + "/api/models/" + repo + "/revision/" + url.PathEscape(revision) + "?blobs=true"
	if err := h.retry(ctx, func() error { return h.getJSON(ctx, address, repo, &body) }); err != nil {
		return listing{}, fmt.Errorf("listing %s at %s: %w", repo, revision, err)
	}
	if !commitName.MatchString(body.SHA) {
		return listing{}, fmt.Errorf("listing %s at %s: the hub names no commit", repo, revision)
	}
	if commitName.MatchString(revision) && revision != body.SHA {
		return listing{}, fmt.Errorf("listing %s: the pinned revision %s is answered as %s", repo, revision, body.SHA)
	}
	l := listing{commit: body.SHA}
	for _, s := range body.Siblings {
		f, err := s.remote()
		if err != nil {
			return listing{}, fmt.Errorf("listing %s: %w", repo, err)
		}
		l.files = append(l.files, f)
	}
	return l, nil
}

// getJSON reads the hub's answer about a repository.
func (h *Hub) getJSON(ctx context.Context, address, repo string, into any) error {
	ctx, touch, done := h.watch(ctx)
	defer done()
	r, err := h.get(ctx, address, "") //nolint:bodyclose // drain closes it
	if err != nil {
		return stalled(ctx, err)
	}
	defer drain(r.Body)
	if r.StatusCode != http.StatusOK {
		return again(r, h.refusal(r, repo, ""))
	}
	if err := json.NewDecoder(io.LimitReader(watched{r.Body, touch}, listingBytes)).Decode(into); err != nil {
		return stalled(ctx, &transient{err: fmt.Errorf("reading the hub's answer: %w", err)})
	}
	return nil
}

// remote is the file, if its name, size and hash can be trusted.
func (s sibling) remote() (Remote, error) {
	f := Remote{Path: s.Path, Bytes: s.Size, Etag: s.BlobID}
	if s.LFS != nil {
		f.Bytes, f.Etag = s.LFS.Size, s.LFS.SHA256
	}
	if !filepath.IsLocal(filepath.FromSlash(f.Path)) || strings.Contains(f.Path, `\`) {
		return Remote{}, fmt.Errorf("the file name %q leads out of the repository", f.Path)
	}
	if !etagName.MatchString(f.Etag) || f.Bytes < 0 || f.Bytes > largestFile {
		return Remote{}, fmt.Errorf("the hub gives no usable hash or size of %s", f.Path)
	}
	return f, nil
}
