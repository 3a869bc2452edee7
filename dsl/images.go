package dsl

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"image"
	_ "image/jpeg" // decoders of headers
	_ "image/png"
	"io/fs"

	"homellm/dsl/syntax"
	"homellm/engine/wire"
)

// The limits on images.
const (
	maxImageBytes  = 8 << 20
	maxImagesBytes = 32 << 20 // of all together
	maxImagePixels = 64 << 20
)

// images reads the images that a question shows.
func (d *decoder) images(n *syntax.Node) []wire.Image {
	var out []wire.Image
	for _, item := range d.list(n, "images") {
		if shown, ok := d.readImage(item); ok {
			out = append(out, shown)
		}
	}
	return out
}

// imageFile returns an image in the scenario's folder, or reports why it cannot be shown.
func (d *decoder) imageFile(t *tree, n *syntax.Node) (wire.Image, bool) {
	name := n.Text()
	if name == "" {
		return wire.Image{}, false
	}
	shown, seen := t.images[name]
	var err error
	if !seen {
		shown, err = readImageFile(t.dir, name)
	}
	if err != nil {
		d.errorf(n, "links/image", nearFile(t, name, err), "image file %q %s", name, fileProblem(err))
		return wire.Image{}, false
	}
	all := len(shown.Data)
	for other, i := range t.images {
		if other != name {
			all += len(i.Data)
		}
	}
	if all > maxImagesBytes {
		d.errorf(n, "links/image", "use fewer or smaller images",
			"image file %q makes the images larger than %d MiB together", name, maxImagesBytes>>20)
		return wire.Image{}, false
	}
	t.images[name] = shown
	return shown, true
}

// readImageFile reads a PNG or JPEG. Its contents say which it is, and its header how large.
func readImageFile(dir fs.FS, name string) (wire.Image, error) {
	data, err := readInside(dir, name, maxImageBytes)
	if err != nil {
		return wire.Image{}, err
	}
	header, format, err := image.DecodeConfig(bytes.NewReader(data))
	switch {
	case err != nil:
		return wire.Image{}, errors.New("is no PNG or JPEG")
	case header.Width < 1 || header.Height < 1 || header.Width > maxImagePixels/header.Height:
		return wire.Image{}, fmt.Errorf("has %d x %d pixels: at most %d million are shown", header.Width, header.Height,
			maxImagePixels>>20)
	case format == "png" && !wholePNG(data), format == "jpeg" && !bytes.Contains(data[2:], []byte{0xff, 0xd9}):
		return wire.Image{}, errors.New("breaks off before its end")
	}
	sum := sha256.Sum256(data)
	return wire.Image{Name: name, Media: "image/" + format, SHA256: hex.EncodeToString(sum[:]), Data: data}, nil
}

// wholePNG reports whether a PNG has all its parts, up to the one that ends it.
func wholePNG(data []byte) bool {
	const signature, frame = 8, 12 // bytes; a part has a length, a name and a checksum around its content
	for at := signature; at+frame <= len(data); {
		size := binary.BigEndian.Uint32(data[at:])
		if string(data[at+4:at+8]) == "IEND" {
			return true
		}
		if int64(size) > int64(len(data)) {
			return false
		}
		at += frame + int(size)
	}
	return false
}
