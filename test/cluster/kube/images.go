package kube

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
)

// Images that every cluster has; nobody pulls them, there is no such registry.
const (
	pauseImage = "cluster.test/pause:1"
	dnsImage   = "cluster.test/coredns:1"
)

// writeImages makes the archives of these.
func (c *Cluster) writeImages() error {
	for _, image := range []Image{
		{Name: pauseImage, Program: c.folder.program("pause"), User: "65535"},
		{Name: dnsImage, Program: c.folder.program("coredns")},
	} {
		archive := filepath.Base(image.Program) + ".tar"
		if err := WriteArchive(c.folder.path("images", archive), image); err != nil {
			return err
		}
		if err := c.update(func(s *state) { s.Images = append(s.Images, archive) }); err != nil {
			return err
		}
	}
	return nil
}

// images are the archives that every node has.
func (c *Cluster) images() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.state.Images)
}

// Load loads an image archive (as docker save or buildah push oci-archive:… make
// it) on every node, and on those that are added later. One of the same file name
// takes the place of an earlier one.
func (c *Cluster) Load(ctx context.Context, archive string) error {
	return c.change(ctx, func() error {
		name := filepath.Base(archive)
		return c.step("Loading "+name+" on all nodes", func() error {
			if err := copyFile(c.folder.path("images", name), archive); err != nil {
				return err
			}
			if err := c.each(ctx, c.Nodes(), func(ctx context.Context, n Node) error { return c.importImage(ctx, n, name) }); err != nil {
				return err
			}
			return c.update(func(s *state) {
				if !slices.Contains(s.Images, name) {
					s.Images = append(s.Images, name)
				}
			})
		})
	})
}

func (c *Cluster) importImage(ctx context.Context, n Node, archive string) error {
	_, err := c.nodeCommand(ctx, n.Name, "ctr", "--namespace=k8s.io", "images", "import", "--local", "--snapshotter=native", c.folder.path("images", archive))
	if err != nil {
		return fmt.Errorf("loading %s: %w", archive, err)
	}
	return nil
}

func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	if _, err := io.Copy(out, in); err != nil {
		return err
	}
	return out.Close()
}
