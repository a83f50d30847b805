package kube

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
)

// Image is one that holds a single static program and nothing else.
type Image struct {
	// Name is the whole of it, with a registry and a tag.
	Name string
	// Program is the file, put at /program.
	Program string
	// User is who runs it, as a number; empty: root.
	User string
}

// descriptor points at a blob, see the OCI image specification, "Content
// Descriptors".
type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int               `json:"size"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// WriteArchive writes the image as an OCI archive: a tar of an "Image Layout".
func WriteArchive(path string, image Image) error {
	layer, err := layerOf(image.Program)
	if err != nil {
		return fmt.Errorf("making the image %s: %w", image.Name, err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	archive := layout{tar.NewWriter(f)}
	if err := archive.write(image, layer); err != nil {
		return fmt.Errorf("making the image %s: %w", image.Name, err)
	}
	if err := archive.Close(); err != nil {
		return err
	}
	return f.Close()
}

// layerOf is a tar with the program alone.
func layerOf(program string) ([]byte, error) {
	text, err := os.ReadFile(program)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	w := layout{tar.NewWriter(&b)}
	if err := w.file("program", 0o755, text); err != nil {
		return nil, err
	}
	return b.Bytes(), w.Close()
}

type layout struct{ *tar.Writer }

func (l layout) write(image Image, layer []byte) error {
	const kind = "application/vnd.oci.image."
	layerAt, err := l.blob(kind+"layer.v1.tar", layer)
	if err != nil {
		return err
	}
	configAt, err := l.jsonBlob(kind+"config.v1+json", map[string]any{
		"architecture": runtime.GOARCH, "os": "linux",
		"config": map[string]any{"Entrypoint": []string{"/program"}, "User": image.User},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{layerAt.Digest}},
	})
	if err != nil {
		return err
	}
	const manifestType = kind + "manifest.v1+json"
	manifestAt, err := l.jsonBlob(manifestType, map[string]any{
		"schemaVersion": 2, "mediaType": manifestType, "config": configAt, "layers": []descriptor{layerAt},
	})
	if err != nil {
		return err
	}
	manifestAt.Annotations = map[string]string{"org.opencontainers.image.ref.name": image.Name}
	index, err := json.Marshal(map[string]any{"schemaVersion": 2, "manifests": []descriptor{manifestAt}})
	if err != nil {
		return err
	}
	if err := l.file("index.json", 0o644, index); err != nil {
		return err
	}
	return l.file("oci-layout", 0o644, []byte(`{"imageLayoutVersion":"1.0.0"}`))
}

func (l layout) jsonBlob(mediaType string, value any) (descriptor, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return descriptor{}, err
	}
	return l.blob(mediaType, text)
}

func (l layout) blob(mediaType string, text []byte) (descriptor, error) {
	sum := fmt.Sprintf("%x", sha256.Sum256(text))
	err := l.file("blobs/sha256/"+sum, 0o644, text)
	return descriptor{MediaType: mediaType, Digest: "sha256:" + sum, Size: len(text)}, err
}

func (l layout) file(name string, mode int64, text []byte) error {
	if err := l.WriteHeader(&tar.Header{Name: name, Mode: mode, Size: int64(len(text))}); err != nil {
		return err
	}
	_, err := io.Copy(l, bytes.NewReader(text))
	return err
}
