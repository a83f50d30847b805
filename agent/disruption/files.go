package disruption

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// maxFile bounds what is read of a file, in bytes: certificates of authorities, or a
// token.
const maxFile = 1 << 20

// Folder reads the files that backends name, within the directory dir. What is a link
// there, as all is that Kubernetes projects, has to stay within.
func Folder(dir string) func(name string) ([]byte, error) {
	return func(name string) (data []byte, err error) {
		root, err := os.OpenRoot(dir)
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, root.Close()) }()
		f, err := root.Open(name)
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		return readAll(f)
	}
}

// File reads the file at path.
func File(path string) (data []byte, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return readAll(f)
}

func readAll(f *os.File) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("%s has more than %d bytes", f.Name(), maxFile)
	}
	return data, err
}
