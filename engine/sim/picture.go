package sim

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"image"
	_ "image/jpeg" // decoders of headers
	_ "image/png"
	"strings"
)

// An image is read as text: its digest, so that equal images are found in the cache and others are not, and as many
// tokens as it has patches.
const (
	patch       = 28   // pixels on each side of what is one token
	mostPatches = 1280 // of one image; larger ones are shrunk
	pictureOpen = "<|image:"
	pictureDot  = " ·"
)

// picture reads an image that a request holds. What stands elsewhere is not fetched.
func picture(address string) (string, error) {
	kind, data, ok := strings.Cut(address, ";base64,")
	if !ok || !strings.HasPrefix(kind, "data:image/") {
		return "", errors.New("an image must be in the request, as data:image/…;base64,…")
	}
	raw, err := base64.StdEncoding.DecodeString(data)
	if err != nil {
		return "", fmt.Errorf("the image is no base64: %w", err)
	}
	header, _, err := image.DecodeConfig(bytes.NewReader(raw))
	if err != nil {
		return "", fmt.Errorf("cannot identify image file: %w", err)
	}
	patches := max(1, header.Width/patch) * max(1, header.Height/patch)
	dots := strings.Repeat(pictureDot, min(patches, mostPatches))
	return fmt.Sprintf("%s%x|>%s", pictureOpen, sha256.Sum256(raw), dots), nil
}
