// Package hub downloads models from a hub that speaks Hugging Face's protocol into the cache that its programs share.
// It lists repositories, resumes and verifies transfers, and finds what is on disk.
//
// The input is endpoints, tokens, folders and callbacks that choose files and show progress; the output is files and
// reports of what is wrong with them. It does not read the environment, prints nothing, and does not know which files a
// model needs.
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
	"strings"
	"time"
)

// Hub is a model hub that speaks Hugging Face's protocol.
type Hub struct {
	Endpoint  string            // base URL; empty: https://huggingface.co
	Token     string            // sent to Endpoint and to no other host; empty: none
	Agent     string            // User-Agent; empty: none
	Transport http.RoundTripper // nil: one that suits large files

	Attempts int           // tries of one request that makes no progress; 0: 5
	Backoff  time.Duration // before the second try, doubled for each further one; 0: one second
	Idle     time.Duration // a transfer that receives nothing for this long is tried again; 0: 30 s
}

// FromEnv reads what huggingface-cli reads: HF_ENDPOINT, and HF_TOKEN, HUGGING_FACE_HUB_TOKEN or
// the file that HF_TOKEN_PATH names (by default "token" in the cache's parent folder).
func FromEnv(getenv func(string) string, home string, readFile func(string) ([]byte, error)) Hub {
	token := cmp.Or(getenv("HF_TOKEN"), getenv("HUGGING_FACE_HUB_TOKEN"))
	if token == "" {
		data, _ := readFile(cmp.Or(getenv("HF_TOKEN_PATH"), filepath.Join(hubHome(getenv, home), "token")))
		token = string(data)
	}
	return Hub{Endpoint: getenv("HF_ENDPOINT"), Token: strings.TrimSpace(token)}
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

func (h *Hub) endpoint() string {
	return strings.TrimRight(cmp.Or(h.Endpoint, "https://huggingface.co"), "/")
}

// Bounds of what a hub says: files of the largest repositories are some ten thousand, and their sizes are added up.
const (
	listingBytes = 64 << 20
	largestFile  = 4 << 40
)

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

// list asks what a repository holds at a commit, a branch or a tag, and which commit that is.
func (h *Hub) list(ctx context.Context, repo, revision string) (commit string, files []File, err error) {
	if !repoName.MatchString(repo) || strings.Contains(repo, "..") || strings.Contains(repo, "--") {
		return "", nil, fmt.Errorf("%q is not a repository's name (want organisation/model)", repo)
	}
	var body struct {
		SHA      string    `json:"sha"`
		Siblings []sibling `json:"siblings"`
	}
	address := h.endpoint() + "/api/models/" + repo + "/revision/" + url.PathEscape(revision) + "?blobs=true"
	err = h.retry(ctx, func() error {
		return h.get(ctx, address, "", func(r *http.Response) error {
			if r.StatusCode != http.StatusOK {
				return h.refusal(r, repo, "")
			}
			if err := json.NewDecoder(io.LimitReader(r.Body, listingBytes)).Decode(&body); err != nil {
				return &transient{err: fmt.Errorf("reading the hub's answer: %w", err)}
			}
			return nil
		})
	})
	switch {
	case err != nil:
	case !commitName.MatchString(body.SHA):
		err = errors.New("the hub names no commit")
	case commitName.MatchString(revision) && revision != body.SHA:
		err = fmt.Errorf("the pinned revision is answered as %s", body.SHA)
	}
	for _, s := range body.Siblings {
		f, bad := s.file()
		err = cmp.Or(err, bad)
		files = append(files, f)
	}
	if err != nil {
		return "", nil, fmt.Errorf("listing %s at %s: %w", repo, revision, err)
	}
	return body.SHA, files, nil
}

// file is a file whose name, size and hash can be trusted.
func (s sibling) file() (File, error) {
	f := File{Path: s.Path, Bytes: s.Size, Hash: s.BlobID}
	if s.LFS != nil {
		f.Bytes, f.Hash = s.LFS.Size, s.LFS.SHA256
	}
	if !filepath.IsLocal(f.Path) || strings.Contains(f.Path, `\`) {
		return File{}, fmt.Errorf("the file name %q leads out of the repository", f.Path)
	}
	if !hashName.MatchString(f.Hash) || f.Bytes < 0 || f.Bytes > largestFile {
		return File{}, fmt.Errorf("the hub gives no usable hash or size of %s", f.Path)
	}
	return f, nil
}
