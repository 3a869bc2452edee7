package dsl

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"image"
	_ "image/jpeg" // lets image.DecodeConfig read this format
	_ "image/png"
	"io/fs"

	"homellm/dsl/syntax"
	"homellm/engine/wire"
)

// The limits on images.
const (
	maxImageBytes  = 8 << 20
	maxImagesBytes = 32 << 20 // all images together
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

// readImageFile reads a PNG or JPEG. Its contents decide which of the two it is, and its header says how large it is.
func readImageFile(dir fs.FS, name string) (wire.Image, error) {
	data, err := readInside(dir, name, maxImageBytes)
	if err != nil {
		return wire.Image{}, err
	}
	return ImageOf(name, data)
}

// ImageOf returns an image from the contents of a PNG or JPEG, or says what is wrong with them.
func ImageOf(name string, data []byte) (wire.Image, error) {
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

// wholePNG reports whether a PNG has all its chunks, up to the last, IEND.
func wholePNG(data []byte) bool {
	const signature, frame = 8, 12 // bytes; a chunk has a length, a name and a checksum around its content
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

// imagesKey is the capability of a server whose model takes images.
const imagesKey = "images"

// imageless says why a cell that shows images cannot be played; empty if it can, or shows none.
func (p *planner) imageless(c *Cell) string {
	step, api := firstShown(c.Scenario)
	if step == nil || c.Server == nil {
		return ""
	}
	shows := "step " + step.ID + " shows images, and "
	if cmp.Or(api, c.Server.API) == wire.Completions {
		return shows + "api: completions has none"
	}
	takes, by := c.Server.Capabilities.Images, "the profile of server "+c.Server.Name
	if served, ok := p.served(c); ok && takes == nil {
		if has, looked := served.Capabilities[imagesKey]; looked {
			takes, by = &has, "server "+c.Server.Name
		}
	}
	if takes == nil && c.Model != nil {
		takes, by = c.Model.Images, "the models file of "+c.Model.Name
	}
	switch {
	case takes == nil:
		return shows + "whether " + c.modelName() + " takes any is not known: say `images: true` of it in a models file"
	case !*takes:
		return shows + by + " says that it takes none"
	}
	return ""
}

// firstShown returns the first step whose request shows images, its own or those of a given history, and the API of
// that request; nil if there is none.
func firstShown(s *Scenario) (*Step, wire.API) {
	for _, conversation := range s.Conversations {
		given := 0
		if g := conversation.Given; g != nil {
			given = wire.Shown(g.Messages)
		}
		for _, step := range conversation.Steps {
			if given > 0 && step.Do != nil && step.Do.Turns() > 0 {
				return step, step.Request.API
			}
			var images []wire.Image
			switch a := step.Do.(type) {
			case Ask:
				images = a.Images
			case Query:
				images = a.Images
			}
			if len(images) > 0 {
				return step, step.Request.API
			}
		}
	}
	return nil, ""
}
