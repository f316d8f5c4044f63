package sftptest

import (
	"archive/zip"
	"bytes"
	"maps"
	"slices"
)

// Packed returns files, by name, as a zip archive.
func Packed(files map[string]string) ([]byte, error) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		w, err := z.Create(name)
		if err != nil {
			return nil, err
		}
		if _, err := w.Write([]byte(files[name])); err != nil {
			return nil, err
		}
	}
	err := z.Close()
	return b.Bytes(), err
}
