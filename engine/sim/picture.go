package sim

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"image"
	_ "image/jpeg" // lets image.DecodeConfig read this format
	_ "image/png"
	"strings"
)

// An image becomes text: its digest, so that the cache finds equal images and no others, and one token per patch.
const (
	patch       = 28   // side in pixels of the square that makes one token
	mostPatches = 1280 // most patches of one image; larger ones are scaled down
	pictureOpen = "<|image:"
	pictureDot  = " ·"
)

// picture reads an image that a request contains. It does not fetch images from URLs.
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
